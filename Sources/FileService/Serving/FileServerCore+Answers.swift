import DFSProtocol

// Answers: what each outcome says on the wire, key by key in the order of Protocol.md.
extension FileServerCore {
    /// Answers a job that is over, and keeps the session it used current.
    mutating func settle(
        _ job: PendingJob, _ result: Result<DiskOutcome, RequestError>, isTorn: Bool,
        _ generation: Int64?, _ now: MonotonicTime
    ) -> [FileAction] {
        if case .end(let key) = job.purpose { return ended(key, job.ticket, generation, now) }
        guard let ticket = job.ticket else { return [] }
        switch job.purpose {
        case .open(let order):
            return opened(job, ticket, order, result, isTorn: isTorn, generation, now)
        case .grant(let key): return granted(job, key, result, now)
        case .close(let key):
            // Who only read has changed nothing that anybody must be told of first.
            let writes = sessions[key]?.access.writes == true
            return closed(
                ticket, key, result, writes ? waits.newest(generation, of: job) : nil, now)
        case .follow: return looked(ticket.id, result, at: now)
        default: break
        }
        switch result {
        case .failure(let error): return refuse(ticket, error, job.work, now)
        case .success(let outcome):
            if case .session(let key) = job.purpose { follow(key, job, outcome) }
            if case .resume(let key) = job.purpose, case .facts(let facts) = outcome {
                return [resumed(key, facts, ticket)]
            }
            let change = waits(job.work) ? waits.newest(generation, of: job) : nil
            let actions = hold(answer(ticket, job.work, outcome), change, now)
            guard ticket.operation != nil else { return actions }
            return actions + conclude(ticket, job.work, outcome, change, now)
        }
    }

    private mutating func conclude(
        _ ticket: Ticket, _ work: DiskWork, _ outcome: DiskOutcome, _ generation: Int64?,
        _ now: MonotonicTime
    ) -> [FileAction] {
        switch (work, outcome) {
        case (.append, .wrote(let count, let size)):
            conclude(ticket, .wrote(count: count, size: size), generation, now)
        case (.store, .entry(let entry)):
            conclude(
                ticket, .stored(size: entry.facts.size, ver: entry.facts.ver), generation, now)
        default: forget(ticket, now)
        }
    }

    /// Whether the name server is to know of such work before its answer is sent.
    private func waits(_ work: DiskWork) -> Bool {
        switch work {
        case .open, .sync, .close, .store, .setAttributes, .setFileAttributes: true
        default: false
        }
    }

    /// Holds an answer back until its change is known to the name server, where that is possible.
    ///
    /// - Parameter opened: The session of an OPEN, which ends if the client takes the request back.
    mutating func hold(
        _ action: FileAction, _ generation: Int64?, _ now: MonotonicTime,
        opened: SessionKey? = nil
    ) -> [FileAction] {
        guard let generation, mustWait(generation), case .answer(let request, _, _) = action
        else { return [action] }
        let patience = configuration.reportPatienceMilliseconds
        waits.hold(
            action, of: request, opened: opened, for: generation,
            until: now.advanced(milliseconds: patience))
        return []
    }

    private mutating func follow(_ key: SessionKey, _ job: PendingJob, _ outcome: DiskOutcome) {
        switch (job.work, outcome) {
        case (.truncate(let file, let size), _): followers.noteCut(of: file.identity, to: size)
        case (.read(_, let offset, _, _), .read(let count, _)):
            move(key, job, to: offset, count)
        case (.read(_, let offset, _, _), .text(let text, _)):
            move(key, job, to: offset, text.count)
        case (_, .wrote(let count, _)): moved(key, count)
        default: break
        }
    }

    /// Moves the cursor; offset and count were added without overflow before the read began.
    private mutating func move(_ key: SessionKey, _ job: PendingJob, to offset: Int64, _ count: Int)
    {
        moved(key, count)
        guard case .cursor? = job.lane?.turn else { return }
        let (end, overflow) = offset.addingReportingOverflow(Int64(count))
        sessions.update(key) { $0.cursor = overflow ? .max : end }
    }

    private mutating func moved(_ key: SessionKey, _ count: Int) {
        sessions.update(key) {
            let (sum, overflow) = $0.bytesMoved.addingReportingOverflow(Int64(count))
            $0.bytesMoved = overflow ? .max : sum
        }
    }

    func answer(
        _ ticket: Ticket, closing ending: Result<FileFacts, RequestError>
    ) -> FileAction {
        switch ending {
        case .failure(let error): .refuse(ticket.id, error)
        case .success(let facts): stored(ticket, facts.size, facts.ver)
        }
    }

    /// Writes `OK size= ver=`, for whatever changed a file as a whole.
    func stored(_ ticket: Ticket, _ size: Int64, _ ver: Int64) -> FileAction {
        .answer(
            ticket.id, items: nil,
            final: line(ticket) {
                $0.pair("size", size)
                $0.pair("ver", ver)
            })
    }

