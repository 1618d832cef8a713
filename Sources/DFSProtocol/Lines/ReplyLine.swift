/// One line from a server, as a client reads it.
public struct ReplyLine: Sendable {
    /// What kind of line it is.
    public enum Kind: Equatable, Sendable {
        /// `*`: one item of an answer that is not over.
        case item
        /// `OK`: the answer is over.
        case ok
        /// `ERR code`: the answer is over; an unknown code is kept as its word.
        case error(code: String, isFatal: Bool)
        /// `!`: unsolicited.
        case notice
    }

    /// What kind of line it is, with the code of an error.
    public let kind: Kind
    /// The tag of the request that is answered.
    public let tag: Tag?
    /// Words and quoted strings in their order.
    public let operands: [[UInt8]]
    /// Pairs in their order.
    public let pairs: [(key: [UInt8], value: [UInt8])]

    /// Reads one line that a framer found.
    ///
    /// - Throws: `bad-syntax` where it is no line of a reply.
    public init(_ line: Span<UInt8>, parser: inout LineParser) throws(RequestError) {
        try parser.parse(line)
        var operands: [[UInt8]] = []
        var pairs: [(key: [UInt8], value: [UInt8])] = []
        for index in 0..<parser.argumentCount {
            let value = parser.value(index, in: line)
            if parser[index].isPair {
                pairs.append((parser.key(index, in: line), value))
            } else {
                operands.append(value)
            }
        }
        switch parser.headBytes(in: line) {
        case [UInt8(ascii: "*")]: kind = .item
        case [UInt8(ascii: "!")]: kind = .notice
        case [UInt8]("OK".utf8): kind = .ok
        case [UInt8]("ERR".utf8):
            guard ReplyLine.isBareWord(parser, 0), ReplyLine.isCode(operands[0]) else {
                throw RequestError(.badSyntax, "an ERR line names its code")
            }
            let code = String(decoding: operands.removeFirst(), as: UTF8.self)
            // A text that happens to be "fatal" stands between quotation marks.
            let isFatal =
                ReplyLine.isBareWord(parser, 1) && operands.first == [UInt8]("fatal".utf8)
            if isFatal { operands.removeFirst() }
            kind = .error(code: code, isFatal: isFatal)
        default: throw RequestError(.badSyntax, "a reply starts with OK, ERR, * or !")
        }
        tag = parser.tag
        self.operands = operands
        self.pairs = pairs
    }

    private static func isBareWord(_ parser: LineParser, _ index: Int) -> Bool {
        index < parser.argumentCount && !parser[index].isPair && !parser[index].isQuoted
    }

    private static func isCode(_ word: [UInt8]) -> Bool {
        word.first?.isASCIILetter == true
            && word.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "-") }
    }

    /// The raw value of a key, or nil where the line does not have it.
    public func value(_ key: StaticKey) -> [UInt8]? {
        pairs.first { $0.key.elementsEqual(key.text.utf8) }?.value
    }

    /// A value as text for people and comparisons; nil where the line does not have it.
    public func text(_ key: StaticKey) -> String? {
        value(key).map { String(decoding: $0, as: UTF8.self) }
    }

    /// A value that must be a number.
    ///
    /// - Throws: `bad-argument` where it is missing or is no number.
    public func number(_ key: StaticKey) throws(RequestError) -> Int64 {
        try Number.parse(value(key) ?? [], named: key.text)
    }
}
