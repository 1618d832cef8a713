/// A host and a port, as `host:port`; an IPv6 address stands in square brackets.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// A name or an address, without brackets.
    public let host: String
    /// 0 only where a port is yet to be chosen.
    public let port: UInt16

    /// Joins the two parts.
    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Reads `host:port`.
    ///
    /// - Throws: `bad-argument` where the text is none.
    public init(_ text: String) throws(RequestError) {
        let refusal = RequestError(
            .badArgument, "an address is host:port, such as 127.0.0.1:7400",
            fields: [.init("argument", [UInt8](text.utf8.prefix(256)))])
        guard let colon = text.lastIndex(of: ":"),
            let number = Number.parse([UInt8](text[text.index(after: colon)...].utf8).span),
            let port = UInt16(exactly: number)
        else { throw refusal }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
        } else if host.contains(":") {
            throw refusal
        }
        guard !host.isEmpty, host.utf8.count <= 253, host.utf8.allSatisfy(Endpoint.isHostByte)
        else {
            throw refusal
        }
        self.init(host: host, port: port)
    }

    /// Reads a list with commas between.
    ///
    /// - Throws: `bad-argument` where one of them is no address, or there is none.
    public static func list(_ text: String) throws(RequestError) -> [Endpoint] {
        try text.split(separator: ",", omittingEmptySubsequences: false)
            .map { (part) throws(RequestError) in try Endpoint(String(part)) }
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        byte.isASCIILetter || byte.isASCIIDigit || [0x2D, 0x2E, 0x3A, 0x5F, 0x25].contains(byte)
    }

    /// Whether the host is an address or name of this machine's loopback.
    public var isLoopback: Bool {
        host == "localhost" || host == "::1"
            || (host.hasPrefix("127.") && Endpoint.isIPv4(host))
    }

    /// Whether text is four numbers with dots: `127.0.0.1` is, `127.example.com` is not.
    private static func isIPv4(_ text: String) -> Bool {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                Number.parse(Array(part).span).map { $0 <= 255 } ?? false
            }
    }

    /// Whether the host stands for every address of this machine.
    public var isWildcard: Bool { host == "0.0.0.0" || host == "::" || host == "*" }

    /// The address as it is written.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
