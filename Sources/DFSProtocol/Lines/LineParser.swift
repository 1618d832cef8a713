/// Cuts one line into tag, first word and arguments, without an allocation once it is warm.
///
/// Holds positions in the line and not the bytes; the line is handed in again to read a value.
/// A run of spaces separates like one, so that a person's extra space is no error.
/// - Source: Protocol.md, "Grammar".
public struct LineParser: Sendable {
    /// One argument of a line: a word, a quoted string, or a pair.
    public struct Argument: Sendable {
        /// Where the key stands; empty where the argument is no pair.
        public var key: Range<Int>
        /// Where the value stands, without its quotation marks.
        public var value: Range<Int>
        /// Whether the value stood between quotation marks.
        public var isQuoted: Bool
        /// Whether the value has escapes, so that its bytes differ from those in the line.
        public var isEscaped: Bool
        /// Whether the argument was written `key=value`.
        public var isPair: Bool { !key.isEmpty }
    }

    /// The tag at the start of the line.
    public private(set) var tag: Tag?
    /// Where the verb, `OK`, `ERR`, `*` or `!` stands.
    public private(set) var head: Range<Int> = 0..<0
    private var arguments: [Argument] = []
    private var pairs = 0
    /// Room for more arguments than these is given back after the line that needed it.
    private static let keptArguments = 1024

    /// Starts with room for the arguments of a usual line.
    public init() { arguments.reserveCapacity(16) }

    /// How many arguments follow the first word.
    public var argumentCount: Int { arguments.count }

    /// One argument, by its position after the first word.
    public subscript(index: Int) -> Argument { arguments[index] }

    /// Reads `[tag SP] first-word tail`; the literal mark has been taken off by the framer.
    ///
    /// - Throws: `bad-tag` or `bad-syntax`. What was read until then (the tag) stays readable.
    public mutating func parse(_ line: Span<UInt8>) throws(RequestError) {
        startOver()
        var index = LineParser.skipSpaces(line, from: 0)
        if index < line.count, line[index] == UInt8(ascii: "@") {
            let end = LineParser.endOfToken(line, from: index)
            tag = Tag(line.extracting((index + 1)..<end))
            guard tag != nil else {
                throw RequestError(.badTag, "a tag is @ and 1 to 16 letters or digits")
            }
            index = LineParser.skipSpaces(line, from: end)
        }
        let end = LineParser.endOfToken(line, from: index)
        guard end > index else { throw RequestError(.badSyntax, "a request starts with a verb") }
        head = index..<end
        try parseArguments(line, from: end)
    }

    /// Reads arguments only, for values that hold a list.
    ///
    /// - Throws: `bad-syntax`.
    public mutating func parseArguments(_ text: Span<UInt8>) throws(RequestError) {
        startOver()
        try parseArguments(text, from: 0)
    }

    private mutating func startOver() {
        tag = nil
        head = 0..<0
        pairs = 0
        if arguments.capacity <= LineParser.keptArguments {
            arguments.removeAll(keepingCapacity: true)
        } else {
            self = LineParser()
        }
    }

    private mutating func parseArguments(_ line: Span<UInt8>, from: Int) throws(RequestError) {
        var index = from
        while true {
            index = LineParser.skipSpaces(line, from: index)
            if index >= line.count { return }
            let argument = try LineParser.argument(line, from: index)
            if argument.isPair {
                pairs += 1
                guard pairs <= Limits.pairsInLine else {
                    throw RequestError(
                        .badSyntax, "a line has at most \(Limits.pairsInLine) keys")
                }
                try refuseRepeatedKey(argument, in: line)
            }
            arguments.append(argument)
            index = argument.value.upperBound + (argument.isQuoted ? 1 : 0)
        }
    }

    private func refuseRepeatedKey(
        _ argument: Argument, in line: Span<UInt8>
    ) throws(RequestError) {
        for earlier in arguments where earlier.isPair {
            if LineParser.equal(line, earlier.key, argument.key) {
                throw RequestError(.badSyntax, "a key is given once")
            }
        }
    }

    private static func equal(_ line: Span<UInt8>, _ left: Range<Int>, _ right: Range<Int>) -> Bool
    {
        guard left.count == right.count else { return false }
        for offset in 0..<left.count
        where line[left.lowerBound + offset] != line[right.lowerBound + offset] { return false }
        return true
    }

    @inline(__always)
    private static func skipSpaces(_ line: Span<UInt8>, from: Int) -> Int {
        var index = from
        while index < line.count, line[index] == UInt8(ascii: " ") { index += 1 }
        return index
    }

    private static func endOfToken(_ line: Span<UInt8>, from: Int) -> Int {
        var index = from
        while index < line.count, line[index] != UInt8(ascii: " ") { index += 1 }
        return index
    }

