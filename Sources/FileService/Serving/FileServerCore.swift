import DFSProtocol

/// Decides what a file server answers and what it asks of its disk; does neither itself.
///
/// Requests enter complete, with their payload held by the host. Disk work leaves as jobs, ordered
/// in a lane for each file, and comes back through `finished`. Time is an argument.
public struct FileServerCore: Sendable {
    /// What does not change while the server runs.
    public struct Configuration: Sendable {
        /// What STATUS and STAT call this server.
        public var id: ServerID
        /// Rises at each start.
        public var epoch: Int64
        /// Where the exports stand in the tree.
        public var mounts: [TreePath]
        /// What requests and answers may hold.
        public var limits = Limits()
        /// Jobs that wait or run, each with one payload at most; above it requests are told `busy`.
        public var jobLimit = 1024
        /// Copies from other servers at once; each holds a payload and a connection.
        public var copyLimit = 16
        /// How long an answer waits for the name server to know of the change.
        public var reportPatienceMilliseconds: Int64 = 1000
        /// What `uptime=` counts from.
        public var startedAt: MonotonicTime
        /// The server's clock, for `mtime=now`.
        public var wallClock: @Sendable () -> WallTime

        /// Takes what identifies the server; the bounds keep their defaults.
        public init(
            id: ServerID, epoch: Int64, mounts: [TreePath], startedAt: MonotonicTime,
            wallClock: @escaping @Sendable () -> WallTime
        ) {
            self.id = id
            self.epoch = epoch
            self.mounts = mounts
            self.startedAt = startedAt
            self.wallClock = wallClock
        }
    }

    let configuration: Configuration
    var sessions: SessionTable
    var lanes = FileLanes()
    var fetches = FetchWindow()
    var jobs: [UInt64: PendingJob] = [:]
    var waits = ReportWaits()
    /// Copies that the host makes from other servers.
    var pulls: [RequestID: Ticket] = [:]
    /// Requests that send what is added to their files.
    var followers: FollowTable
    private var lastJob: UInt64 = 0
    /// How the link to the name server stands; the host keeps it current.
    public var link = LinkSummary(state: .none)

    /// Starts without sessions.
    public init(_ configuration: Configuration) {
        self.configuration = configuration
        sessions = SessionTable(limit: configuration.limits.handlesPerConnection)
        followers = FollowTable(limit: configuration.limits.taggedRequests)
    }

    /// When `timePassed` wants to be called next; nil where nothing waits for time.
    public var deadline: MonotonicTime? { waits.deadline }
    /// Whether no job runs or waits, and no answer is held back.
    public var isIdle: Bool { jobs.isEmpty && waits.isEmpty && pulls.isEmpty }
    /// Jobs and sessions at this moment: the load that heartbeats tell.
    public var load: Int64 { Int64(jobs.count + sessions.count) }

    /// Takes one request; each is answered by exactly one action, now or later.
    public mutating func receive(
        _ request: Request, from caller: Caller, at now: MonotonicTime
    ) -> [FileAction] {
        do throws(RequestError) {
            return try decide(request, caller, now)
        } catch {
            return [.refuse(caller.id, error)]
        }
    }

    private mutating func decide(
        _ request: Request, _ caller: Caller, _ now: MonotonicTime
    ) throws(RequestError) -> [FileAction] {
        let ticket = Ticket(id: caller.id, tag: request.tag, receivedAt: now)
        switch request.verb {
        case .handles: return [handles(ticket, now)]
        case .close: return try close(request, ticket)
        default: break
        }
        guard jobs.count < configuration.jobLimit else {
            throw RequestError(
                .busy, "too much work is waiting for the disk; try again soon",
                fields: [.init("retry", number: 100)])
        }
        switch request.verb {
        case .open: return try open(request, caller, ticket)
        case .read: return try read(request, ticket)
        case .write: return try write(request, ticket)
        case .append: return try append(request, ticket)
        case .follow: return try beginFollowing(request, ticket)
        case .truncate: return try truncate(request, ticket)
        case .sync: return try sync(request, ticket)
        case .stat: return try stat(request, ticket)
        case .setAttributes: return try setAttributes(request, ticket)
        case .list: return try list(request, ticket)
        case .fetch: return try fetch(request, ticket)
        case .store: return try store(request, ticket)
        case .digest: return try digest(request, ticket)
        case .pull: return try pull(request, ticket)
        case .status: return enqueue(.status, for: ticket)
        default:
            throw RequestError(
                .unknownVerb, "HELP lists the verbs",
                fields: [.init("verb", [UInt8](request.verb.rawValue.utf8))])
        }
    }
}

