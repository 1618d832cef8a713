import DFSProtocol
import DFSTransport
import FileService
import NIOCore

/// Serves clients: carries requests to the core and the core's actions to disk and sockets.
///
/// Lives on the server's one loop; nothing here blocks.
final class FileDesk: RequestResponder {
    /// A request that the core has not answered.
    struct Pending {
        let exchange: Exchange
        /// Nil once its job has run.
        var payload: ByteBuffer?
        /// What the latest job read for it.
        var bytes = ByteBuffer()
        /// Ends work that reads a whole file, once nobody waits for what it finds.
        var interest: Interest?
        /// Tells a FOLLOW of changes as long as its request goes on.
        var watch: (any FileWatch)?
    }

    let eventLoop: any EventLoop
    let pool: StoragePool
    let log: @Sendable (String) -> Void
    private let identity: LineWriter
    var core: FileServerCore
    var pending: [RequestID: Pending] = [:]
    /// Copies from other servers that are under way.
    private var copies: [RequestID: Task<Void, Never>] = [:]
    private var isStopping = false
    /// What the core has decided and is not carried out yet, in its order.
    private var decided = CircularBuffer<FileAction>()
    private var isPerforming = false
    /// The connections that hold a session; silence does not close them.
    private var holders: [ConnectionID: ServerConnection] = [:]
    private var wakeUp: Scheduled<Void>?
    private var wakesAt: MonotonicTime?
    private var whenIdle: EventLoopPromise<Void>?
    /// The way to the name server; nil with `--standalone`.
    var tether: LinkTether?

    let role = Role.file

    init(
        _ configuration: FileServerCore.Configuration, pool: StoragePool, on loop: any EventLoop,
        log: @escaping @Sendable (String) -> Void
    ) {
        eventLoop = loop
        self.pool = pool
        self.log = log
        core = FileServerCore(configuration)
        var line = LineWriter()
        line.pair("id", configuration.id.bytes)
        line.pair("epoch", configuration.epoch)
        identity = line
    }

    func writeGreeting(into line: inout LineWriter) { line.append(raw: identity.bytes) }

    /// Nothing here can be answered without the disk.
    func answerInPlace(
        _ bytes: Span<UInt8>, lineBytes: Int, into replies: inout LineWriter
    ) -> Int { 0 }

    func receive(_ request: Request, payload: ByteBuffer?, _ exchange: Exchange) {
        pending[exchange.id] = Pending(exchange: exchange, payload: payload)
        let connection = exchange.connection
        let client = ClientName(
            address: [UInt8]((connection.peer?.description ?? "unknown").utf8),
            name: connection.clientName)
        // Only what may be repeated is compared, where it is; a repeat is as rare as a lost answer.
        let isRepeatable = request.option("op") != nil
        let caller = Caller(
            id: exchange.id, client: client,
            payloadPrint: isRepeatable ? payload?.withUnsafeReadableBytes(DataPrint.of) ?? 0 : 0)
        perform(core.receive(request, from: caller, at: .now))
    }

    /// A connection costs nothing here before its first request.
    func connectionOpened(_ connection: ServerConnection) {}

    func connectionClosed(_ connection: ServerConnection) {
        // A job that runs still reads its payload by its own reference.
        for id in pending.keys where id.connection == connection.id { giveUp(id) }
        holders[connection.id] = nil
        perform(core.connectionClosed(connection.id, at: .now))
    }

    func cancelled(_ exchange: Exchange) {
        giveUp(exchange.id)
        perform(core.cancelled(exchange.id, at: .now))
    }

    /// How busy the server is, for heartbeats.
    var load: Int64 { core.load }

    /// Tells the core what became of the link.
    func linkChanged(_ summary: LinkSummary) { core.link = summary }

    func acknowledged(_ generation: Int64) { perform(core.acknowledged(generation)) }

    func linkLost() { perform(core.linkLost()) }

    /// Ends what nobody waits for any more and what can be ended.
    private func giveUp(_ id: RequestID) {
        pending.removeValue(forKey: id)?.interest?.end()
        copies[id]?.cancel()
    }

    /// Ends what waits for others than our disk; what has begun is finished.
    ///
    /// That is copies from other servers, and requests that wait for a lock or follow a file.
    func beginDraining() {
        isStopping = true
        for copy in copies.values { copy.cancel() }
        perform(core.beginDraining(at: .now))
    }

    /// Ends all sessions, and completes once every job has ended and every answer is sent.
    func idle() -> EventLoopFuture<Void> {
        let promise = whenIdle ?? eventLoop.makePromise()
        whenIdle = promise
        perform(core.endSessions(at: .now))
        return promise.futureResult
    }

