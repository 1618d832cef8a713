/// SplitMix64: the same numbers for the same seed on every machine.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    /// Bytes that look like names as often as like noise.
    mutating func bytes(upTo count: Int) -> [UInt8] {
        let alphabets: [[UInt8]] = [
            Array(0...255), Array("abc /{}@#=\"\\*!\n\r\t\u{1B}é€😀\u{85}\u{202E}\u{2028}".utf8),
            Array("abcxyz019-_.".utf8),
        ]
        let alphabet = alphabets.randomElement(using: &self) ?? []
        return (0..<Int.random(in: 0...count, using: &self)).compactMap { _ in
            alphabet.randomElement(using: &self)
        }
    }
}
