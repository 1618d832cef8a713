import DFSProtocol

/// What proves that a session is a client's own: 128 random bits, told once with its handle.
public struct SessionToken: Sendable {
    private let high: UInt64
    private let low: UInt64

    /// Takes random bits; the caller's source must be one that nobody can foresee.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// 32 hexadecimal digits, in lower case.
    var text: [UInt8] { SessionToken.digits(high) + SessionToken.digits(low) }

    /// Whether a peer's text is this token; takes as long for a wrong one as for the right one.
    func matches(_ text: [UInt8]) -> Bool {
        guard text.count == 32, let high = SessionToken.value(text[..<16]),
            let low = SessionToken.value(text[16...])
        else { return false }
        return (high ^ self.high) | (low ^ self.low) == 0
    }

    private static func digits(_ value: UInt64) -> [UInt8] {
        let text = String(value, radix: 16)
        return [UInt8](repeating: 0x30, count: 16 - text.utf8.count) + text.utf8
    }

    private static func value(_ digits: ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for byte in digits {
            guard let digit = byte.hexDigit else { return nil }
            value = value << 4 | UInt64(digit)
        }
        return value
    }
}

extension UInt8 {
    /// What a hexadecimal digit stands for, 0 to 15; nil where the byte is none.
    var hexDigit: UInt8? {
        switch self {
        case 0x30...0x39: self - 0x30
        case 0x41...0x46: self - 0x41 + 10
        case 0x61...0x66: self - 0x61 + 10
        default: nil
        }
    }
}
