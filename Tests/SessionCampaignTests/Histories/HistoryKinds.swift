/// How often histories had what they are there for, as far as it was answered.
struct HistoryKinds: Sendable, CustomStringConvertible {
    private(set) var removals = 0
    private(set) var renames = 0
    private(set) var cursorReads = 0
    private(set) var conditionsMet = 0
    private(set) var conflicts = 0
    private(set) var locks = 0
    private(set) var killedSessions = 0
    private(set) var closes = 0
    private(set) var staleAnswers = 0

    /// Counts an operation in.
    mutating func add(_ operation: FileOperation) {
        guard operation.isCertain else { return }
        switch operation.answer {
        case .stale: staleAnswers += 1
        case .conflict: conflicts += 1
        case .absent, .exists, .none: break
        case .content, .size, .done:
            if operation.ifVersion != nil { conditionsMet += 1 }
            switch operation.action {
            case .remove: removals += 1
            case .putAside, .bringBack: renames += 1
            case .readOn: cursorReads += 1
            case .open(_, _, .some): locks += 1
            case .kill: killedSessions += 1
            case .close: closes += 1
            default: break
            }
        }
    }

    mutating func add(_ other: HistoryKinds) {
        removals += other.removals
        renames += other.renames
        cursorReads += other.cursorReads
        conditionsMet += other.conditionsMet
        conflicts += other.conflicts
        locks += other.locks
        killedSessions += other.killedSessions
        closes += other.closes
        staleAnswers += other.staleAnswers
    }

    /// Whether none of them is missing.
    var isComplete: Bool {
        [
            removals, renames, cursorReads, conditionsMet, conflicts, locks, killedSessions,
            closes, staleAnswers,
        ].allSatisfy { $0 > 0 }
    }

    var description: String {
        """
        \(removals) REMOVE, \(renames) RENAME, \(cursorReads) cursor READ, \(conditionsMet) \
        if-ver= met and \(conflicts) not, \(locks) locks, \(killedSessions) KILL, \(closes) CLOSE, \
        \(staleAnswers) stale-file
        """
    }
}
