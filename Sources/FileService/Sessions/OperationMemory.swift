import DFSProtocol

/// What changes with `op=` came to, so that a repeated one has one effect and the same answer.
///
/// An outcome is kept for a fixed time after its answer. The number of entries is bounded.
struct OperationMemory: Sendable {
    /// What a change came to, without the tag of the request that made it.
    enum Outcome: Sendable {
        case wrote(count: Int, size: Int64)
        case stored(FileFacts)
        case opened(Opening)
        /// The disk failed, and what of the change is there is not known.
        case failed(RequestError)
    }

    /// What an OPEN came to.
    struct Opening: Sendable {
        /// The session, which may have ended since; nil where a file was made and none opened.
        let key: SessionKey?
        let size: Int64
        let ver: Int64
        let fid: Int64
    }

    /// A request with `op=`, as it came.
    struct Attempt: Sendable {
        let request: Request
        let caller: Caller
        let receivedAt: MonotonicTime
        /// For which export it is.
        let export: Int
    }

    /// What an attempt is told.
    enum Claim: Sendable {
        /// Nobody has asked for this change: carry it out.
        case new
        /// It runs; this attempt waits for its outcome.
        case waits
        /// It is done; the change that it made on the disk has this number.
        case known(Outcome, generation: Int64?)
    }

    private enum State: Sendable {
        case running([Attempt])
        case known(Outcome, generation: Int64?, until: MonotonicTime)
    }

    private struct Entry: Sendable {
        /// Tells the request from another one with the same `op=`.
        let print: RequestPrint
        var state: State
        /// What an OPEN came to that is being carried out again, and the change that it made.
        var previous: (outcome: Outcome, generation: Int64?)?
    }

    private var entries: [OperationID: Entry] = [:]
    /// What is known, in the order in which it is forgotten; those before `head` are.
    private var order: [(until: MonotonicTime, operation: OperationID)] = []
    private var head = 0
    /// The requests that wait for the outcome of another one.
    private var waiting: [RequestID: (operation: OperationID, export: Int)] = [:]
    /// How many of them are for each export.
    private var waitingCounts: [Int: Int] = [:]
    /// When what is old is to be dropped although no request comes.
    private(set) var deadline: MonotonicTime?
    private let limit: Int
    private let span: Int64

    init(limits: Limits) {
        limit = limits.operations
        span = limits.operationMilliseconds
    }

    var count: Int { entries.count }
    /// How many ends are kept in their order; bounded by the number of entries.
    var orderCount: Int { order.count - head }
    /// How many requests wait for the outcome of another one, each with its data.
    var waitingCount: Int { waiting.count }
    /// How many of them are for an export.
    func waitingCount(of export: Int) -> Int { waitingCounts[export] ?? 0 }

    /// Looks a change up, and notes it as running where it is new.
    ///
    /// - Throws: `bad-argument` where another request had this `op=`; `busy` without room.
    mutating func claim(
        _ operation: OperationID, _ attempt: Attempt, _ print: RequestPrint
    ) throws(RequestError) -> Claim {
        let now = attempt.receivedAt
        forget(until: now)
        guard let entry = entries[operation] else {
            guard entries.count < limit else { throw full(now) }
            entries[operation] = Entry(print: print, state: .running([]))
            return .new
        }
        guard entry.print.isRepeated(by: print) else {
            throw RequestError(
                .badArgument, "this op= was another request's; take a new one for each change",
                fields: [.init("argument", [UInt8]("op".utf8))])
        }
        switch entry.state {
        case .known(let outcome, let generation, _): return .known(outcome, generation: generation)
        case .running:
            wait(operation, attempt)
            return .waits
        }
    }

    private mutating func wait(_ operation: OperationID, _ attempt: Attempt) {
        guard case .running(var attempts)? = entries[operation]?.state else { return }
        // The memory lets go of the list first, so that it is not copied for each attempt.
        entries[operation]?.state = .running([])
        attempts.append(attempt)
        entries[operation]?.state = .running(attempts)
        waiting[attempt.caller.id] = (operation, attempt.export)
        waitingCounts[attempt.export, default: 0] += 1
    }