/// A request that waits for its answer.
struct Ticket: Sendable {
    let id: RequestID
    let tag: Tag?
    let receivedAt: MonotonicTime
}

/// A job that was not answered by the disk yet.
struct PendingJob: Sendable {
    /// What is to be done with the outcome beyond answering.
    enum Purpose: Sendable {
        case answer
        case open(path: TreePath, access: FileAccess, client: [UInt8])
        /// The request used a session; a read without offset moves its cursor.
        case session(SessionKey)
        case close(SessionKey)
        /// How often the FETCH was begun before.
        case fetch(repeats: Int)
        /// A FOLLOW looks at its file.
        case follow
        /// The connection is gone; what it held is put away.
        case abandoned
    }

    let ticket: Ticket?
    let purpose: Purpose
    var work: DiskWork
    var lane: (file: FileIdentity, turn: FileLanes.Turn)?
    var isRunning = false
    /// Whether the client took the request back while it ran.
    var isCancelled = false
}

// Jobs: how they begin and end.
extension FileServerCore {
    /// Makes a job and starts it as soon as its lane allows.
    mutating func enqueue(
        _ work: DiskWork, for ticket: Ticket?, purpose: PendingJob.Purpose = .answer,
        in lane: (file: FileIdentity, turn: FileLanes.Turn)? = nil
    ) -> [FileAction] {
        lastJob += 1
        jobs[lastJob] = PendingJob(ticket: ticket, purpose: purpose, work: work, lane: lane)
        guard let lane else { return start([lastJob]) }
        return start(lanes.enter(lastJob, lane.file, lane.turn))
    }

    /// Turns jobs that may run into actions.
    private mutating func start(_ numbers: [UInt64]) -> [FileAction] {
        var actions: [FileAction] = []
        for number in numbers {
            guard var job = jobs[number] else { continue }
            job.isRunning = true
            if case .cursor(let key)? = job.lane?.turn,
                case .read(let file, _, let count, let asText) = job.work
            {
                let cursor = sessions[key]?.cursor ?? 0
                job.work = .read(file, at: cursor, count: count, asText: asText)
            }
            if let lane = job.lane, lane.turn == .alone { fetches.touch(lane.file) }
            if case .fetch = job.purpose, job.lane == nil { fetches.begin(number) }
            jobs[number] = job
            actions.append(
                .run(DiskJob(number: number, request: job.ticket?.id, work: job.work)))
        }
        return actions
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
        if case .fetch(let repeats) = job.purpose,
            let again = fetchAgain(number, job, repeats, result)
        {
            actions += again
        } else {
            actions += settle(job, result, generation, now)
        }
        if let lane = job.lane {
            if lane.turn == .alone { fetches.touch(lane.file) }
            actions += start(lanes.leave(number, lane.file))
        }
        return actions
    }

    /// Ends what a connection held: its sessions are closed, and each that wrote is counted once.
    public mutating func connectionClosed(_ connection: ConnectionID) -> [FileAction] {
        followers.remove(connection)
        var actions: [FileAction] = []
        for session in sessions.remove(connection) {
            actions += enqueue(
                .close(session.file), for: nil, purpose: .abandoned,
                in: (session.file.identity, .alone))
        }
        return actions
    }

    /// Drops a request that still waits for its lane; one that runs is left to end by itself.
    ///
    /// The session of an OPEN that runs is closed as soon as it is there: nobody knows its handle.
    public mutating func cancelled(_ id: RequestID) -> [FileAction] {
        let own = jobs.filter { $0.value.ticket?.id == id }
        var actions: [FileAction] = []
        if followers.remove(id) { actions += look() }
        for (number, job) in own.sorted(by: { $0.key < $1.key }) {
            if case .close = job.purpose { continue }
            jobs[number]?.isCancelled = true
            if job.isRunning { continue }
            jobs[number] = nil
            if let lane = job.lane { actions += start(lanes.leave(number, lane.file)) }
        }
        return actions
    }
}

// Reports: answers that the name server's knowledge holds back.
extension FileServerCore {
    /// The name server has acknowledged every change up to a generation.
    public mutating func acknowledged(_ generation: Int64) -> [FileAction] {
        waits.acknowledge(generation)
    }

    /// No name server can be told now: nothing waits for one.
    public mutating func linkLost() -> [FileAction] { waits.releaseAll() }

    /// Lets go of answers that have waited long enough.
    public mutating func timePassed(at now: MonotonicTime) -> [FileAction] {
        waits.expire(at: now)
    }

    /// Sends an answer as soon as the change it tells of is known to the name server.
    func mustWait(_ generation: Int64?) -> Bool {
        guard let generation, generation > waits.acknowledged else { return false }
        return link.state == .registered || link.state == .reporting
    }
}