    /// Carries out what the core has decided.
    ///
    /// Finishing an exchange may start the connection's next request, which comes back in here: its
    /// actions stand behind those that are there.
    func perform(_ actions: [FileAction]) {
        decided.append(contentsOf: actions)
        guard !isPerforming else { return }
        isPerforming = true
        while let action = decided.popFirst() { perform(action) }
        isPerforming = false
        settle()
    }

    private func perform(_ action: FileAction) {
        switch action {
        case .run(let job): run(job)
        case .answer(let id, let items, let final):
            guard let waiting = pending.removeValue(forKey: id) else { return }
            hold(waiting.exchange.connection)
            if let items { waiting.exchange.send(items) }
            waiting.exchange.finish(final)
        case .answerWithBytes(let id, let head):
            guard let waiting = pending.removeValue(forKey: id) else { return }
            waiting.exchange.finish(head, payload: waiting.bytes)
        case .tell(let id, let item, let withBytes): tell(id, item, withBytes: withBytes)
        case .watch(let id, let file): watch(file, for: id)
        case .refuse(let id, let error): refuse(id, error)
        case .pull(let id, let target, let source): pull(id, target, source)
        case .released(let id): if let connection = holders[id] { hold(connection) }
        }
    }

    private func refuse(_ id: RequestID, _ error: RequestError) {
        guard let waiting = pending.removeValue(forKey: id) else { return }
        hold(waiting.exchange.connection)
        waiting.exchange.fail(error)
    }

    /// A connection that holds a session is not closed for saying nothing.
    private func hold(_ connection: ServerConnection) {
        connection.staysOpen = core.holdsSession(connection.id)
        holders[connection.id] = connection.staysOpen ? connection : nil
    }

    private func settle() {
        if core.isIdle, let promise = whenIdle {
            whenIdle = nil
            promise.succeed()
        }
        guard core.deadline != wakesAt else { return }
        wakeUp?.cancel()
        wakesAt = core.deadline
        guard let deadline = core.deadline else { return wakeUp = nil }
        wakeUp = eventLoop.assumeIsolated().scheduleTask(deadline: NIODeadline(deadline)) {
            self.wakesAt = nil
            self.perform(self.core.timePassed(at: .now))
        }
    }

    private func run(_ job: DiskJob) {
        let payload = job.request.flatMap { pending[$0]?.payload }
        let interest = Interest()
        if let id = job.request { pending[id]?.interest = interest }
        pool.run(job, payload: payload, interest, on: eventLoop).assumeIsolated().whenComplete {
            result in
            switch result {
            case .success(let completion):
                if let id = job.request {
                    self.pending[id]?.bytes = completion.bytes
                    // Its answer may wait for the name server; what it was made of need not.
                    self.pending[id]?.payload = nil
                }
                self.finished(job, completion.result, completion.generation)
            case .failure:
                self.finished(
                    job, .failure(RequestError(.draining, "this server is stopping")), nil)
            }
        }
    }

    private func finished(
        _ job: DiskJob, _ result: Result<DiskOutcome, RequestError>, _ generation: Int64?
    ) {
        if generation != nil { tether?.changed() }
        perform(core.finished(job.number, result, changed: generation, at: .now))
    }

    private func pull(_ id: RequestID, _ target: TreePath, _ source: TreePath) {
        guard let tether else { return }
        let copy = FileCopy(
            source: source, target: target, nameServer: tether.connection, pool: pool,
            eventLoop: eventLoop)
        let (loop, desk) = (eventLoop, NIOLoopBound(self, eventLoop: eventLoop))
        let task = Task {
            let outcome = await copy.run()
            loop.execute { desk.value.copied(id, outcome) }
        }
        copies[id] = task
        if isStopping { task.cancel() }
    }

    private func copied(_ id: RequestID, _ outcome: FileCopy.Outcome) {
        copies[id] = nil
        if outcome.generation != nil { tether?.changed() }
        var result = outcome.result
        if isStopping, case .failure(let error) = result, error.code == .cancelled {
            result = .failure(
                RequestError(.draining, "this server is stopping; copy again when it is back"))
        }
        perform(core.pulled(id, result, changed: outcome.generation, at: .now))
    }
}

extension MonotonicTime {
    /// The clock that leases and liveness are counted on; the event loop's own.
    static var now: MonotonicTime {
        MonotonicTime(
            nanoseconds: Int64(truncatingIfNeeded: NIODeadline.now().uptimeNanoseconds))
    }
}

extension NIODeadline {
    /// The same point on the event loop's clock.
    init(_ time: MonotonicTime) {
        self = .uptimeNanoseconds(UInt64(clamping: time.nanoseconds))
    }
}
