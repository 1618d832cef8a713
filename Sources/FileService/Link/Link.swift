import DFSProtocol

/// Keeps a file server registered with a name server: events in, actions out.
///
/// The change history of the store is the queue of reports: the link holds a generation and no
/// report, so an outage of any length costs no memory. Where history is too short, an inventory
/// follows.
public struct Link: Sendable {
    /// What does not change while the server runs.
    public struct Configuration: Sendable {
        /// The name under which the server registers.
        public var id: ServerID
        /// Where its exports stand in the tree.
        public var mounts: [TreePath]
        /// Where clients reach this server.
        public var address: Endpoint
        /// Rises at each start of the server.
        public var epoch: Int64
        /// Tried in this order, again and again.
        public var nameServers: [Endpoint]
        /// Chance for jitter; injected so that a test repeats.
        public var seed: UInt64

        /// Joins the parts.
        public init(
            id: ServerID, mounts: [TreePath], address: Endpoint, epoch: Int64,
            nameServers: [Endpoint], seed: UInt64
        ) {
            self.id = id
            self.mounts = mounts
            self.address = address
            self.epoch = epoch
            self.nameServers = nameServers
            self.seed = seed
        }
    }

    enum Phase: Equatable, Sendable {
        case idle
        case waiting
        case connecting
        case registering
        case registered
        case leaving
        /// There is nothing to serve, and goodbye was said for as long.
        case away
        case stopped
    }

    /// An inventory that is being told.
    struct Inventory: Equatable, Sendable {
        /// Changes after this generation follow the inventory; known with its first batch.
        var baseline: Int64?
        var after: TreePath?
    }

    /// The numbers of the newest orders that came.
    struct RecentOrders: Sendable {
        private static let most = 1024
        private var numbers: [Int64] = []

        /// Notes an order; false where it came before.
        mutating func isNew(_ number: Int64) -> Bool {
            if numbers.contains(number) { return false }
            if numbers.count == RecentOrders.most { numbers.removeFirst(RecentOrders.most / 2) }
            numbers.append(number)
            return true
        }
    }

    struct FinishedOrder: Sendable {
        let number: Int64
        let error: ErrorCode?
        let generation: Int64
    }

    let configuration: Configuration
    var phase = Phase.idle
    /// Counts connections; what belongs to an earlier one is ignored.
    var session: UInt64 = 0
    var serverIndex = 0
    var backoff: Backoff
    var backoffEnds: MonotonicTime?
    /// The newest change that the store counted.
    var newest: Int64
    /// Up to where the name server knows; nil until it said so.
    var acknowledged: Int64? {
        didSet { told = acknowledged ?? told }
    }
    /// The same over all connections; before the first, the generation of the start.
    var told: Int64
    var inventory: Inventory?
    var finishedOrders: [FinishedOrder] = []
    /// The newest orders of this connection; one that is given again is not done again.
    var orders = RecentOrders()
    /// Whether a batch of reports is being loaded; the first one waits for the first scan.
    var isLoading = false
    /// Whether DONE has passed what is being loaded, which may be older than what it tells.
    var isOutdated = false
    /// Whether what is being loaded was passed by a DONE once, and is to be passed no more.
    var isLoadedAnew = false
    /// Whether a REPORT is on its way; the next one, or DONE, waits for it.
    var isReporting = false
    /// Whether DONE is on its way; the next one, or load, waits for it.
    var isTelling = false
    /// Whether the name server asked for a pause before the next REPORT.
    var pauseEnds: MonotonicTime?
    var beatsAt: MonotonicTime?
    var isBeating = false
    var beatNumber: Int64 = 0
    var paceMilliseconds: Int64 = 1_000
    var downMilliseconds: Int64 = 3_500
    var wasRegistered = false
    var wasCaughtUp = false
    var isStopping = false
    /// Whether there is nothing to serve for the moment.
    var isAway = false
    var stopEnds: MonotonicTime?

    /// Starts unconnected.
    ///
    /// - Parameter generation: The newest change that the store counted before.
    public init(_ configuration: Configuration, generation: Int64) {
        self.configuration = configuration
        backoff = Backoff(seed: configuration.seed)
        newest = generation
        told = generation
    }

    /// When `timePassed` is due; nil where nothing waits for time.
    public var deadline: MonotonicTime? {
        [backoffEnds, pauseEnds, isBeating ? nil : beatsAt, stopEnds].compactMap(\.self).min()
    }

    /// What STATUS tells of the link.
    public var summary: LinkSummary {
        let state: LinkSummary.State
        switch phase {
        case .registered where wasCaughtUp && inventory == nil: state = .registered
        case .registered: state = .reporting
        default: state = .connecting
        }
        return LinkSummary(
            state: state, nameServer: configuration.nameServers[serverIndex],
            pending: max(0, newest - told))
    }

    /// Takes one event; the actions are carried out in their order.
    public mutating func receive(_ event: LinkEvent, at now: MonotonicTime) -> [LinkAction] {
        switch event {
        case .started: return phase == .idle ? connect() : []
        case .connected(let number):
            guard number == session, phase == .connecting else { return [] }
            phase = .registering
            return [send(.hello)]
        case .lost(let number, let reason):
            guard number == session, isConnected else { return [] }
            return lose(reason, now)
        case .replied(let number, let request, let result):
            guard number == session, isConnected else { return [] }
            return replied(request, result, now)
        case .notice(let number, let line):
            // The name server orders as soon as it has taken REGISTER; its answer may come to us
            // after the order.
            guard number == session, [.registering, .registered, .leaving].contains(phase) else {
                return []
            }
            return noticed(line, now)
        case .changed(let generation):
            newest = max(newest, generation)
            return pump(at: now)
        case .loaded(let number, let result):
            guard number == session, phase == .registered else { return [] }
            return loaded(result, now)
        case .ordered(let connection, let number, let error, let generation):
            // The name server gave up on orders of a connection that it lost.
            if connection == session { finish(number, error?.code, generation) }
            return pump(at: now)
        case .away(let isAway): return isAway ? goAway(now) : comeBack()
        case .timePassed: return timePassed(now)
        case .stopping: return stop(now)
        }
    }

    var isConnected: Bool {
        switch phase {
        case .connecting, .registering, .registered, .leaving: true
        case .idle, .waiting, .away, .stopped: false
        }
    }

    func send(_ request: LinkRequest) -> LinkAction {
        // A REPORT waits for a commit; the heartbeats beside it notice a name server that is gone.
        let timeout =
            switch request {
            case .report, .done: max(10_000, downMilliseconds)
            default: max(1_000, downMilliseconds)
            }
        return .send(request, session: session, timeoutMilliseconds: timeout)
    }

    mutating func connect() -> [LinkAction] {
        session += 1
        phase = .connecting
        backoffEnds = nil
        return [.connect(configuration.nameServers[serverIndex], session: session)]
    }
}
