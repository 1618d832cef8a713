import DFSProtocol

// Verbs that use a session.
extension FileServerCore {
    /// Whether a connection holds a session, so that it is not closed for being idle.
    public func holdsSession(_ connection: ConnectionID) -> Bool {
        sessions.holdsSession(connection)
    }

    mutating func open(
        _ request: Request, _ caller: Caller, _ ticket: Ticket
    ) throws(RequestError) -> [FileAction] {
        let path = try request.path()
        guard
            let access = FileAccess(rawValue: String(decoding: request.operands[1], as: UTF8.self))
        else { throw RequestError(.badArgument, "a mode is r, rw, create or create-new") }
        let mode = try request.mode()
        try sessions.reserve(on: caller.id.connection)
        return enqueue(
            .open(path, access, mode: mode, ifVersion: nil), for: ticket,
            purpose: .open(path: path, access: access, client: caller.client))
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
            in: (session.file.identity, hasOffset ? .shared : .cursor(key)))
    }

    mutating func write(_ request: Request, _ ticket: Ticket) throws(RequestError) -> [FileAction] {
        let (key, session) = try change(request, ticket)
        let offset = try request.number(at: 1)
        let data = RequestData(request.content)
        _ = try FileRange(offset: offset, count: Int64(data.count))
        sessions[key]?.hasChanges = true
        return enqueue(
            .write(session.file, at: offset, data, ifVersion: nil), for: ticket,
            purpose: .session(key), in: (session.file.identity, .alone))
    }

    mutating func append(
        _ request: Request, _ ticket: Ticket
    ) throws(RequestError) -> [FileAction] {
        let (key, session) = try change(request, ticket)
        sessions[key]?.hasChanges = true
        return enqueue(
            .append(session.file, RequestData(request.content)), for: ticket,
            purpose: .session(key), in: (session.file.identity, .alone))
    }

    mutating func truncate(
        _ request: Request, _ ticket: Ticket
    ) throws(RequestError) -> [FileAction] {
        let (key, session) = try change(request, ticket)
        let size = try request.number(at: 1)
        sessions[key]?.hasChanges = true
        return enqueue(
            .truncate(session.file, to: size), for: ticket, purpose: .session(key),
            in: (session.file.identity, .alone))
    }

    mutating func sync(_ request: Request, _ ticket: Ticket) throws(RequestError) -> [FileAction] {
        let (key, session) = try use(request, ticket)
        return enqueue(
            .sync(session.file), for: ticket, purpose: .session(key),
            in: (session.file.identity, .alone))
    }

    mutating func close(_ request: Request, _ ticket: Ticket) throws(RequestError) -> [FileAction] {
        let connection = ticket.id.connection
        if let ending = sessions.ending(request.operands[0], on: connection) {
            return [answer(ticket, closing: ending)]
        }
        let (key, session) = try use(request, ticket)
        sessions[key]?.isClosing = true
        let ended = endFollowing(of: key, SessionTable.staleHandle(request.operands[0]))
        return ended
            + enqueue(
                .close(session.file), for: ticket, purpose: .close(key),
                in: (session.file.identity, .alone))
    }

    /// Finds the session of a request and notes that it was used.
    func find(
        _ request: Request, _ ticket: Ticket
    ) throws(RequestError) -> (key: SessionKey, session: FileSession) {
        try sessions.find(request.operands[0], on: ticket.id.connection)
    }

    mutating func use(
        _ request: Request, _ ticket: Ticket
    ) throws(RequestError) -> (key: SessionKey, session: FileSession) {
        let found = try find(request, ticket)
        sessions[found.key]?.usedAt = ticket.receivedAt
        return found
    }

    /// Finds a session that may change its file.
    ///
    /// - Throws: `stale-handle`; `read-only` where it was opened `r`.
    mutating func change(
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

    func handles(_ ticket: Ticket, _ now: MonotonicTime) -> FileAction {
        var items = LineWriter()
        let all = sessions.all
        for (key, session) in all {
            items.begin(tag: ticket.tag)
            items.append("* handle")
            let isOwn = key.connection == ticket.id.connection
            items.pair("h", isOwn ? key.handle : key.distantHandle)
            items.pair("path", session.path.bytes)
            items.pair("mode", session.access.writes ? "rw" : "r")
            items.pair("owner", "anonymous")
            items.pair("client", session.client)
            items.pair("age", now.milliseconds(since: session.openedAt))
            items.pair("idle", now.milliseconds(since: session.usedAt))
            items.append(" lease=conn lock=none")
            items.end()
        }
        return .answer(
            ticket.id, items: items, final: line(ticket) { $0.pair("count", Int64(all.count)) })
    }
}
