/// Numbers that only look like chance: the same for the same seed (SplitMix64).
public struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// Begins the sequence of a seed.
    public init(seed: UInt64) { state = seed }

    /// The next number of the sequence.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    /// `DFS_SEED` if it is set, else the given one.
    public static func seed(_ usual: UInt64) -> UInt64 {
        Leash.variable("DFS_SEED").flatMap { UInt64($0) } ?? usual
    }
}

/// How much a campaign does where the environment asks for more than the usual.
public enum CampaignSize {
    /// A number from the environment, such as `DFS_HISTORIES=5000`; else the usual one.
    ///
    /// - Throws: `TestFailure` where the variable is set and is no number from 1 on: a long run
    ///   that was asked for is not silently a short one.
    public static func number(_ variable: String, usual: Int) throws -> Int {
        guard let text = Leash.variable(variable) else { return usual }
        guard let number = Int(text), number > 0 else {
            throw TestFailure("\(variable)=\(text) is no number from 1 on")
        }
        return number
    }
}
