import DFSProtocol

/// The changes that clients named with `op=`: those that run, and for a minute those that are over.
///
/// A change that an owner does is kept before the owner is asked (`Subject`), so that a repeat
/// finds out what became of it whatever was lost meanwhile.
struct Repetitions {
    /// What an owner was asked to move or remove.
    struct Subject: Equatable {
        /// The entry of the catalogue; reused once the entry is gone.
        var node: UInt32
        /// Whose file it is; 0 for a directory.
        var server: UInt16
        /// The file's identity; 0 for a directory, and where it was not told.
        var fid: Int64
        /// Whether the entry was freed since, so that its number says nothing any more.
        var isGone = false
    }

    /// How far a change has come.
    enum Stage {
        /// It is being done; those who repeat it wait.
        case running
        /// The owner was asked and nobody knows what it did; the next repeat finds out.
        case open
        /// It was done; what stands behind `OK`, for CREATE without the path.
        case done(answer: [UInt8])
    }

    struct Entry {
        var mark: RequestMark
        var stage: Stage
        /// What the owner was asked for; nil where it was done here, or not asked for yet.
        var subject: Subject?
        /// Whether the owner is asked once more, after an outcome that nobody knows.
        var isAnotherAttempt = false
        /// When it is forgotten; nil while it runs.
        var end: MonotonicTime?
        /// The batch that holds its outcome.
        var departure = 0
    }

    private let limit: Int
    private let milliseconds: Int64
    private var entries: [OperationID: Entry] = [:]
    /// Repeats of changes that run.
    var waits = RepeatWaits()
    /// Ends in their order; one that does not fit its entry any more means nothing.
    private var ends: [(op: OperationID, end: MonotonicTime)] = []
    private var firstEnd = 0
    /// Operations by the entry of the catalogue that they are about.
    private var byNode: [UInt32: [OperationID]] = [:]

    /// - Parameters:
    ///   - limit: Most changes that are remembered or run.
    ///   - milliseconds: How long one is remembered.
    init(limit: Int, milliseconds: Int64) {
        self.limit = limit
        self.milliseconds = milliseconds
    }

    subscript(op: OperationID) -> Entry? { entries[op] }

    /// How many changes are remembered or run.
    var count: Int { entries.count }

    /// Notes that a change is being done.
    ///
    /// - Throws: `busy` where no more can be remembered.
    mutating func begin(_ op: OperationID, _ mark: RequestMark) throws(RequestError) {
        guard entries.count < limit else {
            throw RequestError(
                .busy, "too many changes with op= are remembered; each is for a minute",
                fields: [.init("retry", number: Commits.retryMilliseconds)])
        }
        entries[op] = Entry(mark: mark, stage: .running)
    }

    /// Lets a repeat wait for what runs.
    mutating func wait(_ op: OperationID, _ request: Request, _ asker: Asker) {
        guard case .running = entries[op]?.stage else { return }
        waits.add(op, request, asker)
    }

    /// Notes what the owner is going to be asked for.
    mutating func intend(_ op: OperationID, _ subject: Subject) {
        unlink(op)
        entries[op]?.subject = subject
        byNode[subject.node, default: []].append(op)
    }

    /// Goes on with a change whose outcome was not known.
    mutating func reopen(_ op: OperationID) {
        entries[op]?.stage = .running
        entries[op]?.isAnotherAttempt = true
        entries[op]?.end = nil
    }

    /// Notes that a change is done.
    ///
    /// - Returns: The repeats that waited for it.
    mutating func complete(
        _ op: OperationID, _ answer: [UInt8], departure: Int, at now: MonotonicTime
    ) -> [RepeatWaits.Repeat] {
        let waiting = waits.take(op)
        unlink(op)
        entries[op]?.stage = .done(answer: answer)
        entries[op]?.departure = departure
        expectEnd(of: op, at: now)
        return waiting
    }

    /// Notes that nobody knows what became of a change.
    ///
    /// - Returns: The repeats that waited for it.
    mutating func leaveOpen(
        _ op: OperationID, at now: MonotonicTime
    ) -> [RepeatWaits.Repeat] {
        let waiting = waits.take(op)
        guard entries[op] != nil else { return [] }
        entries[op]?.stage = .open
        expectEnd(of: op, at: now)
        return waiting
    }

