/// Looks at eight bytes at a time for those that mean something in a line.
///
/// Lines are scanned several times on their way; byte by byte that was half of a request's cost.
enum ByteScan {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highBits: UInt64 = 0x8080_8080_8080_8080

    /// Eight bytes from an index on; the caller has looked that they are there.
    @inline(__always)
    static func word(_ bytes: Span<UInt8>, at index: Int) -> UInt64 {
        bytes.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
    }

    /// Not zero where one of the eight bytes is the one looked for.
    @inline(__always)
    private static func has(_ byte: UInt8, in word: UInt64) -> UInt64 {
        let difference = word ^ (ones &* UInt64(byte))
        return (difference &- ones) & ~difference & highBits
    }

    /// Whether all eight are ASCII and may stand in a bare word.
    @inline(__always)
    static func isWord(_ word: UInt64) -> Bool {
        let controls = (word &- ones &* 0x21) & ~word
        let special =
            has(0x7F, in: word) | has(UInt8(ascii: "\""), in: word)
            | has(UInt8(ascii: "\\"), in: word) | has(UInt8(ascii: "{"), in: word)
            | has(UInt8(ascii: "}"), in: word)
        return (word | controls | special) & highBits == 0
    }

    /// Whether one of the eight is `=`.
    @inline(__always)
    static func hasEqualsSign(_ word: UInt64) -> Bool { has(UInt8(ascii: "="), in: word) != 0 }

    /// Where the next newline stands, or nil where there is none from an index on.
    @inline(__always)
    static func newline(_ bytes: Span<UInt8>, from start: Int) -> Int? {
        var index = start
        while index &+ 8 <= bytes.count {
            let found = has(0x0A, in: word(bytes, at: index))
            // The lowest mark is exact; a borrow can only set marks above it.
            if found != 0 { return index &+ found.trailingZeroBitCount / 8 }
            index &+= 8
        }
        while index < bytes.count {
            if bytes[index] == 0x0A { return index }
            index &+= 1
        }
        return nil
    }
}
