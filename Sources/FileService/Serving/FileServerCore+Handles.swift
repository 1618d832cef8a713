import DFSProtocol

// Verbs about sessions: RENEW, RESUME, KILL and HANDLES.
extension FileServerCore {
    mutating func renew(_ request: Request, _ ticket: Ticket) throws(RequestError) -> [FileAction] {
        let (_, session) = try use(request, ticket)
        let final = line(ticket) {
            guard session.leaseMilliseconds > 0 else { return $0.append(" lease=conn") }
            $0.pair("lease", session.leaseMilliseconds)
        }
        return [.answer(ticket.id, items: nil, final: final)]
    }

    /// Gives a session to the connection that has its token.
    ///
    /// The one that had it loses it at once; the answer waits until work of that one is over.
    mutating func resume(
        _ request: Request, _ caller: Caller, _ ticket: Ticket
    ) throws(RequestError) -> [FileAction] {
        let (handle, connection) = (request.operands[0], ticket.id.connection)
        guard let key = SessionKey(handle, on: connection) else {
            throw SessionTable.staleHandle(handle, "no handle looks like this; OPEN tells one")
        }
        guard key.connection == nil else {
            throw RequestError(
                .badArgument, "RESUME is for sessions that were opened with a lease",
                fields: [.init("h", handle)])
        }
        guard let session = sessions[key], let token = session.token else {
            throw sessions.refusal(of: key, handle, at: ticket.receivedAt)
        }
        guard token.matches(request.option("token") ?? []) else {
            throw RequestError(
                .denied, "the token is not that of this session", fields: [.init("h", handle)])
        }
        guard session.phase == .open else {
            throw sessions.refusal(of: key, handle, at: ticket.receivedAt)
        }
        let loser = try sessions.attach(key, to: connection)
        let ended =
            loser == nil
            ? []
            : endFollowing(
                of: key, on: loser,
                SessionTable.staleHandle(handle, "another connection has resumed the session"))
        sessions.update(key) {
            $0.usedAt = ticket.receivedAt
            $0.client = caller.client
        }
        return ended + (loser.map { [.released($0)] } ?? [])
            + enqueue(
                alone: .describe(session.file), on: session.file, for: ticket,
                purpose: .resume(key), at: ticket.receivedAt)
    }

    /// Takes what the disk says of the file of a session that was resumed.
    func resumed(_ key: SessionKey, _ facts: FileFacts, _ ticket: Ticket) -> FileAction {
        guard let session = sessions[key] else {
            return .refuse(
                ticket.id,
                sessions.refusal(of: key, key.handle, at: ticket.receivedAt))
        }
        let known = OperationMemory.Opening(
            key: key, size: facts.size, ver: facts.ver, fid: facts.fid)
        return .answer(
            ticket.id, items: nil, final: describe(key, session, known, ticket))
    }

    mutating func kill(_ request: Request, _ ticket: Ticket) throws(RequestError) -> [FileAction] {
        let (handle, connection) = (request.operands[0], ticket.id.connection)
        guard let key = SessionKey(shown: handle, on: connection) else {
            throw SessionTable.staleHandle(handle, "no handle looks like this; HANDLES shows them")
        }
        if case .killed? = sessions.ending(of: key, at: ticket.receivedAt) {
            return [.answer(ticket.id, items: nil, final: line(ticket) { _ in })]
        }
        switch sessions[key]?.phase {
        case .open: return end(key, as: .killed, for: ticket, at: ticket.receivedAt)
        case .killed, .expired, .lost:
            // It is being put away: when that is done its lock is free and nothing of it can land.
            closings[key, default: []].append(ticket)
            return []
        case .closing, nil:
            throw SessionTable.staleHandle(handle, "no such session is open; HANDLES shows them")
        }
    }

    /// Lists sessions in the order of their keys, in pages: no session hides behind others.
    func handles(_ request: Request, _ ticket: Ticket) throws(RequestError) -> FileAction {
        let (limit, connection) = (try request.itemLimit(), ticket.id.connection)
        var after: SessionKey?
        if let handle = request.option("after") {
            after = SessionKey(shown: handle, on: connection)
            guard after != nil else {
                throw RequestError(
                    .badArgument, "after is a handle as HANDLES shows it",
                    fields: [.init("argument", [UInt8]("after".utf8))])
            }
        }
        var items = LineWriter()
        var count = 0
        var last: SessionKey?
        var isWhole = true
        for key in sessions.keys where after.map({ $0 < key }) ?? true {
            guard let session = sessions[key] else { continue }
            isWhole = count < limit && items.bytes.count < Limits.listBytes
            guard isWhole else { break }
            count += 1
            last = key
            show(session, key, ticket, in: &items)
        }
        let final = line(ticket) {
            $0.pair("count", Int64(count))
            guard !isWhole, let last else { return }
            $0.append(" more=yes")
            $0.pair("after", last.shown(on: connection))
        }
        return .answer(ticket.id, items: items, final: final)
    }

    private func show(
        _ session: FileSession, _ key: SessionKey, _ ticket: Ticket, in items: inout LineWriter
    ) {
        let now = ticket.receivedAt
        items.begin(tag: ticket.tag)
        items.append("* handle")
        items.pair("h", key.shown(on: ticket.id.connection))
        items.pair("path", session.path.bytes)
        items.pair("mode", session.access.writes ? "rw" : "r")
        items.pair("owner", session.client.address)
        items.pair("client", session.client.name)
        items.pair("age", now.milliseconds(since: session.openedAt))
        items.pair("idle", now.milliseconds(since: session.usedAt))
        items.pair("bytes", session.bytesMoved)
        if session.leaseMilliseconds > 0 {
            items.pair("lease", session.deadline.milliseconds(since: now))
        } else {
            items.append(" lease=conn")
        }
        items.pair("lock", session.lock?.rawValue ?? "none")
        items.pair("state", session.state)
        items.end()
    }
}

extension FileSession {
    /// Where it stands, as HANDLES says it.
    fileprivate var state: String {
        guard phase == .open else { return "ending" }
        return attachment == nil ? "orphaned" : "attached"
    }
}
