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
        /// Jobs for one export that wait or run, each with one payload at most.
        ///
        /// Above it requests for the export are told `busy`.
        public var jobLimit = 1024
        /// Sessions of one export that are put away at once after connections or leases have ended.
        ///
        /// Thousands can end in one moment, and requests should not stand behind all of them.
        public var endLimit = 32
        /// OPENs of one file that look at it once more at a time after its lock was granted.
        public var grantLimit = 32
        /// Copies from other servers to one export at once; each holds a payload and a connection.
        public var copyLimit = 16
        /// How long an answer waits for the name server to know of the change.
        public var reportPatienceMilliseconds: Int64 = 1000
        /// Whether work on one file has an order; off only where a test shows that it would notice.
        @_spi(Testing) public var ordersWork = true
        /// What `uptime=` counts from.
        public var startedAt: MonotonicTime
        /// The server's clock, for `mtime=now`.
        public var wallClock: @Sendable () -> WallTime
        /// Makes the token of a session that outlives its connection; nobody can foresee it.
        public var newToken: @Sendable () -> SessionToken

        /// Takes what identifies the server; the bounds keep their defaults.
        public init(
            id: ServerID, epoch: Int64, mounts: [TreePath], startedAt: MonotonicTime,
            wallClock: @escaping @Sendable () -> WallTime,
            newToken: @escaping @Sendable () -> SessionToken
        ) {
            self.id = id
            self.epoch = epoch
            self.mounts = mounts
            self.startedAt = startedAt
            self.wallClock = wallClock
            self.newToken = newToken
        }
    }

    let configuration: Configuration
    var sessions: SessionTable
    var locks = LockTable()
    /// OPENs that wait for a lock, or have just got it, by the sessions that they will be.
    var openings = LockedOpenings()
    /// Those whose lock was granted after they had waited for it.
    var grants = GrantedLooks()
    /// When they give up.
    var patience = DeadlineHeap<SessionKey>()
    /// Repeated CLOSEs and KILLs that wait for the first one.
    var closings: [SessionKey: [Ticket]] = [:]
    var operations: OperationMemory
    /// Repeated OPENs that wait until a session of the first one has given its lock back.
    var successions: [SessionKey: [OperationID]] = [:]
    var lanes: FileLanes
    var glances = GlanceWindow()
    let exports: ExportNumbers
    var jobs: JobTable
    /// For each export, sessions that have ended and wait until fewer others are being put away.
    var leaving: [ArraySlice<SessionKey>]
    var waits = ReportWaits()
    /// Copies that the host makes from other servers.
    var pulls: [RequestID: (ticket: Ticket, export: Int)] = [:]
    /// Requests that send what is added to their files.
    var followers: FollowTable
    var watchStarts: WatchStarts
    var lastJob: UInt64 = 0
    /// Whether the server is stopping: what waits for something is refused.
    var isDraining = false
    /// How the link to the name server stands; the host keeps it current.
    public var link = LinkSummary(state: .none)

    /// Starts without sessions.
    public init(_ configuration: Configuration) {
        self.configuration = configuration
        exports = ExportNumbers(configuration.mounts)
        jobs = JobTable(exports: exports.count)
        leaving = Array(repeating: [], count: exports.count)
        watchStarts = WatchStarts(exports: exports.count)
        sessions = SessionTable(limits: configuration.limits, epoch: configuration.epoch)
        operations = OperationMemory(limits: configuration.limits)
        lanes = FileLanes(isOrdered: configuration.ordersWork)
        followers = FollowTable(
            exports: exports.count, limit: configuration.limits.taggedRequests)
    }

    /// When `timePassed` wants to be called next; nil where nothing waits for time.
    public var deadline: MonotonicTime? {
        func earlier(_ left: MonotonicTime?, _ right: MonotonicTime?) -> MonotonicTime? {
            guard let left, let right else { return left ?? right }
            return min(left, right)
        }
        return earlier(
            earlier(waits.deadline, operations.deadline), earlier(sessions.deadline, patience.first)
        )
    }
    /// Whether no job runs or waits, and no answer is held back.
    public var isIdle: Bool {
        jobs.isEmpty && waits.isEmpty && pulls.isEmpty && openings.isEmpty
    }
    /// Jobs and sessions at this moment: the load that heartbeats tell.
    public var load: Int64 { Int64(jobs.count + sessions.count) }

    /// Takes one request, which is answered by one action, now or later.
    ///
    /// One that is cancelled has been answered by the host; FOLLOW has any number of items before.
    public mutating func receive(
        _ request: Request, from caller: Caller, at now: MonotonicTime
    ) -> [FileAction] {
        // What has run out by now is over, even if nobody has called `timePassed` for it yet.
        let overdue = expire(at: now)
        sessions.renew(request, on: caller.id.connection, at: now)
        let actions = admit(request, caller, now)
        return overdue.isEmpty ? actions : overdue + actions
    }

    /// Takes a request, of which an earlier attempt may be known by its `op=`.
    mutating func admit(
        _ request: Request, _ caller: Caller, _ now: MonotonicTime
    ) -> [FileAction] {
        var ticket = Ticket(id: caller.id, tag: request.tag, receivedAt: now)
        do throws(RequestError) {
            guard let operation = try request.operation() else {
                return try decide(request, caller, ticket)
            }
            let export = export(of: request, from: caller)
            try checkRoom(for: export)
            let attempt = OperationMemory.Attempt(
                request: request, caller: caller, receivedAt: now, export: export)
            let print = RequestPrint(attempt, sessions)
            switch try operations.claim(operation, attempt, print) {
            case .waits: return []
            case .known(let outcome, let generation):
                return try repeated(operation, outcome, generation, attempt)
            case .new: ticket.operation = operation
            }
            return try decide(request, caller, ticket)
        } catch {
            return [.refuse(caller.id, error)] + forget(ticket, now)
        }
    }

    /// For which export a request is, as far as its first operand tells.
    private func export(of request: Request, from caller: Caller) -> Int {
        guard exports.count > 1, let name = request.operands.first else {
            return exports.number(of: nil)
        }
        if let key = SessionKey(name, on: caller.id.connection), let session = sessions[key] {
            return exports.number(of: session.file.path)
        }
        // What is neither a handle nor a path is refused before any disk is asked.
        return exports.number(of: try? TreePath(name))
    }

    private func checkRoom(for export: Int) throws(RequestError) {
        let waiting =
            jobs.asked(of: export) + watchStarts.count(for: export)
            + operations.waitingCount(of: export)
        guard waiting < configuration.jobLimit else {
            throw RequestError(
                .busy, "too much work is waiting for the disk; try again soon",
                fields: [.init("retry", number: 100)])
        }
    }

    private mutating func decide(
        _ request: Request, _ caller: Caller, _ ticket: Ticket
    ) throws(RequestError) -> [FileAction] {
        switch request.verb {
        case .handles: return [try handles(request, ticket)]
        case .close: return try close(request, ticket)
        case .renew: return try renew(request, ticket)
        case .kill: return try kill(request, ticket)
        default: break
        }
        try checkRoom(for: export(of: request, from: caller))
        switch request.verb {
        case .open: return try open(request, caller, ticket)
        case .resume: return try resume(request, caller, ticket)
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
        case .status: return enqueue(.status, for: ticket, at: ticket.receivedAt)
        default:
            throw RequestError(
                .unknownVerb, "HELP lists the verbs",
                fields: [.init("verb", [UInt8](request.verb.rawValue.utf8))])
        }
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

    /// Lets go of answers that have waited long enough, and ends what has run out.
    public mutating func timePassed(at now: MonotonicTime) -> [FileAction] {
        operations.timePassed(at: now)
        return waits.expire(at: now) + expire(at: now)
    }

    /// Sends an answer as soon as the change it tells of is known to the name server.
    func mustWait(_ generation: Int64?) -> Bool {
        guard let generation, generation > waits.acknowledged else { return false }
        return link.state == .registered || link.state == .reporting
    }
}