    /// Writes `[tag] OK`, what `pairs` adds, and the end of the line.
    func line(_ ticket: Ticket, _ pairs: (inout LineWriter) -> Void) -> LineWriter {
        var line = LineWriter(capacity: 96)
        line.begin(tag: ticket.tag)
        line.append("OK")
        pairs(&line)
        line.end()
        return line
    }

    private func answer(_ ticket: Ticket, _ work: DiskWork, _ outcome: DiskOutcome) -> FileAction {
        switch outcome {
        case .read(let count, let reachedEnd):
            return withBytes(ticket, count) {
                $0.pair("bytes", Int64(count))
                $0.pair("eof", reachedEnd ? "yes" : "no")
            }
        case .fetched(_, let facts, let count, let reachedEnd):
            return withBytes(ticket, count) {
                $0.pair("size", facts.size)
                $0.pair("ver", facts.ver)
                if facts.fid > 0 { $0.pair("fid", facts.fid) }
                $0.pair("eof", reachedEnd ? "yes" : "no")
            }
        case .listing(let items, let count, let after):
            let final = line(ticket) {
                $0.pair("count", Int64(count))
                guard let after else { return }
                $0.append(" more=yes")
                $0.pair("after", after)
            }
            return .answer(ticket.id, items: items, final: final)
        default:
            let final = line(ticket) { pairs(ticket, work, outcome, into: &$0) }
            return .answer(ticket.id, items: nil, final: final)
        }
    }

    private func withBytes(
        _ ticket: Ticket, _ count: Int, _ pairs: (inout LineWriter) -> Void
    ) -> FileAction {
        var head = LineWriter(capacity: 64)
        head.begin(tag: ticket.tag)
        head.append("OK")
        pairs(&head)
        head.end(literal: count)
        return .answerWithBytes(ticket.id, head)
    }

    private func pairs(
        _ ticket: Ticket, _ work: DiskWork, _ outcome: DiskOutcome, into line: inout LineWriter
    ) {
        switch (work, outcome) {
        case (_, .text(let text, let reachedEnd)):
            line.pair("bytes", Int64(text.count))
            line.pair("eof", reachedEnd ? "yes" : "no")
            line.append(" data=")
            line.appendQuoted(text.span, always: true)
        case (.truncate, .wrote(_, let size)): line.pair("size", size)
        case (_, .wrote(let count, let size)):
            line.pair("bytes", Int64(count))
            line.pair("size", size)
        case (.sync, .facts(let facts)): line.pair("ver", facts.ver)
        case (.describe, .facts(let facts)): describe(facts, isDirectory: false, into: &line)
        case (.entry, .entry(let entry)):
            describe(entry.facts, isDirectory: entry.isDirectory, into: &line)
        case (.store, .entry(let entry)):
            line.pair("size", entry.facts.size)
            line.pair("ver", entry.facts.ver)
        case (_, .digest(let sha256, let facts)):
            line.pair("sha256", sha256)
            line.pair("size", facts.size)
            line.pair("ver", facts.ver)
            if facts.fid > 0 { line.pair("fid", facts.fid) }
        case (_, .census(let census, let freeBytes)):
            let uptime = ticket.receivedAt.milliseconds(since: configuration.startedAt)
            status(census, freeBytes, uptime, into: &line)
        default: break
        }
    }

    private func describe(_ facts: FileFacts, isDirectory: Bool, into line: inout LineWriter) {
        line.pair("type", isDirectory ? "dir" : "file")
        if !isDirectory { line.pair("size", facts.size) }
        line.pair("mtime", facts.mtime.text)
        if let mode = facts.mode { line.pair("mode", mode.text) }
        if !isDirectory {
            line.pair("ver", facts.ver)
            if facts.fid > 0 { line.pair("fid", facts.fid) }
            if facts.isUnverified { line.append(" unverified=yes") }
        }
        line.pair("server", configuration.id.bytes)
        line.append(" state=up")
    }

    private func status(
        _ census: StoreCensus, _ freeBytes: Int64?, _ uptime: Int64, into line: inout LineWriter
    ) {
        line.append(" role=file")
        line.pair("id", configuration.id.bytes)
        line.pair("epoch", configuration.epoch)
        line.pair("uptime", uptime)
        line.pair("files", census.files)
        line.pair("dirs", census.directories)
        line.pair("bytes", census.bytes)
        if let freeBytes { line.pair("free", freeBytes) }
        line.pair("handles", Int64(sessions.count))
        line.pair("jobs", Int64(jobs.count))
        line.pair("mounts", list: configuration.mounts.map(\.bytes))
        line.pair("link", link.state.rawValue)
        if let nameServer = link.nameServer { line.pair("name-server", nameServer.description) }
        line.pair("pending", link.pending)
        line.pair("skipped", census.skipped)
        line.pair("unreadable", census.unreadable)
        line.pair("unverified", census.unverified)
        line.pair("scanning", census.isScanning ? "yes" : "no")
    }
}
