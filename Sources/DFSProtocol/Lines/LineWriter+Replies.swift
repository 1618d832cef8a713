/// The shapes of lines: finals, items, notices, requests and their pairs.
extension LineWriter {
    /// Writes ` key=` and a quoted value.
    @inline(__always)
    public mutating func pair(_ key: StaticString, _ value: Span<UInt8>) {
        append(byte: UInt8(ascii: " "))
        append(key)
        append(byte: UInt8(ascii: "="))
        if !value.isEmpty { appendQuoted(value) }
    }

    /// Writes ` key=` and a quoted value; an empty value is nothing after the `=`.
    public mutating func pair(_ key: StaticString, _ value: [UInt8]) { pair(key, value.span) }

    /// Writes ` key=` and a quoted value.
    public mutating func pair(_ key: StaticString, _ value: String) {
        pair(key, [UInt8](value.utf8))
    }

    /// Writes ` key=` and a decimal number.
    @inline(__always)
    public mutating func pair(_ key: StaticString, _ number: Int64) {
        append(byte: UInt8(ascii: " "))
        append(key)
        append(byte: UInt8(ascii: "="))
        append(number: number)
    }

    /// Writes ` key=` and a list in one value: elements quoted as if alone, spaces between.
    public mutating func pair(_ key: StaticString, list: [[UInt8]]) {
        var inner = LineWriter()
        for (index, element) in list.enumerated() {
            if index > 0 { inner.append(byte: UInt8(ascii: " ")) }
            inner.appendQuoted(element)
        }
        pair(key, inner.bytes)
    }

    /// Writes a space and one quoted operand.
    public mutating func operand(_ value: [UInt8]) {
        append(byte: UInt8(ascii: " "))
        appendQuoted(value)
    }

    /// Writes the tag of a request and the space after it; nothing where there is none.
    public mutating func begin(tag: Tag?) {
        guard let tag else { return }
        append(raw: tag.bytes)
        append(byte: UInt8(ascii: " "))
    }

    /// Ends a line.
    @inline(__always)
    public mutating func end() { append(byte: UInt8(ascii: "\n")) }

    /// Writes ` {n}` and ends the line; the payload and its newline are the caller's to send.
    public mutating func end(literal count: Int) {
        append(" {")
        append(number: Int64(count))
        append("}\n")
    }

    /// Writes a whole error line: code, fatal, fields, and the text quoted and last.
    public mutating func error(_ error: RequestError, tag: Tag?) {
        begin(tag: tag)
        append("ERR ")
        append(raw: [UInt8](error.code.rawValue.utf8))
        if error.isFatal { append(" fatal") }
        for field in error.fields {
            append(byte: UInt8(ascii: " "))
            append(raw: [UInt8](field.key.text.utf8))
            append(byte: UInt8(ascii: "="))
            if !field.value.isEmpty { appendQuoted(field.value) }
        }
        append(byte: UInt8(ascii: " "))
        appendQuoted([UInt8](error.advice.utf8).span, always: true)
        end()
    }
}
