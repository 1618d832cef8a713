/// How long a session lives without a sign of its client.
///
/// - Source: Protocol.md, "Sessions".
public enum Lease: Hashable, Sendable {
    /// As long as its connection: `conn`.
    case connection
    /// So many milliseconds after the last request that named it, 1 to 2^63-1.
    case milliseconds(Int64)

    /// Reads what stands behind `lease=`.
    ///
    /// - Throws: `bad-argument` for 0 and for what is neither a number nor `conn`; `range`.
    public init(text: [UInt8]) throws(RequestError) {
        if text.elementsEqual("conn".utf8) {
            self = .connection
            return
        }
        let milliseconds = try Number.parse(text, named: "lease")
        guard milliseconds > 0 else {
            throw RequestError(
                .badArgument, "lease is conn or milliseconds from 1 on",
                fields: [.init("argument", [UInt8]("lease".utf8))])
        }
        self = .milliseconds(milliseconds)
    }

    /// As it is written behind `lease=`.
    public var text: String {
        switch self {
        case .connection: "conn"
        case .milliseconds(let count): String(count)
        }
    }
}
