import DFSProtocol

/// Candidates that were asked for a moment ago; one Tab after another asks nobody again.
struct CompletionCache: Sendable {
    /// How long an answer is good.
    static let lifeMilliseconds: Int64 = 2000
    /// How many answers are kept; a person goes through few directories in two seconds.
    static let limit = 16

    private var entries:
        [(subject: CompletionSubject, candidates: [CompletionCandidate], time: MonotonicTime)] = []

    /// What was answered for a subject, if that is still good.
    func find(_ subject: CompletionSubject, at now: MonotonicTime) -> [CompletionCandidate]? {
        entries.last {
            $0.subject == subject
                && now.milliseconds(since: $0.time) < CompletionCache.lifeMilliseconds
        }?.candidates
    }

    /// Keeps an answer.
    mutating func keep(
        _ candidates: [CompletionCandidate], for subject: CompletionSubject, at now: MonotonicTime
    ) {
        entries.removeAll { $0.subject == subject }
        entries.append((subject, candidates, now))
        if entries.count > CompletionCache.limit { entries.removeFirst() }
    }

    /// Forgets everything, because a command may have changed it.
    mutating func removeAll() { entries.removeAll() }
}
