import DFSProtocol

/// A request that waits for its answer.
struct Ticket: Sendable {
    let id: RequestID
    let tag: Tag?
    let receivedAt: MonotonicTime
    /// What `op=` said, where this request is the one that carries the change out.
    var operation: OperationID?
}

/// A job that was not answered by the disk yet.
struct PendingJob: Sendable {
    /// What is to be done with the outcome beyond answering.
    enum Purpose: Sendable {
        case answer
        case open(OpenOrder)
        /// Nothing keeps an OPEN any more that waited; the file is looked at again.
        case grant(SessionKey)
        /// The request used a session; a read without offset moves its cursor.
        case session(SessionKey)
        /// A session has come to the request's connection.
        case resume(SessionKey)
        case close(SessionKey)
        /// A session that nobody closed is put away; where there is a request, it is KILL.
        case end(SessionKey)
        /// FETCH or STAT of a name; how often it was begun before.
        case glance(repeats: Int)
        /// A FOLLOW looks at its file.
        case follow
        /// A file was opened and became no session.
        case abandoned
    }

    let ticket: Ticket?
    let purpose: Purpose
    /// For which export it is.
    let export: Int
    var work: DiskWork
    var lane: (file: FileIdentity, turn: FileLanes.Turn)?
    var isRunning = false
    /// Whether the client took the request back while it ran.
    var isCancelled = false

    /// The session that the job keeps from expiring while it runs.
    var session: SessionKey? {
        switch purpose {
        case .session(let key), .resume(let key): key
        default: nil
        }
    }

    /// Whether the job finds its file by name, so that it can not stand in the file's lane yet.
    var looksByName: Bool {
        guard lane == nil else { return false }
        switch purpose {
        case .glance, .open: return true
        default: return false
        }
    }

    /// Whether the job is done once it was asked for, whatever becomes of its request.
    var isEnding: Bool {
        switch purpose {
        case .close, .end, .abandoned: true
        default: false
        }
    }
}

// Jobs: how they begin and end.
extension FileServerCore {
    /// Makes a job and starts it as soon as its lane allows.
    mutating func enqueue(
        _ work: DiskWork, for ticket: Ticket?, purpose: PendingJob.Purpose = .answer,
        in lane: (file: FileIdentity, turn: FileLanes.Turn)? = nil, at now: MonotonicTime
    ) -> [FileAction] {
        lastJob += 1
        jobs[lastJob] = PendingJob(
            ticket: ticket, purpose: purpose, export: exports.number(of: work.path), work: work,
            lane: lane)
        guard let lane else { return start([lastJob], at: now) }
        return start(lanes.enter(lastJob, lane.file, lane.turn), at: now)
    }

    /// Makes a job that needs its file for itself.
    mutating func enqueue(
        alone work: DiskWork, on file: any OpenFile, for ticket: Ticket?,
        purpose: PendingJob.Purpose, at now: MonotonicTime
    ) -> [FileAction] {
        enqueue(work, for: ticket, purpose: purpose, in: (file.identity, .alone), at: now)
    }

    /// Turns jobs that may run into actions, and refuses those whose session has gone meanwhile.
    private mutating func start(_ numbers: [UInt64], at now: MonotonicTime) -> [FileAction] {
        var actions: [FileAction] = []
        var ready = numbers[...]
        while let number = ready.popFirst() {
            guard let job = jobs[number] else { continue }
            if let error = refusal(of: job, at: now) {
                jobs[number] = nil
                actions += settle(job, .failure(error), isTorn: false, nil, now)
                if let lane = job.lane { ready += lanes.leave(number, lane.file) }
            } else {
                actions.append(run(number, job))
            }
        }
        return actions
    }

