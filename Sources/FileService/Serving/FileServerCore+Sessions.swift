import DFSProtocol

// Verbs that use a session.
extension FileServerCore {
    /// Whether a connection holds a session, so that it is not closed for being idle.
    public func holdsSession(_ connection: ConnectionID) -> Bool {
        sessions.holdsSession(connection)
    }

    mutating func read(_ request: Request, _ ticket: Ticket) throws(RequestError) -> [FileAction] {
        let (key, session) = try use(request, ticket)
        let asText = request.option("as") != nil
        let hasOffset = request.operands.count == 3
        let count = try request.number(at: hasOffset ? 2 : 1)
        let offset = hasOffset ? try request.number(at: 1) : session.cursor
        _ = try FileRange(offset: offset, count: count)
        let limits = configuration.limits
        let most = asText ? limits.textBytes : limits.payloadBytes
        return enqueue(
            .read(session.file, at: offset, count: Int(min(count, Int64(most))), asText: asText),
            for: ticket, purpose: .session(key),
            in: (session.file.identity, hasOffset ? .shared : .cursor(key)), at: ticket.receivedAt)
    }

    mutating func write(_ request: Request, _ ticket: Ticket) throws(RequestError) -> [FileAction] {
        let (key, session) = try change(request, ticket)
        let offset = try request.number(at: 1)
        let data = RequestData(request.content)
        _ = try FileRange(offset: offset, count: Int64(data.count))
        let version = try request.number("if-ver")
        return enqueue(
            alone: .write(session.file, at: offset, data, ifVersion: version), on: session.file,
            for: ticket, purpose: .session(key), at: ticket.receivedAt)
    }

    mutating func append(
        _ request: Request, _ ticket: Ticket
    ) throws(RequestError) -> [FileAction] {
        let (key, session) = try change(request, ticket)
        return enqueue(
            alone: .append(session.file, RequestData(request.content)), on: session.file,
            for: ticket, purpose: .session(key), at: ticket.receivedAt)
    }

    mutating func truncate(
        _ request: Request, _ ticket: Ticket
    ) throws(RequestError) -> [FileAction] {
        let (key, session) = try change(request, ticket)
        let size = try request.number(at: 1)
        return enqueue(
            alone: .truncate(session.file, to: size), on: session.file, for: ticket,
            purpose: .session(key), at: ticket.receivedAt)
    }

    mutating func sync(_ request: Request, _ ticket: Ticket) throws(RequestError) -> [FileAction] {
        let (key, session) = try use(request, ticket)
        return enqueue(
            alone: .sync(session.file), on: session.file, for: ticket, purpose: .session(key),
            at: ticket.receivedAt)
    }

    mutating func close(_ request: Request, _ ticket: Ticket) throws(RequestError) -> [FileAction] {
        let (handle, connection) = (request.operands[0], ticket.id.connection)
        if let key = SessionKey(handle, on: connection) {
            if case .closed(let ending)? = sessions.ending(of: key, at: ticket.receivedAt) {
                return [answer(ticket, closing: ending)]
            }
            if sessions[key]?.phase == .closing {
                closings[key, default: []].append(ticket)
                return []
            }
        }
        let (key, session) = try use(request, ticket)
        sessions.update(key) { $0.phase = .closing }
        let ended = endFollowing(
            of: key, on: connection, sessions.refusal(of: key, handle, at: ticket.receivedAt))
        return ended
            + enqueue(
                alone: .close(session.file), on: session.file, for: ticket, purpose: .close(key),
                at: ticket.receivedAt)
    }

    /// Takes the end of a CLOSE: the session is gone, whatever the disk said.
    mutating func closed(
        _ ticket: Ticket, _ key: SessionKey, _ result: Result<DiskOutcome, RequestError>,
        _ generation: Int64?, _ now: MonotonicTime
    ) -> [FileAction] {
        let ending: Result<FileFacts, RequestError>
        switch result {
        case .success(.facts(let facts)): ending = .success(facts)
        case .failure(let error): ending = .failure(error)
        default: return []
        }
        let freed = leave(key, .closed(ending), now)
        let others = closings.removeValue(forKey: key) ?? []
        return ([ticket] + others).flatMap {
            hold(answer($0, closing: ending), generation, now)
        } + freed
    }

    /// Takes a session out of the table and gives its lock to the next one.
    private mutating func leave(
        _ key: SessionKey, _ ending: Ending?, _ now: MonotonicTime
    ) -> [FileAction] {
        guard let session = sessions[key] else { return [] }
        sessions.remove(key, ending, at: now)
        guard session.lock != nil else { return [] }
        let granted = unlocked(key, session.file.identity, now)
        let successors = successions.removeValue(forKey: key) ?? []
        return granted
            + successors.flatMap { operations.cancel($0, at: now) }
            .flatMap { admit($0.request, $0.caller, now) }
    }