    /// Notes that a request waits no more.
    private mutating func leave(_ id: RequestID) {
        guard let export = waiting.removeValue(forKey: id)?.export else { return }
        waitingCounts[export, default: 1] -= 1
    }

    private func full(_ now: MonotonicTime) -> RequestError {
        let next = order.indices.contains(head) ? order[head].until.milliseconds(since: now) : 1000
        return RequestError(
            .busy, "too many changes with op= are remembered; try again soon",
            fields: [.init("retry", number: min(max(next, 1), 1000))])
    }

    /// Notes what a change came to.
    ///
    /// - Returns: The attempts that wait for the outcome.
    mutating func finish(
        _ operation: OperationID, _ outcome: Outcome, generation: Int64?, at now: MonotonicTime
    ) -> [Attempt] {
        guard case .running(let attempts)? = entries[operation]?.state else { return [] }
        let until = now.advanced(milliseconds: span)
        entries[operation]?.state = .known(outcome, generation: generation, until: until)
        entries[operation]?.previous = nil
        order.append((until, operation))
        dropOutdated()
        if deadline == nil { deadline = until }
        for attempt in attempts { leave(attempt.caller.id) }
        return attempts
    }

    /// Forgets an attempt that changed nothing; what an earlier one came to is known again.
    ///
    /// - Returns: The attempts that wait for the outcome; the first of them may carry it out.
    mutating func cancel(_ operation: OperationID, at now: MonotonicTime) -> [Attempt] {
        guard let entry = entries[operation], case .running(let attempts) = entry.state else {
            return []
        }
        if let previous = entry.previous {
            return finish(operation, previous.outcome, generation: previous.generation, at: now)
        }
        entries[operation] = nil
        for attempt in attempts { leave(attempt.caller.id) }
        return attempts
    }

    /// Notes that what is known of an OPEN does not hold any more and that it is carried out again.
    mutating func reopen(_ operation: OperationID) {
        guard case .known(let outcome, let generation, _)? = entries[operation]?.state else {
            return
        }
        entries[operation]?.previous = (outcome, generation)
        entries[operation]?.state = .running([])
    }

    /// Lets a repeated OPEN wait until what is known can be looked at again; `cancel` ends that.
    mutating func postpone(_ operation: OperationID, _ attempt: Attempt) {
        reopen(operation)
        wait(operation, attempt)
    }

    /// Drops attempts that wait for an outcome which nobody will hear.
    mutating func dropWaiting(where isGone: (RequestID) -> Bool) {
        for (id, (operation, _)) in waiting.sorted(by: { $0.key < $1.key }) where isGone(id) {
            leave(id)
            guard case .running(let attempts)? = entries[operation]?.state else { continue }
            entries[operation]?.state = .running(attempts.filter { $0.caller.id != id })
        }
    }

    /// Drops what is old, and says when to look again.
    mutating func timePassed(at now: MonotonicTime) {
        guard let deadline, deadline <= now else { return }
        forget(until: now)
        // Often enough to free memory after a burst, and not for each entry.
        self.deadline =
            order.indices.contains(head)
            ? max(order[head].until, now.advanced(milliseconds: 1000)) : nil
    }

    /// Drops the earlier ends of OPENs that were opened again, as soon as they are most of all.
    private mutating func dropOutdated() {
        guard order.count - head > 2 * entries.count + 64 else { return }
        var kept: Set<OperationID> = []
        order = order[head...].filter { known in
            guard case .known(_, _, let until)? = entries[known.operation]?.state else {
                return false
            }
            return until == known.until && kept.insert(known.operation).inserted
        }
        head = 0
    }

    private mutating func forget(until now: MonotonicTime) {
        while order.indices.contains(head), order[head].until <= now {
            let operation = order[head].operation
            head += 1
            // One that was opened again has a later end.
            if case .known(_, _, let until)? = entries[operation]?.state, until <= now {
                entries[operation] = nil
            }
        }
        guard head > 1024, head > order.count / 2 || head == order.count else { return }
        order.removeFirst(head)
        head = 0
    }
}