    private mutating func run(_ number: UInt64, _ waiting: PendingJob) -> FileAction {
        var job = waiting
        job.isRunning = true
        if case .cursor(let key)? = job.lane?.turn,
            case .read(let file, _, let count, let asText) = job.work
        {
            let cursor = sessions[key]?.cursor ?? 0
            job.work = .read(file, at: cursor, count: count, asText: asText)
        }
        if let lane = job.lane, lane.turn == .alone { glances.touch(lane.file) }
        if job.looksByName { glances.begin(number) }
        if let key = job.session { sessions.began(key) }
        jobs[number] = job
        return .run(DiskJob(number: number, request: job.ticket?.id, work: job.work))
    }

    /// Why a job must not run, although it was right when it was asked for.
    ///
    /// This is the last look before the disk: the data was there, but the session was taken over,
    /// was killed, ran out or lost its connection while the job waited for its turn.
    private func refusal(of job: PendingJob, at now: MonotonicTime) -> RequestError? {
        guard let key = job.session, let connection = job.ticket?.id.connection else { return nil }
        guard let session = sessions[key], session.attachment == connection,
            session.phase == .open || session.phase == .closing
        else { return sessions.refusal(of: key, key.shown(on: connection), at: now) }
        return session.phase == .open && session.isDue(at: now)
            ? SessionTable.leaseExpired(key.shown(on: connection)) : nil
    }

    /// Takes the outcome of a job.
    ///
    /// - Parameter generation: The newest change on the disk if the job made one, else nil.
    public mutating func finished(
        _ number: UInt64, _ result: Result<DiskOutcome, RequestError>, changed generation: Int64?,
        at now: MonotonicTime
    ) -> [FileAction] {
        guard let job = jobs.removeValue(forKey: number) else { return [] }
        var actions: [FileAction] = []
        if let generation, let lane = job.lane {
            if mustWait(generation) {
                waits.note(generation, of: lane.file)
            } else {
                waits.noteUntold(generation)
            }
        }
        let isTorn = isTorn(number, job, result)
        if case .glance(let repeats) = job.purpose, let isTorn {
            actions += glanceAgain(job, repeats, at: isTorn, now)
        } else {
            actions += settle(job, result, isTorn: isTorn != nil, generation, now)
        }
        if let key = job.session, sessions.ended(key, at: now) {
            actions += end(key, as: .expired, at: now)
        }
        if let lane = job.lane {
            if lane.turn == .alone { glances.touch(lane.file) }
            actions += start(lanes.leave(number, lane.file), at: now)
        }
        if case .grant(let key) = job.purpose { actions += looked(key, now) }
        if job.ticket == nil {
            if let next = leaving[job.export].popFirst() {
                actions += putAway(next, for: nil, at: now)
            }
        }
        return actions
    }

    /// Drops a request that still waits for its turn; one that runs is left to end by itself.
    ///
    /// The session of an OPEN that runs is closed as soon as it is there: nobody knows its handle.
    public mutating func cancelled(_ id: RequestID, at now: MonotonicTime) -> [FileAction] {
        operations.dropWaiting { $0 == id }
        closings = closings.mapValues { $0.filter { $0.id != id } }
        var actions = followers.remove(id) ? look(at: now) : []
        let own = jobs.all { $0.ticket?.id == id && !$0.isEnding }
        for (number, job) in own {
            jobs[number]?.isCancelled = true
            if job.isRunning { continue }
            jobs[number] = nil
            actions += dropped(job, now)
            if let lane = job.lane { actions += start(lanes.leave(number, lane.file), at: now) }
        }
        if let key = waits.drop(id) { actions += end(key, as: .lost, at: now) }
        for key in openings.all(of: id.connection) where openings[key]?.ticket.id == id {
            actions += abandon(key, at: now)
        }
        return actions
    }

    /// Takes back what a job stood for that its client took back before its turn.
    private mutating func dropped(_ job: PendingJob, _ now: MonotonicTime) -> [FileAction] {
        switch job.purpose {
        case .grant(let key):
            // Its OPEN has opened a file already, and may have made it: `abandon` tells of that.
            return looked(key, now)
        case .follow: return job.ticket.map { looked($0.id, at: now) } ?? []
        default: return job.ticket.map { forget($0, now) } ?? []
        }
    }
}
