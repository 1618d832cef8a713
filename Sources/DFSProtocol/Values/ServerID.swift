/// The stable name of a server, as `--id` gives it.
public struct ServerID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// 1 to 64 letters, digits, dots, dashes or underscores.
    public let text: String

    /// Checks an id; nil where it is none.
    public init?(_ bytes: [UInt8]) {
        guard ServerID.isValid(bytes) else { return nil }
        text = String(decoding: bytes, as: UTF8.self)
    }

    /// Checks an id; nil where it is none.
    public init?(_ text: String) { self.init([UInt8](text.utf8)) }

    /// Whether bytes may be an id.
    public static func isValid(_ bytes: [UInt8]) -> Bool {
        (1...64).contains(bytes.count)
            && bytes.allSatisfy { byte in
                byte.isASCIILetter || byte.isASCIIDigit || byte == UInt8(ascii: ".")
                    || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
            }
    }

    /// The id as it is written.
    public var bytes: [UInt8] { [UInt8](text.utf8) }
    /// The id as it is written; it has no character that would need quotes.
    public var description: String { text }

    /// Orders ids bytewise, so that lists of servers are stable.
    public static func < (left: ServerID, right: ServerID) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }
}
