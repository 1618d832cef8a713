import DFSProtocol

// Changes with `op=`: what a repeated request is told.
extension FileServerCore {
    /// Notes what a change came to, and tells those that asked for the same meanwhile.
    mutating func conclude(
        _ ticket: Ticket, _ outcome: OperationMemory.Outcome, _ generation: Int64?,
        _ now: MonotonicTime
    ) -> [FileAction] {
        guard let operation = ticket.operation else { return [] }
        return operations.finish(operation, outcome, generation: generation, at: now)
            .flatMap { admit($0.request, $0.caller, now) }
    }

    /// Notes that a change failed; it is known only where something of it may be on the disk.
    mutating func conclude(
        _ ticket: Ticket, _ error: RequestError, _ kind: ChangeKind, _ now: MonotonicTime
    ) -> [FileAction] {
        kind.leavesTraces(error.code)
            ? conclude(ticket, .failed(error), nil, now) : forget(ticket, now)
    }

    /// Notes that a change did not happen; the first of those that wait carries it out.
    mutating func forget(_ ticket: Ticket, _ now: MonotonicTime) -> [FileAction] {
        guard let operation = ticket.operation else { return [] }
        return operations.cancel(operation, at: now).flatMap { admit($0.request, $0.caller, now) }
    }

    /// Refuses a request whose work failed.
    mutating func refuse(
        _ ticket: Ticket, _ error: RequestError, _ work: DiskWork, _ now: MonotonicTime
    ) -> [FileAction] {
        [.refuse(ticket.id, error)] + conclude(ticket, error, ChangeKind(work), now)
    }

    /// Answers a request whose change is known.
    mutating func repeated(
        _ operation: OperationID, _ outcome: OperationMemory.Outcome, _ generation: Int64?,
        _ attempt: OperationMemory.Attempt
    ) throws(RequestError) -> [FileAction] {
        let (request, now) = (attempt.request, attempt.receivedAt)
        let ticket = Ticket(id: attempt.caller.id, tag: request.tag, receivedAt: now)
        switch outcome {
        case .failed(let error): return [.refuse(ticket.id, error)]
        case .stored(let size, let ver): return hold(stored(ticket, size, ver), generation, now)
        case .wrote(let count, let size):
            let final = line(ticket) {
                $0.pair("bytes", Int64(count))
                $0.pair("size", size)
            }
            return [.answer(ticket.id, items: nil, final: final)]
        case .opened(let opening):
            return try reopened(operation, opening, generation, attempt, ticket)
        }
    }

    /// Tells of the session of an earlier OPEN, or opens its file once more where that has gone.
    private mutating func reopened(
        _ operation: OperationID, _ opening: OperationMemory.Opening, _ generation: Int64?,
        _ attempt: OperationMemory.Attempt, _ ticket: Ticket
    ) throws(RequestError) -> [FileAction] {
        let now = ticket.receivedAt
        let order = OpenOrder(
            again: try OpenOrder(
                attempt.request, attempt.caller.client, limits: configuration.limits, at: now),
            fid: opening.fid)
        var actions: [FileAction] = []
        if let key = opening.key {
            let isOwn = key.connection == nil || key.connection == ticket.id.connection
            if isOwn, let session = sessions[key], session.phase == .open {
                // Whoever knows its `op=` is its client, and is told the whole lease.
                sessions.update(key) { $0.usedAt = now }
                let final = describe(key, session, opening, ticket)
                return hold(.answer(ticket.id, items: nil, final: final), generation, now)
            }
            switch sessions.ending(of: key, at: now) {
            case .closed, .killed: throw sessions.refusal(of: key, key.handle, at: now)
            case .expired, nil: break
            }
            if let phase = sessions[key]?.phase, phase == .closing || phase == .killed {
                throw sessions.refusal(of: key, key.handle, at: now)
            }
            // Its client asks on another connection: it does not use that session any more.
            actions += end(key, as: .lost, at: now)
            if sessions[key]?.lock != nil {
                // The session that is being put away holds the lock that is asked for here.
                successions[key, default: []].append(operation)
                operations.postpone(operation, attempt)
                return actions
            }
        }
        operations.reopen(operation)
        var ticket = ticket
        ticket.operation = operation
        do throws(RequestError) {
            return actions + (try open(order, ticket))
        } catch {
            return actions + [.refuse(ticket.id, error)] + forget(ticket, now)
        }
    }
}

/// What a change with `op=` does to the disk, and so what is left of it when it fails.
enum ChangeKind: Sendable {
    /// All or nothing, but for a disk that fails: STORE, PULL, OPEN.
    case store
    /// A part of the bytes may be there: APPEND.
    case append

    init(_ work: DiskWork) {
        if case .append = work { self = .append } else { self = .store }
    }

    /// Whether something may have changed although this was answered.
    func leavesTraces(_ code: ErrorCode) -> Bool {
        switch code {
        case .io, .internal: true
        case .noSpace, .quota: self == .append
        default: false
        }
    }
}
