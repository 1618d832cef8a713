/// Writes lines of the protocol into one growing buffer; the only place where wire text is made.
///
/// Every value passes through `quote()`, so no byte of a name can end a line early.
public struct LineWriter: Sendable {
    /// What has been written so far.
    public private(set) var bytes: [UInt8]

    /// Starts empty.
    public init() { bytes = [] }

    /// Starts empty with room for a number of bytes.
    public init(capacity: Int) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    /// Forgets what was written and keeps the memory.
    public mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// Cuts back to an earlier length, for an answer that failed half way.
    public mutating func truncate(to count: Int) { bytes.removeLast(bytes.count - count) }

    /// Writes text of our own as it is.
    @inline(__always)
    public mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    /// Writes bytes that are known to be safe: something quoted before, or a number.
    public mutating func append(raw: [UInt8]) { bytes.append(contentsOf: raw) }

    /// Writes one byte of our own.
    @inline(__always)
    public mutating func append(byte: UInt8) { bytes.append(byte) }

    /// Writes a decimal number without making a string.
    public mutating func append(number: Int64) {
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        var digits = InlineArray<20, UInt8>(repeating: UInt8(ascii: "0"))
        var first = digits.count
        var rest = number.magnitude
        repeat {
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
            first -= 1
            digits[first] += UInt8(truncatingIfNeeded: remainder)
            rest = quotient
        } while rest > 0
        append(span: digits.span, first..<digits.count)
    }

    /// Writes one argument in the form of `quote()`.
    ///
    /// - Parameter always: Quotation marks even where a bare word would do.
    public mutating func appendQuoted(_ value: Span<UInt8>, always: Bool = false) {
        if !always && LineWriter.isBareWord(value) { return append(span: value, 0..<value.count) }
        var plain = 0
        bytes.append(UInt8(ascii: "\""))
        var index = 0
        while index < value.count {
            let length = LineWriter.plainLength(value, at: index)
            if length > 0 {
                index += length
                continue
            }
            append(span: value, plain..<index)
            index += appendEscape(value, at: index)
            plain = index
        }
        append(span: value, plain..<index)
        bytes.append(UInt8(ascii: "\""))
    }

    /// Writes one argument in the form of `quote()`.
    public mutating func appendQuoted(_ value: [UInt8]) { appendQuoted(value.span) }

    /// Whether `quote()` leaves this value as it is.
    @inline(__always)
    static func isBareWord(_ value: Span<UInt8>) -> Bool {
        if value.isEmpty { return false }
        var index = 0
        while index &+ 8 <= value.count {
            let word = ByteScan.word(value, at: index)
            guard ByteScan.isWord(word) else { break }
            if ByteScan.hasEqualsSign(word) { return false }
            index &+= 8
        }
        while index < value.count {
            let byte = value[index]
            if byte < 0x80 {
                guard Quoting.isWordByte(byte), byte != UInt8(ascii: "=") else { return false }
                index += 1
            } else {
                let length = plainLength(value, at: index)
                if length == 0 { return false }
                index += length
            }
        }
        return true
    }

    /// Length of what may stand between quotation marks as it is, 0 where it must be escaped.
    private static func plainLength(_ value: Span<UInt8>, at index: Int) -> Int {
        let byte = value[index]
        if byte < 0x80 { return Quoting.isQuotedByte(byte) ? 1 : 0 }
        let length = Quoting.sequenceLength(value, at: index)
        if length == 0 || Quoting.isHiddenControl(value, at: index, length: length) { return 0 }
        return length
    }

    /// Writes an escape and says how many bytes of the value it stands for.
    private mutating func appendEscape(_ value: Span<UInt8>, at index: Int) -> Int {
        let byte = value[index]
        switch byte {
        case UInt8(ascii: "\n"): append("\\n")
        case UInt8(ascii: "\r"): append("\\r")
        case UInt8(ascii: "\t"): append("\\t")
        case UInt8(ascii: "\""): append("\\\"")
        case UInt8(ascii: "\\"): append("\\\\")
        default:
            // A hidden control is valid UTF-8: all its bytes are escaped, or a tail would stray.
            let length = byte < 0x80 ? 1 : max(1, Quoting.sequenceLength(value, at: index))
            for offset in 0..<length { appendHex(value[index + offset]) }
            return length
        }
        return 1
    }

    private mutating func appendHex(_ byte: UInt8) {
        append("\\x")
        bytes.append(LineWriter.hexDigits[Int(byte >> 4)])
        bytes.append(LineWriter.hexDigits[Int(byte & 15)])
    }

    private static let hexDigits = [UInt8]("0123456789abcdef".utf8)

    /// Writes a part of a line that was read, as it is.
    @inline(__always)
    public mutating func append(span: Span<UInt8>, _ range: Range<Int>) {
        if range.isEmpty { return }
        span.extracting(range).withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
    }
}
