import DFSProtocol

// OPEN: from the request to the session, through the lock where one is asked for.
extension FileServerCore {
    mutating func open(
        _ request: Request, _ caller: Caller, _ ticket: Ticket
    ) throws(RequestError) -> [FileAction] {
        let order = try OpenOrder(
            request, caller.client, limits: configuration.limits, at: ticket.receivedAt)
        return try open(order, ticket)
    }

    mutating func open(_ order: OpenOrder, _ ticket: Ticket) throws(RequestError) -> [FileAction] {
        try sessions.reserve(on: ticket.id.connection)
        return reopen(order, ticket, ticket.receivedAt)
    }

    private mutating func reopen(
        _ order: OpenOrder, _ ticket: Ticket, _ now: MonotonicTime
    ) -> [FileAction] {
        enqueue(
            .open(order.path, order.diskAccess, mode: order.mode, ifVersion: order.ifVersion),
            for: ticket, purpose: .open(order), at: now)
    }

    /// Takes a file that was opened, or could not be.
    ///
    /// - Parameter isTorn: Whether a change ran beside it, so that what it says of the file's size
    ///   may be of no moment; it is looked at once more in the file's lane.
    mutating func opened(
        _ job: PendingJob, _ ticket: Ticket, _ order: OpenOrder,
        _ result: Result<DiskOutcome, RequestError>, isTorn: Bool, _ generation: Int64?,
        _ now: MonotonicTime
    ) -> [FileAction] {
        let connection = ticket.id.connection
        guard case .success(.opened(let file, let facts)) = result else {
            sessions.release(on: connection)
            guard case .failure(let error) = result else { return [] }
            let said = order.explain(error)
            guard let made = order.made else { return refuse(ticket, said, job.work, now) }
            return [.refuse(ticket.id, said)] + keep(made, ticket, now)
        }
        if order.expectedFID > 0, facts.fid != order.expectedFID {
            return giveUp(ticket, order, file, facts, order.isAnotherFile, now)
        }
        let hasLease = order.leaseMilliseconds > 0
        guard !job.isCancelled,
            let key = sessions.nextKey(on: connection, hasLease: hasLease)
        else { return giveUp(ticket, order, file, facts, nil, now) }
        let opening = LockedOpening(
            ticket: ticket, order: order, file: file, facts: facts, generation: generation)
        guard let kind = order.lock, !locks.take(kind, of: file.identity, for: key) else {
            guard isTorn else { return announce(key, opening, facts, now) }
            openings.insert(opening, key)
            openings.grant(key)
            // It was among the jobs until now, and is again.
            return confirm(key, now)
        }
        guard let patience = order.patience, now < patience,
            !isOnlyHolder(connection, of: file.identity) || ticket.tag != nil
        else { return giveUp(ticket, order, file, facts, locked(opening, now), now) }
        guard !isDraining else { return giveUp(ticket, order, file, facts, .draining, now) }
        locks.wait(kind, of: file.identity, for: key)
        openings.insert(opening, key)
        self.patience.insert(key, at: patience)
        forgetPatience()
        return []
    }

    /// Makes the session and tells its handle.
    private mutating func announce(
        _ key: SessionKey, _ opening: LockedOpening, _ facts: FileFacts, _ now: MonotonicTime
    ) -> [FileAction] {
        let (ticket, order) = (opening.ticket, opening.order)
        let generation = opening.generation
        let session = FileSession(
            path: order.path, access: order.access, file: opening.file, fid: facts.fid,
            openedAt: now,
            leaseMilliseconds: order.leaseMilliseconds,
            token: order.leaseMilliseconds > 0 ? configuration.newToken() : nil, lock: order.lock,
            client: order.client, attachment: ticket.id.connection, usedAt: now)
        guard sessions.add(session, key, on: ticket.id.connection) else {
            // The place was given back by `add`.
            return putAway(opening.file, now) + unlocked(key, opening.file.identity, now)
                + forget(ticket, now)
        }
        let known = OperationMemory.Opening(
            key: key, size: facts.size, ver: facts.ver, fid: facts.fid)
        let final = describe(key, session, known, ticket)
        return hold(
            .answer(ticket.id, items: nil, final: final), order.access.writes ? generation : nil,
            now, opened: key) + conclude(ticket, .opened(known), generation, now)
    }