    private static func argument(
        _ line: Span<UInt8>, from start: Int
    ) throws(RequestError) -> Argument {
        var index = start
        if line[index].isASCIILetter {
            while index < line.count,
                line[index].isASCIILetter || line[index].isASCIIDigit
                    || line[index] == UInt8(ascii: "-")
            {
                index += 1
            }
            if index < line.count, line[index] == UInt8(ascii: "=") {
                return try value(line, from: index + 1, key: start..<index)
            }
        }
        return try value(line, from: start, key: start..<start)
    }

    private static func value(
        _ line: Span<UInt8>, from start: Int, key: Range<Int>
    ) throws(RequestError) -> Argument {
        if start < line.count, line[start] == UInt8(ascii: "\"") {
            return try quoted(line, from: start + 1, key: key)
        }
        var index = start
        while index &+ 8 <= line.count, ByteScan.isWord(ByteScan.word(line, at: index)) {
            index &+= 8
        }
        while index < line.count, line[index] != UInt8(ascii: " ") {
            let byte = line[index]
            if byte < 0x80 {
                guard Quoting.isWordByte(byte) else { throw unusable(byte) }
                index += 1
            } else {
                let length = Quoting.sequenceLength(line, at: index)
                guard length > 0 else {
                    throw RequestError(
                        .badSyntax, "a bare word is UTF-8; quote other bytes as \\xhh")
                }
                index += length
            }
        }
        return Argument(key: key, value: start..<index, isQuoted: false, isEscaped: false)
    }

    private static func unusable(_ byte: UInt8) -> RequestError {
        byte < 0x20 || byte == 0x7F
            ? RequestError(
                .badSyntax, "control bytes are written as escapes between quotation marks")
            : RequestError(
                .badSyntax, "quotes, backslashes and braces stand between quotation marks")
    }

    private static func quoted(
        _ line: Span<UInt8>, from start: Int, key: Range<Int>
    ) throws(RequestError) -> Argument {
        var index = start
        var isEscaped = false
        while index < line.count {
            switch line[index] {
            case UInt8(ascii: "\""):
                guard index + 1 == line.count || line[index + 1] == UInt8(ascii: " ") else {
                    throw RequestError(.badSyntax, "a space follows a closing quotation mark")
                }
                return Argument(
                    key: key, value: start..<index, isQuoted: true, isEscaped: isEscaped)
            case UInt8(ascii: "\\"):
                isEscaped = true
                let length = escapeLength(line, at: index)
                guard length > 0 else {
                    throw RequestError(
                        .badSyntax, "the escapes are \\\\ \\\" \\n \\r \\t and \\xhh")
                }
                index += length
            case 0..<0x20, 0x7F: throw unusable(0)
            default: index += 1
            }
        }
        throw RequestError(.badSyntax, "a quotation mark is not closed")
    }

    private static func escapeLength(_ line: Span<UInt8>, at index: Int) -> Int {
        guard index + 1 < line.count else { return 0 }
        switch line[index + 1] {
        case UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "n"), UInt8(ascii: "r"),
            UInt8(ascii: "t"):
            return 2
        case UInt8(ascii: "x"):
            guard index + 3 < line.count, hexDigit(line[index + 2]) != nil,
                hexDigit(line[index + 3]) != nil
            else { return 0 }
            return 4
        default: return 0
        }
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        if byte.isASCIIDigit { return byte - UInt8(ascii: "0") }
        let letter = (byte | 0x20) &- UInt8(ascii: "a")
        return letter < 6 ? letter + 10 : nil
    }
}

extension LineParser {
    /// The raw bytes of an argument's value, with its escapes resolved.
    public func value(_ index: Int, in line: Span<UInt8>) -> [UInt8] {
        let argument = arguments[index]
        let span = line.extracting(argument.value)
        guard argument.isEscaped else { return Array(copying: span) }
        return LineParser.unescaped(span)
    }

    /// The bytes of an argument's key.
    public func key(_ index: Int, in line: Span<UInt8>) -> [UInt8] {
        Array(copying: line.extracting(arguments[index].key))
    }

    /// The bytes of the first word.
    public func headBytes(in line: Span<UInt8>) -> [UInt8] { Array(copying: line.extracting(head)) }

    /// Resolves escapes that `quoted` has already found to be complete.
    private static func unescaped(_ text: Span<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            guard text[index] == UInt8(ascii: "\\") else {
                result.append(text[index])
                index += 1
                continue
            }
            switch text[index + 1] {
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "x"):
                let high = hexDigit(text[index + 2]) ?? 0
                let low = hexDigit(text[index + 3]) ?? 0
                result.append(high << 4 | low)
                index += 2
            case let byte: result.append(byte)
            }
            index += 2
        }
        return result
    }
}

extension Array where Element == UInt8 {
    /// Copies the bytes that a span shows.
    public init(copying span: Span<UInt8>) {
        self = span.withUnsafeBufferPointer { Array($0) }
    }
}