    /// Finds the session of a request.
    func use(
        _ request: Request, _ ticket: Ticket
    ) throws(RequestError) -> (key: SessionKey, session: FileSession) {
        try sessions.find(request.operands[0], on: ticket.id.connection, at: ticket.receivedAt)
    }

    /// Finds a session that may change its file.
    ///
    /// - Throws: `stale-handle`; `read-only` where it was opened `r`.
    func change(
        _ request: Request, _ ticket: Ticket
    ) throws(RequestError) -> (key: SessionKey, session: FileSession) {
        let found = try use(request, ticket)
        guard found.session.access.writes else {
            throw RequestError(
                .readOnly, "this session was opened with r; OPEN the file with rw",
                fields: [.init("h", request.operands[0])])
        }
        return found
    }
}

// Ends that nobody asked for, and KILL.
extension FileServerCore {
    /// Ends a session that is open: no later request finds it, and it is put away in its turn.
    ///
    /// Work that runs is finished first and work that waits is refused, so that nothing of the
    /// session lands once the file's next turn begins. The lock is free from then on.
    mutating func end(
        _ key: SessionKey, as phase: FileSession.Phase, for ticket: Ticket? = nil,
        at now: MonotonicTime
    ) -> [FileAction] {
        guard let session = sessions[key], session.phase == .open else { return [] }
        sessions.update(key) { $0.phase = phase }
        let ended = endFollowing(
            of: key, on: session.attachment, sessions.refusal(of: key, key.handle, at: now))
        sessions.detach(key)
        let released = session.attachment.map { [FileAction.released($0)] } ?? []
        guard ticket != nil || unasked < configuration.endLimit else {
            leaving.append(key)
            return ended + released
        }
        return ended + released + putAway(key, for: ticket, at: now)
    }

    /// Closes the file of a session that has ended, when it is the file's turn.
    mutating func putAway(
        _ key: SessionKey, for ticket: Ticket?, at now: MonotonicTime
    ) -> [FileAction] {
        guard let session = sessions[key] else { return [] }
        return enqueue(
            alone: .close(session.file), on: session.file, for: ticket, purpose: .end(key), at: now)
    }

    /// Takes the end of a session that nobody closed.
    mutating func ended(
        _ key: SessionKey, _ ticket: Ticket?, _ generation: Int64?, _ now: MonotonicTime
    ) -> [FileAction] {
        var ending: Ending?
        switch sessions[key]?.phase {
        case .expired: ending = .expired
        case .killed: ending = .killed
        default: break
        }
        let freed = leave(key, ending, now)
        let others = closings.removeValue(forKey: key) ?? []
        return ([ticket].compactMap { $0 } + others).flatMap {
            hold(.answer($0.id, items: nil, final: line($0) { _ in }), generation, now)
        } + freed
    }

    /// Ends what has run out: leases, and the patience of those that wait for a lock.
    mutating func expire(at now: MonotonicTime) -> [FileAction] {
        var actions: [FileAction] = []
        if let next = sessions.deadline, next <= now {
            for key in sessions.due(at: now) { actions += end(key, as: .expired, at: now) }
        }
        if let next = patience.first, next <= now { actions += loseLockPatience(at: now) }
        return actions
    }

    /// Ends what lived with a connection; sessions with a lease go on without one.
    public mutating func connectionClosed(
        _ connection: ConnectionID, at now: MonotonicTime
    ) -> [FileAction] {
        followers.remove(connection)
        operations.dropWaiting { $0.connection == connection }
        closings = closings.mapValues { $0.filter { $0.id.connection != connection } }
        var actions: [FileAction] = []
        for key in sessions.forget(connection) where key.connection != nil {
            actions += end(key, as: .lost, at: now)
        }
        for key in openings.all(of: connection) { actions += abandon(key, at: now) }
        return actions
    }

    /// Refuses what waits for a lock and ends what follows a file: the server is about to stop.
    ///
    /// What has begun is finished. From now on nothing begins to wait.
    public mutating func beginDraining(at now: MonotonicTime) -> [FileAction] {
        isDraining = true
        var actions = endFollowing(.draining)
        for key in openings.all where openings[key]?.isGranted == false {
            actions += abandon(key, with: .draining, at: now)
        }
        return actions
    }

    /// Ends every session, so that what was written counts before the server stops.
    public mutating func endSessions(at now: MonotonicTime) -> [FileAction] {
        var actions: [FileAction] = []
        for key in openings.all { actions += abandon(key, with: .draining, at: now) }
        for key in sessions.keys { actions += end(key, as: .lost, at: now) }
        return actions
    }
}

extension RequestError {
    static let draining = RequestError(
        .draining, "this server is stopping; ask again when it is back")
}
