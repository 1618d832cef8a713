import DFSProtocol

/// Tells one session from every other that this server ever had; what its handle says.
enum SessionKey: Hashable, Comparable, Sendable {
    /// `h1`, `h2`: lives and ends with its connection, whose numbers are never used twice.
    case held(ConnectionID, Int64)
    /// `s` and hexadecimal digits: lives as long as its lease, on any connection.
    ///
    /// The upper 23 bits are the server's epoch, so that a handle of an earlier run names nothing.
    case leased(Int64)

    /// How many sessions with a lease one run can number.
    static let countBits: Int64 = 40

    /// The first number of a run; the sign bit stays free.
    static func firstLeased(epoch: Int64) -> Int64 { (epoch & 0x7f_ffff) << countBits }

    /// Reads a handle as a client of a connection writes it; nil where it can be none.
    init?(_ handle: [UInt8], on connection: ConnectionID) {
        guard let first = handle.first else { return nil }
        let digits = handle.span.extracting(1..<handle.count)
        switch first {
        case UInt8(ascii: "h"):
            guard let number = Number.parse(digits) else { return nil }
            self = .held(connection, number)
        case UInt8(ascii: "s"):
            guard (1...16).contains(digits.count), digits[0] != UInt8(ascii: "0") else {
                return nil
            }
            var value: UInt64 = 0
            for index in 0..<digits.count {
                guard let digit = digits[index].hexDigit, !(0x41...0x46).contains(digits[index])
                else { return nil }
                value = value << 4 | UInt64(digit)
            }
            guard let number = Int64(exactly: value) else { return nil }
            self = .leased(number)
        default: return nil
        }
    }

    /// Reads a handle as HANDLES shows it on a connection: also `c7.h1`, of another one.
    init?(shown handle: [UInt8], on connection: ConnectionID) {
        guard handle.first == UInt8(ascii: "c"),
            let dot = handle.firstIndex(of: UInt8(ascii: "."))
        else {
            self.init(handle, on: connection)
            return
        }
        guard let number = Number.parse(handle.span.extracting(1..<dot)), dot + 1 < handle.count,
            handle[dot + 1] == UInt8(ascii: "h")
        else { return nil }
        self.init(
            Array(handle[(dot + 1)...]), on: ConnectionID(number: UInt64(number)))
    }

    /// The connection that the session lives and ends with; nil where it has a lease.
    var connection: ConnectionID? {
        if case .held(let connection, _) = self { connection } else { nil }
    }

    /// The handle as its own client writes it.
    var handle: [UInt8] {
        switch self {
        case .held(_, let number): [UInt8]("h\(number)".utf8)
        case .leased(let number): [UInt8]("s\(String(number, radix: 16))".utf8)
        }
    }

    /// The handle as HANDLES shows it on a connection: unique over the server.
    func shown(on connection: ConnectionID) -> [UInt8] {
        guard case .held(let own, let number) = self, own != connection else { return handle }
        return [UInt8]("c\(own.number).h\(number)".utf8)
    }
}