    /// Writes what OPEN and RESUME answer.
    func describe(
        _ key: SessionKey, _ session: FileSession, _ facts: OperationMemory.Opening,
        _ ticket: Ticket
    ) -> LineWriter {
        line(ticket) {
            $0.pair("h", key.handle)
            $0.pair("size", facts.size)
            $0.pair("ver", facts.ver)
            if facts.fid > 0 { $0.pair("fid", facts.fid) }
            guard let token = session.token else { return $0.append(" lease=conn") }
            $0.pair("lease", session.leaseMilliseconds)
            $0.pair("token", token.text)
        }
    }

    /// Puts a file away that became no session, and says why where somebody listens.
    private mutating func giveUp(
        _ ticket: Ticket, _ order: OpenOrder, _ file: any OpenFile, _ facts: FileFacts,
        _ error: RequestError?, _ now: MonotonicTime
    ) -> [FileAction] {
        sessions.release(on: ticket.id.connection)
        let answer = error.map { [FileAction.refuse(ticket.id, $0)] } ?? []
        let actions = answer + putAway(file, now)
        guard let made = file.isNew ? facts : order.made else {
            return actions + forget(ticket, now)
        }
        return actions + keep(made, ticket, now)
    }

    /// Remembers the file that an OPEN has made without coming to a session.
    ///
    /// Repeated, it must find that one and not `exists`, and make no other.
    private mutating func keep(
        _ made: FileFacts, _ ticket: Ticket, _ now: MonotonicTime
    ) -> [FileAction] {
        let opening = OperationMemory.Opening(
            key: nil, size: made.size, ver: made.ver, fid: made.fid)
        return conclude(ticket, .opened(opening), nil, now)
    }

    private mutating func putAway(_ file: any OpenFile, _ now: MonotonicTime) -> [FileAction] {
        enqueue(alone: .close(file), on: file, for: nil, purpose: .abandoned, at: now)
    }
}

// Locks: who waits, and what becomes of it.
extension FileServerCore {
    /// Gives a lock back, and hands it to those whose turn it is.
    mutating func unlocked(
        _ key: SessionKey, _ file: FileIdentity, _ now: MonotonicTime
    ) -> [FileAction] {
        var actions = grant(locks.leave(key, file), at: file, now)
        // Of the holders' own connection one at most waits without a tag, and it stops all others.
        guard let holder = locks.firstHolder(of: file)?.key,
            let connection = self.connection(of: holder)
        else { return actions }
        let hopeless = openings.all(of: connection).first {
            guard let opening = openings[$0] else { return false }
            return opening.ticket.tag == nil && !opening.isGranted
                && opening.file.identity == file
        }
        if let hopeless, isOnlyHolder(connection, of: file), let opening = openings[hopeless] {
            actions += abandon(hopeless, with: locked(opening, now), at: now)
        }
        return actions
    }

    /// Lets OPENs that nothing keeps any more look at their file, a few at a time.
    private mutating func grant(
        _ keys: [SessionKey], at file: FileIdentity, _ now: MonotonicTime
    ) -> [FileAction] {
        for key in keys {
            openings.grant(key)
            grants.add(key, at: file)
        }
        return confirmGranted(at: file, now)
    }

    /// Begins as many looks at a file as there may be at once.
    private mutating func confirmGranted(
        at file: FileIdentity, _ now: MonotonicTime
    ) -> [FileAction] {
        var actions: [FileAction] = []
        while let key = grants.next(at: file, limit: configuration.grantLimit) {
            guard openings[key] != nil else {
                _ = grants.ended(key)
                continue
            }
            actions += confirm(key, now)
        }
        return actions
    }

    /// Has an OPEN look at its file once more, in the file's lane; nothing else keeps it any more.
    private mutating func confirm(_ key: SessionKey, _ now: MonotonicTime) -> [FileAction] {
        guard let opening = openings[key] else { return [] }
        let order = opening.order
        return enqueue(
            .confirm(opening.file, order.path, ifVersion: order.ifVersion),
            for: opening.ticket, purpose: .grant(key), in: (opening.file.identity, .shared),
            at: now)
    }

    /// Notes that a look is over or was dropped, and begins the next one of the file.
    mutating func looked(_ key: SessionKey, _ now: MonotonicTime) -> [FileAction] {
        grants.ended(key).map { confirmGranted(at: $0, now) } ?? []
    }

