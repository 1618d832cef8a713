import DFSProtocol

/// How a session ended, kept so that a late or repeated request is told the truth.
enum Ending: Sendable {
    /// What CLOSE answered, and a repeated one answers again.
    case closed(Result<FileFacts, RequestError>)
    case expired
    case killed
}

/// The endings of sessions that had a lease, each kept for one more lease time.
///
/// There are never more than a given number; above it those go first whose time ends first.
struct SessionEndings: Sendable {
    private var endings: [SessionKey: (ending: Ending, until: MonotonicTime)] = [:]
    private var deadlines = DeadlineHeap<SessionKey>()
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    var count: Int { endings.count }

    /// Remembers an ending until a point in time.
    mutating func note(
        _ key: SessionKey, _ ending: Ending, until: MonotonicTime, at now: MonotonicTime
    ) {
        while let old = deadlines.removeFirst(until: now) { endings[old] = nil }
        while endings.count >= limit, let old = deadlines.removeFirst() { endings[old] = nil }
        guard limit > 0 else { return }
        endings[key] = (ending, until)
        deadlines.insert(key, at: until)
    }

    /// How a session ended; nil where that was too long ago or never happened.
    func ending(of key: SessionKey, at now: MonotonicTime) -> Ending? {
        guard let (ending, until) = endings[key], now < until else { return nil }
        return ending
    }
}