    /// Forgets a change that was not done.
    ///
    /// - Returns: The repeats that waited for it, and whether the store has heard of it.
    mutating func forget(
        _ op: OperationID
    ) -> (waiting: [RepeatWaits.Repeat], wasKept: Bool) {
        let waiting = waits.take(op)
        let wasKept = entries[op]?.subject != nil
        unlink(op)
        entries[op] = nil
        return (waiting, wasKept)
    }

    private mutating func unlink(_ op: OperationID) {
        guard let node = entries[op]?.subject?.node else { return }
        byNode[node]?.removeAll { $0 == op }
        if byNode[node]?.isEmpty ?? false { byNode[node] = nil }
    }

    private mutating func expectEnd(of op: OperationID, at now: MonotonicTime) {
        let end = now.advanced(milliseconds: milliseconds)
        entries[op]?.end = end
        ends.append((op, end))
    }
}

/// The store and the clock.
extension Repetitions {
    /// What is kept of a change; nil while only memory knows of it.
    func row(_ op: OperationID) -> CatalogueOperation? {
        guard let entry = entries[op] else { return nil }
        let subject = entry.subject
        var row = CatalogueOperation(
            op: op, request: entry.mark.bytes, stage: .asked, answer: [],
            node: subject?.node ?? 0, server: UInt32(subject?.server ?? 0), fid: subject?.fid ?? 0)
        if case .done(let answer) = entry.stage {
            row.stage = .done
            row.answer = answer
        } else if let subject {
            if subject.isGone { row.stage = .departed }
        } else {
            return nil
        }
        return row
    }

    /// Takes up what an earlier process kept; it is remembered for its whole time once more.
    ///
    /// No clock tells how long no process ran, and remembering for longer does no harm.
    mutating func load(_ row: CatalogueOperation) throws {
        guard let mark = RequestMark(row.request), let server = UInt16(exactly: row.server) else {
            throw CatalogueStoreError("the catalogue is damaged: an operation names no request")
        }
        if row.stage == .done {
            entries[row.op] = Entry(mark: mark, stage: .done(answer: row.answer))
            return
        }
        entries[row.op] = Entry(mark: mark, stage: .open)
        intend(
            row.op,
            Subject(
                node: row.node, server: server, fid: row.fid, isGone: row.stage == .departed))
    }

    /// Begins to count the time of what was loaded.
    mutating func start(at now: MonotonicTime) {
        for op in entries.keys.sorted(by: { $0.bytes.lexicographicallyPrecedes($1.bytes) }) {
            expectEnd(of: op, at: now)
        }
    }

    /// The entries of the catalogue whose end has to be noticed.
    var subjects: Set<UInt32> { Set(byNode.keys) }
    var subjectCount: Int { byNode.count }

    /// Notes that an entry of the catalogue was freed.
    ///
    /// - Returns: The changes that were about it, whose rows are others now.
    mutating func depart(_ node: UInt32) -> [OperationID] {
        let ops = byNode[node] ?? []
        for op in ops { entries[op]?.subject?.isGone = true }
        return ops
    }

    /// A second after the next end, so that a stream of them makes one commit a second.
    var nextDeadline: MonotonicTime? {
        firstEnd < ends.count ? ends[firstEnd].end.advanced(milliseconds: 1000) : nil
    }

    /// Forgets what has been remembered for long enough, and says what the store may forget.
    mutating func expire(at now: MonotonicTime) -> [OperationID] {
        var over: [OperationID] = []
        while firstEnd < ends.count, ends[firstEnd].end <= now {
            let (op, end) = ends[firstEnd]
            firstEnd += 1
            guard entries[op]?.end == end else { continue }
            unlink(op)
            entries[op] = nil
            over.append(op)
        }
        if firstEnd > 1024, firstEnd * 2 > ends.count {
            ends.removeSubrange(..<firstEnd)
            firstEnd = 0
        }
        return over
    }
}