    /// Takes what the disk says of a file whose lock was granted to an OPEN that waited.
    mutating func granted(
        _ job: PendingJob, _ key: SessionKey, _ result: Result<DiskOutcome, RequestError>,
        _ now: MonotonicTime
    ) -> [FileAction] {
        guard let opening = openings[key] else { return [] }
        switch result {
        case .success(.facts(let facts)) where !job.isCancelled:
            _ = openings.remove(key)
            return announce(key, opening, facts, now)
        case .failure(let error)
        where error.code == .staleFile && !job.isCancelled && opening.order.access != .createNew:
            // The name leads to another file by now: the lock is wanted of that one.
            _ = openings.remove(key)
            var order = opening.order
            if opening.file.isNew { order.made = opening.facts }
            return unlocked(key, opening.file.identity, now) + putAway(opening.file, now)
                + reopen(order, opening.ticket, now)
        case .failure(let error): return abandon(key, with: error, at: now)
        case .success: return abandon(key, at: now)
        }
    }

    /// Ends an OPEN that waits for a lock or has just got it.
    mutating func abandon(
        _ key: SessionKey, with error: RequestError? = nil, at now: MonotonicTime
    ) -> [FileAction] {
        guard let opening = openings.remove(key) else { return [] }
        let freed = unlocked(key, opening.file.identity, now)
        return freed
            + giveUp(opening.ticket, opening.order, opening.file, opening.facts, error, now)
    }

    /// Whether a connection has all the locks of a file that there are, so that it alone can free
    /// one; what waits for that untagged would wait for ever.
    private func isOnlyHolder(_ connection: ConnectionID, of file: FileIdentity) -> Bool {
        var isHeld = false
        // It can have no more of them than handles, so that this ends soon.
        for holder in locks.holders(of: file) {
            guard self.connection(of: holder.key) == connection else { return false }
            isHeld = true
        }
        return isHeld
    }

    /// The connection that a session, or an OPEN that will be one, belongs to.
    private func connection(of key: SessionKey) -> ConnectionID? {
        guard let session = sessions[key] else { return openings[key]?.ticket.id.connection }
        return session.attachment
    }

    /// Says who holds a lock, and for how long.
    func locked(_ opening: LockedOpening, _ now: MonotonicTime) -> RequestError {
        var fields: [RequestError.Field] = []
        var retry: Int64 = 1000
        if let holder = locks.firstHolder(of: opening.file.identity) {
            let session = sessions[holder.key]
            let client = session?.client ?? openings[holder.key]?.order.client
            fields.append(.init("h", holder.key.shown(on: opening.ticket.id.connection)))
            if let client { fields.append(.init("client", client.name)) }
            fields.append(.init("lock", [UInt8](holder.kind.rawValue.utf8)))
            let left = session.map { $0.deadline.milliseconds(since: now) } ?? 0
            if let session, session.leaseMilliseconds > 0 {
                fields.append(.init("lease", number: left))
                retry = min(max(left, 1), retry)
            } else {
                fields.append(.init("lease", [UInt8]("conn".utf8)))
            }
        }
        fields.append(.init("retry", number: retry))
        return RequestError(
            .locked, path: opening.order.path,
            "another session holds a lock; wait=ms waits for it, HANDLES shows its holder",
            fields: fields)
    }

    /// Refuses OPENs that have waited for a lock for as long as they wanted.
    mutating func loseLockPatience(at now: MonotonicTime) -> [FileAction] {
        var actions: [FileAction] = []
        while let key = patience.removeFirst(until: now) {
            guard let opening = openings[key], !opening.isGranted else { continue }
            actions += abandon(key, with: locked(opening, now), at: now)
        }
        return actions
    }

    /// Drops what waits left behind that ended before their time, as soon as it is most of all.
    private mutating func forgetPatience() {
        guard patience.count > 2 * openings.count + 64 else { return }
        let openings = openings
        patience.keep { openings[$0] != nil }
    }
}

extension OpenOrder {
    /// Where one file is meant, another one or none in its place is told as such.
    fileprivate func explain(_ error: RequestError) -> RequestError {
        guard error.code == .notFound else { return error }
        if made != nil {
            return RequestError(
                .staleFile, path: path,
                "it was made, and removed by another before it was open; OPEN it anew")
        }
        return expectedFID > 0 ? isAnotherFile : error
    }

    fileprivate var isAnotherFile: RequestError {
        RequestError(
            .staleFile, path: path, "the file of the first OPEN is not there any more; look again")
    }
}
