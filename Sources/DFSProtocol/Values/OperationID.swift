/// A client's own name of one change, by which a server knows a repetition.
///
/// Unique over all clients of a server; random ones of 128 bits are.
/// - Source: Protocol.md, "Repeating a change".
public struct OperationID: Hashable, Sendable {
    /// 1 to 64 letters, digits, `-`, `_`, `.` or `:`.
    public let bytes: [UInt8]

    /// Most bytes of a name: what a server keeps of each.
    public static let most = 64

    /// Takes what stands behind `op=`.
    ///
    /// - Throws: `bad-argument`.
    public init(_ bytes: [UInt8]) throws(RequestError) {
        let marks = [UInt8]("-_.:".utf8)
        guard (1...OperationID.most).contains(bytes.count),
            bytes.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || marks.contains($0) })
        else {
            throw RequestError(
                .badArgument,
                "op has 1 to \(OperationID.most) letters, digits, dashes, dots, colons or underscores",
                fields: [.init("argument", [UInt8]("op".utf8))])
        }
        self.bytes = bytes
    }
}
