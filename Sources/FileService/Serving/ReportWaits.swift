import DFSProtocol

/// Answers that wait until the name server knows what they tell of.
///
/// So that LOCATE anywhere finds what a client was told is done. Patience ends after one second:
/// a lost name server stops nothing.
struct ReportWaits: Sendable {
    private struct Held: Sendable {
        let generation: Int64
        let deadline: MonotonicTime
        let action: FileAction
        let request: RequestID
        /// The session that the answer tells of, where it is an OPEN's.
        let opened: SessionKey?
    }

    /// In the order of arrival, which is the order of deadlines too.
    private var held: ArraySlice<Held> = []
    /// Up to which change each file was changed last, as far as that may not be acknowledged.
    ///
    /// One session's SYNC counts what all have written: theirs wait for the same report. Empty
    /// where no name server can be told: nothing waits for one then.
    private(set) var changes: [FileIdentity: Int64] = [:]
    private var newestChange: Int64 = 0
    /// The newest change that was made or let go while nobody could be told.
    ///
    /// Which files such changes are about is not kept: until they are acknowledged, whoever has
    /// written waits for them, whatever his file.
    private var untold: Int64 = 0
    /// Up to which generation the name server has acknowledged.
    private(set) var acknowledged: Int64 = 0

    /// When the next answer runs out of patience.
    var deadline: MonotonicTime? { held.first?.deadline }
    var isEmpty: Bool { held.isEmpty }

    mutating func hold(
        _ action: FileAction, of request: RequestID, opened: SessionKey?, for generation: Int64,
        until deadline: MonotonicTime
    ) {
        held.append(
            Held(
                generation: generation, deadline: deadline, action: action, request: request,
                opened: opened))
    }

    /// Notes the change that work on a file has made, and that an answer would wait for.
    mutating func note(_ generation: Int64, of file: FileIdentity) {
        changes[file] = max(generation, changes[file] ?? 0)
        newestChange = max(generation, newestChange)
    }

    /// Notes a change that nobody can be told of for now.
    mutating func noteUntold(_ generation: Int64) { untold = max(generation, untold) }

    /// The newest change that the answer of a job waits for; nil for none.
    func newest(_ generation: Int64?, of job: PendingJob) -> Int64? {
        let known = job.lane.flatMap { changes[$0.file] }
        let before = max(known ?? 0, untold > acknowledged ? untold : 0)
        return before > 0 ? max(before, generation ?? 0) : generation
    }

    /// Drops the answer of a request that its client took back.
    ///
    /// - Returns: The session that nobody will be told of, if it was an OPEN's.
    mutating func drop(_ request: RequestID) -> SessionKey? {
        guard let index = held.firstIndex(where: { $0.request == request }) else { return nil }
        return held.remove(at: index).opened
    }

    /// The name server knows everything up to a generation.
    mutating func acknowledge(_ generation: Int64) -> [FileAction] {
        acknowledged = generation
        if newestChange <= generation {
            changes.removeAll()
        } else if changes.count > 1024 {
            changes = changes.filter { $0.value > generation }
        }
        return release { $0.generation <= generation }
    }

    mutating func expire(at now: MonotonicTime) -> [FileAction] {
        var due: [FileAction] = []
        while let first = held.first, first.deadline <= now {
            due.append(first.action)
            held.removeFirst()
        }
        return due
    }

    /// Nobody can be told now.
    mutating func releaseAll() -> [FileAction] {
        untold = max(untold, newestChange)
        changes.removeAll()
        return release { _ in true }
    }

    private mutating func release(_ isDue: (Held) -> Bool) -> [FileAction] {
        var due: [FileAction] = []
        var kept: ArraySlice<Held> = []
        for entry in held {
            if isDue(entry) { due.append(entry.action) } else { kept.append(entry) }
        }
        held = kept
        return due
    }
}
