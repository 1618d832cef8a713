/// A request's tag, `@` and 1 to 16 letters or digits, held without an allocation.
public struct Tag: Hashable, Sendable {
    /// The characters after `@`, first in the highest byte, zero where there are none.
    private let high: UInt64
    private let low: UInt64

    /// Reads a tag from its characters after `@`; nil where they are not 1 to 16 letters or digits.
    public init?(_ characters: Span<UInt8>) {
        guard (1...16).contains(characters.count) else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        for index in 0..<16 {
            var byte: UInt8 = 0
            if index < characters.count {
                byte = characters[index]
                guard byte.isASCIILetter || byte.isASCIIDigit else { return nil }
            }
            if index < 8 {
                words.0 = words.0 << 8 | UInt64(byte)
            } else {
                words.1 = words.1 << 8 | UInt64(byte)
            }
        }
        (high, low) = words
    }

    /// Reads a tag as it is typed, with its `@`.
    public init?(text: [UInt8]) {
        guard text.first == UInt8(ascii: "@") else { return nil }
        self.init(text.span.extracting(1..<text.count))
    }

    /// Numbers a request of our own.
    public init(number: UInt64) {
        var characters: [UInt8] = []
        var rest = number
        repeat {
            characters.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0 && characters.count < 16
        high = Tag.pack(characters.reversed().prefix(8))
        low = Tag.pack(characters.reversed().dropFirst(8))
    }

    private static func pack(_ bytes: some Collection<UInt8>) -> UInt64 {
        var word: UInt64 = 0
        for byte in bytes { word = word << 8 | UInt64(byte) }
        return word << UInt64(8 * (8 - bytes.count))
    }

    /// The tag as it is written, with its `@`.
    public var bytes: [UInt8] {
        var result: [UInt8] = [UInt8(ascii: "@")]
        for word in [high, low] {
            for shift in stride(from: 56, through: 0, by: -8) {
                let byte = UInt8(truncatingIfNeeded: word >> UInt64(shift))
                if byte != 0 { result.append(byte) }
            }
        }
        return result
    }
}

extension UInt8 {
    /// Whether this is `0` to `9`.
    @inline(__always) public var isASCIIDigit: Bool { self &- UInt8(ascii: "0") < 10 }
    /// Whether this is a letter of ASCII.
    @inline(__always) public var isASCIILetter: Bool { (self | 0x20) &- UInt8(ascii: "a") < 26 }
}
