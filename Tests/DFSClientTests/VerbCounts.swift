import Synchronization

/// Counts the requests of each verb that a scripted server sees.
final class VerbCounts: Sendable {
    private let counts = Mutex<[String: Int]>([:])

    /// How often the verb has been seen, this time included.
    func next(_ verb: String) -> Int {
        counts.withLock { counts in
            counts[verb, default: 0] += 1
            return counts[verb, default: 0]
        }
    }
}
