import DFSProtocol

/// Candidates that were asked for a moment ago; one Tab after another asks nobody again.
struct CompletionCache: Sendable {
    /// How long an answer is good.
    static let lifeMilliseconds: Int64 = 2000
    /// How many answers are kept; a person goes through few directories in two seconds.
    static let limit = 16

    private var entries:
        [(subject: CompletionSubject, answer: CompletionAnswer, time: MonotonicTime)] = []

    /// What was answered for a subject, or for one that has all of its candidates, if that is still
    /// good.
    func find(_ subject: CompletionSubject, at now: MonotonicTime) -> CompletionAnswer? {
        entries.last {
            ($0.subject == subject || $0.answer.beginningOfMore == nil && $0.subject.has(subject))
                && now.milliseconds(since: $0.time) < CompletionCache.lifeMilliseconds
        }?.answer
    }

    /// Keeps an answer.
    mutating func keep(
        _ answer: CompletionAnswer, for subject: CompletionSubject, at now: MonotonicTime
    ) {
        entries.removeAll { $0.subject == subject }
        entries.append((subject, answer, now))
        if entries.count > CompletionCache.limit { entries.removeFirst() }
    }

    /// Forgets everything, because a command may have changed it.
    mutating func removeAll() { entries.removeAll() }
}

extension CompletionSubject {
    /// Whether all candidates of another subject are among those of this one.
    fileprivate func has(_ other: CompletionSubject) -> Bool {
        guard case .remote(let directory, let prefix, let onlyDirectories) = self,
            case .remote(directory, let longer, let wanted) = other
        else { return false }
        return longer.starts(with: prefix) && (wanted || !onlyDirectories)
    }
}
