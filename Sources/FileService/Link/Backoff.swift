/// How long to wait before trying again: doubled each time, with jitter so that servers spread out.
struct Backoff: Sendable {
    private var attempt = 0
    private var state: UInt64

    /// Shortest and longest wait, in milliseconds.
    static let bounds: ClosedRange<Int64> = 100...5_000

    /// Starts with the chance that the host injects.
    init(seed: UInt64) { state = seed }

    /// The next wait in milliseconds: between half of the doubled bound and the whole.
    mutating func next() -> Int64 {
        let doubled = Backoff.bounds.lowerBound << Int64(min(attempt, 10))
        attempt += 1
        let most = min(doubled, Backoff.bounds.upperBound)
        return most / 2 + Int64(random() % UInt64(most / 2 + 1))
    }

    mutating func reset() { attempt = 0 }

    /// SplitMix64.
    private mutating func random() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
