/// The one way in which bytes of names and messages are shown, and its inverse.
///
/// Serves wire, shell, logs and transcripts, so that no name can forge a line or move a cursor.
/// - Source: Protocol.md, "Grammar" (`word`, `quoted`).
public enum Quoting {
    /// Shows raw bytes as one argument: a bare word where the grammar allows it, else quoted.
    public static func quote(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var writer = LineWriter()
        writer.appendQuoted(Array(bytes).span)
        return writer.bytes
    }

    /// The quoted form as a string; always valid UTF-8 without control characters.
    public static func text(_ bytes: some Collection<UInt8>) -> String {
        String(decoding: quote(bytes), as: UTF8.self)
    }

    /// Always with quotation marks around it, as `data="..."` is written.
    public static func quoteAlways(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var writer = LineWriter()
        writer.appendQuoted(Array(bytes).span, always: true)
        return writer.bytes
    }

    /// Reads one argument back: the inverse of `quote`.
    ///
    /// - Throws: `bad-syntax` where the text is not exactly one word or one quoted string.
    public static func unquote(_ text: [UInt8]) throws(RequestError) -> [UInt8] {
        var parser = LineParser()
        try parser.parseArguments(text.span)
        guard parser.argumentCount == 1, !parser[0].isPair else {
            throw RequestError(.badSyntax, "expected one word or one quoted string")
        }
        return parser.value(0, in: text.span)
    }

    /// Reads the value of a list such as `mounts="/a \"/b c\""`: quoted arguments between spaces.
    ///
    /// - Throws: `bad-syntax` where an element is neither a word nor a quoted string.
    public static func unquoteList(_ text: [UInt8]) throws(RequestError) -> [[UInt8]] {
        var parser = LineParser()
        try parser.parseArguments(text.span)
        return try (0..<parser.argumentCount).map { (index) throws(RequestError) in
            guard !parser[index].isPair else {
                throw RequestError(.badSyntax, "expected a list of words and quoted strings")
            }
            return parser.value(index, in: text.span)
        }
    }

    /// Whether an ASCII byte may stand in a bare word.
    @inline(__always)
    static func isWordByte(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
            && byte != UInt8(ascii: "{") && byte != UInt8(ascii: "}")
    }

    /// Whether an ASCII byte may stand between quotation marks as it is.
    @inline(__always)
    static func isQuotedByte(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    /// Length of the valid UTF-8 sequence at `index`, 1 to 4; 0 where there is none.
    ///
    /// Overlong forms, surrogates and values above U+10FFFF are not UTF-8.
    @inline(__always)
    static func sequenceLength(_ bytes: Span<UInt8>, at index: Int) -> Int {
        let first = bytes[index]
        if first < 0x80 { return 1 }
        return longSequenceLength(bytes, at: index, first)
    }

    private static func longSequenceLength(
        _ bytes: Span<UInt8>, at index: Int, _ first: UInt8
    ) -> Int {
        let length: Int
        var low: UInt8 = 0x80
        var high: UInt8 = 0xBF
        switch first {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, low) = (3, 0xA0)
        case 0xED: (length, high) = (3, 0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, low) = (4, 0x90)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, high) = (4, 0x8F)
        default: return 0
        }
        guard index + length <= bytes.count else { return 0 }
        guard bytes[index + 1] >= low, bytes[index + 1] <= high else { return 0 }
        var offset = 2
        while offset < length {
            guard bytes[index + offset] & 0xC0 == 0x80 else { return 0 }
            offset += 1
        }
        return length
    }

    /// Whether a valid sequence is a C1 control, a line separator or a bidirectional control.
    static func isHiddenControl(_ bytes: Span<UInt8>, at index: Int, length: Int) -> Bool {
        switch length {
        case 2:
            (bytes[index] == 0xC2 && bytes[index + 1] < 0xA0)
                || (bytes[index] == 0xD8 && bytes[index + 1] == 0x9C)
        case 3:
            switch (bytes[index], bytes[index + 1], bytes[index + 2]) {
            case (0xE2, 0x80, 0x8E...0x8F), (0xE2, 0x80, 0xA8...0xAE), (0xE2, 0x81, 0xA6...0xA9):
                true
            default: false
            }
        default: false
        }
    }
}
