import DFSProtocol

// Verbs that name a path and need no session.
extension FileServerCore {
    mutating func stat(_ request: Request, _ ticket: Ticket) throws(RequestError) -> [FileAction] {
        if request.operands[0].first == TreePath.slash {
            return enqueue(
                .entry(try request.path()), for: ticket, purpose: .glance(repeats: 0),
                at: ticket.receivedAt)
        }
        let (key, session) = try use(request, ticket)
        return enqueue(
            .describe(session.file), for: ticket, purpose: .session(key),
            in: (session.file.identity, .shared), at: ticket.receivedAt)
    }

    mutating func setAttributes(
        _ request: Request, _ ticket: Ticket
    ) throws(RequestError) -> [FileAction] {
        let mode = try request.mode()
        let mtime = try time(request)
        guard mode != nil || mtime != nil else {
            throw RequestError(.badArgument, "SETATTR changes mtime= or mode= or both")
        }
        if request.operands[0].first == TreePath.slash {
            return enqueue(
                .setAttributes(try request.path(), mode: mode, mtime: mtime), for: ticket,
                at: ticket.receivedAt)
        }
        let (key, session) = try change(request, ticket)
        return enqueue(
            alone: .setFileAttributes(session.file, mode: mode, mtime: mtime), on: session.file,
            for: ticket, purpose: .session(key), at: ticket.receivedAt)
    }

    /// Reads `mtime=`, where `now` is this server's clock.
    private func time(_ request: Request) throws(RequestError) -> WallTime? {
        guard let text = request.option("mtime") else { return nil }
        if text.elementsEqual("now".utf8) { return configuration.wallClock() }
        return try WallTime(text: text)
    }

    mutating func list(_ request: Request, _ ticket: Ticket) throws(RequestError) -> [FileAction] {
        enqueue(
            .list(
                try request.path(), after: request.option("after"),
                limit: try request.itemLimit(), tag: ticket.tag), for: ticket,
            at: ticket.receivedAt)
    }

    mutating func fetch(_ request: Request, _ ticket: Ticket) throws(RequestError) -> [FileAction] {
        enqueue(
            .fetch(
                try request.path(), try range(request), limit: configuration.limits.payloadBytes),
            for: ticket, purpose: .glance(repeats: 0), at: ticket.receivedAt)
    }

    mutating func digest(
        _ request: Request, _ ticket: Ticket
    ) throws(RequestError) -> [FileAction] {
        enqueue(
            .digest(try request.path(), try range(request)), for: ticket, at: ticket.receivedAt)
    }

    /// Reads `[offset count]`.
    private func range(_ request: Request) throws(RequestError) -> FileRange? {
        switch request.operands.count {
        case 1: nil
        case 3:
            try FileRange(offset: try request.number(at: 1), count: try request.number(at: 2))
        default:
            throw RequestError(
                .badArgument, "\(request.verb.rawValue) takes offset and count, or neither")
        }
    }

    mutating func store(_ request: Request, _ ticket: Ticket) throws(RequestError) -> [FileAction] {
        enqueue(
            .store(
                try request.path(), RequestData(request.content), mode: try request.mode(),
                mtime: try time(request), ifVersion: try request.number("if-ver")), for: ticket,
            at: ticket.receivedAt)
    }

    mutating func pull(_ request: Request, _ ticket: Ticket) throws(RequestError) -> [FileAction] {
        let target = try request.path()
        guard let text = request.option("source") else {
            throw RequestError(.badArgument, "PULL needs source=")
        }
        let source = try TreePath(text)
        guard link.state != .none else {
            throw RequestError(
                .unsupported,
                "PULL asks a name server where the source is, and this server has none")
        }
        let export = exports.number(of: target)
        guard pulls.values.count(where: { $0.export == export }) < configuration.copyLimit else {
            throw RequestError(
                .busy, "\(configuration.copyLimit) files are being copied; try again soon",
                fields: [.init("retry", number: 1000)])
        }
        pulls[ticket.id] = (ticket, export)
        return [.pull(ticket.id, target: target, source: source)]
    }

    /// Takes the outcome of a copy from another server.
    ///
    /// - Parameter generation: The newest change on the disk after the copy, nil where nothing
    ///   changed.
    public mutating func pulled(
        _ id: RequestID, _ result: Result<FileEntry, RequestError>, changed generation: Int64?,
        at now: MonotonicTime
    ) -> [FileAction] {
        guard let ticket = pulls.removeValue(forKey: id)?.ticket else { return [] }
        switch result {
        case .failure(let error):
            return [.refuse(id, error)] + conclude(ticket, error, .store, now)
        case .success(let entry):
            return hold(stored(ticket, entry.facts), generation, now)
                + conclude(ticket, .stored(entry.facts), generation, now)
        }
    }

    /// The file of which a job has told something beside its lane while it changed; nil for none.
    mutating func isTorn(
        _ number: UInt64, _ job: PendingJob, _ result: Result<DiskOutcome, RequestError>
    ) -> FileIdentity? {
        var file: FileIdentity?
        if case .success(let outcome) = result { file = outcome.seenFile }
        let hasChanged = job.looksByName ? glances.end(number, read: file) : false
        guard let file else { return nil }
        if hasChanged || job.looksByName && lanes.isChanging(file) { return file }
        // Inside a lane only a replaced file is a reason: the name led elsewhere than expected.
        guard case .glance = job.purpose, let lane = job.lane, lane.file != file else { return nil }
        return file
    }

    /// Repeats a FETCH or STAT in its file's lane where a change ran while it looked.
    mutating func glanceAgain(
        _ job: PendingJob, _ repeats: Int, at file: FileIdentity, _ now: MonotonicTime
    ) -> [FileAction] {
        guard let ticket = job.ticket, !job.isCancelled else { return [] }
        guard repeats < 4 else {
            let error = RequestError(
                .busy, "the file keeps being replaced; try again",
                fields: [.init("retry", number: 100)])
            return [.refuse(ticket.id, error)]
        }
        return enqueue(
            job.work, for: ticket, purpose: .glance(repeats: repeats + 1), in: (file, .shared),
            at: now)
    }
}

extension Request {
    /// Reads `limit=`, how many items a page has at most.
    func itemLimit() throws(RequestError) -> Int {
        let limit = try number("limit") ?? Int64(Limits.listItems)
        guard (1...Int64(Limits.listItems)).contains(limit) else {
            throw RequestError(
                .badArgument, "limit is 1 to \(Limits.listItems)",
                fields: [.init("argument", [UInt8]("limit".utf8))])
        }
        return Int(limit)
    }
}

extension DiskOutcome {
    /// The file that was found by its name.
    fileprivate var seenFile: FileIdentity? {
        switch self {
        case .opened(let file, _): file.identity
        case .fetched(let identity, _, _, _): identity
        case .entry(let entry): entry.identity
        default: nil
        }
    }
}
