import DFSProtocol
import NIOCore

/// A request as a client builds it: verb, operands, keys, and a payload.
public struct ClientRequest: Sendable {
    /// What is asked.
    public let verb: Verb
    /// Whether it may run beside others; untagged requests of a connection run one after another.
    public var isTagged: Bool
    /// What follows the line as `{n}`; nil for none.
    public var payload: ByteBuffer?
    /// The most bytes that one line of the answer may carry as a payload; more is a violation.
    public var maximumPayload = 0
    /// Whether it carries an `op=`, by which a server knows a repetition.
    public private(set) var isOperationNamed = false
    /// Operands and pairs, each with the space before it.
    private(set) var tail = LineWriter()

    /// Starts a request without operands.
    public init(_ verb: Verb, tagged: Bool = false) {
        self.verb = verb
        isTagged = tagged
    }

    /// Adds an operand of raw bytes.
    public mutating func operand(_ bytes: [UInt8]) { tail.operand(bytes) }

    /// Adds a path.
    public mutating func operand(_ path: TreePath) { tail.operand(path.bytes) }

    /// Adds a number.
    public mutating func operand(_ number: Int64) {
        tail.append(byte: UInt8(ascii: " "))
        tail.append(number: number)
    }

    /// Adds a word.
    public mutating func operand(_ text: String) { tail.operand([UInt8](text.utf8)) }

    /// Adds a pair of raw bytes.
    public mutating func option(_ key: StaticString, _ bytes: [UInt8]) { tail.pair(key, bytes) }

    /// Adds a pair with a number.
    public mutating func option(_ key: StaticString, _ number: Int64) { tail.pair(key, number) }

    /// Adds a pair with a word.
    public mutating func option(_ key: StaticString, _ text: String) { tail.pair(key, text) }

    /// Adds the change's own name, `op=`; a copy of the request is a repetition of it.
    public mutating func operation(_ name: [UInt8]) {
        tail.pair("op", name)
        isOperationNamed = true
    }

    /// The line as it is sent, with the mark of its payload and its newline.
    func line(tag: Tag?) -> LineWriter {
        var line = LineWriter(capacity: 64 + tail.bytes.count)
        line.begin(tag: tag)
        line.append(raw: [UInt8](verb.rawValue.utf8))
        line.append(raw: tail.bytes)
        if let payload { line.end(literal: payload.readableBytes) } else { line.end() }
        return line
    }
}

/// A whole answer that ended in `OK`.
public struct Reply: Sendable {
    /// One `*` line with the payload that it announced.
    public struct Item: Sendable {
        /// The line.
        public let line: ReplyLine
        /// Its payload; nil where it announced none.
        public let payload: ByteBuffer?
    }

    /// The items in the order in which they came.
    public let items: [Item]
    /// The `OK` line.
    public let final: ReplyLine
    /// The payload of the final line.
    public let payload: ByteBuffer?
}

/// One line that went over a connection, for `--trace`.
public struct TraceLine: Sendable {
    /// Who sent it.
    public enum Sender: Sendable {
        case client
        case server
    }

    /// Who sent it.
    public let sender: Sender
    /// The line without its end, with its literal mark.
    public let line: [UInt8]
    /// How many payload bytes followed it; nil for none.
    public let payloadBytes: Int?
}
