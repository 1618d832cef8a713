import DFSProtocol
import DFSTransport
import FileService
import NIOCore

/// Carries the link's actions to the network, and what comes back to the link; lives on the loop.
final class LinkTether {
    private static let connectTimeout = Duration.seconds(2)
    /// How long the name server waits for DONE; what was not begun by then is not begun at all.
    private static let orderPatience = TimeAmount.seconds(5)

    /// What the name server calls this server.
    var id: ServerID { configuration.id }

    private let eventLoop: any EventLoop
    private let configuration: Link.Configuration
    private let pool: StoragePool
    private unowned let desk: FileDesk
    private var link: Link
    private var session: UInt64 = 0
    private(set) var connection: LineConnection?
    private var wakeUp: Scheduled<Void>?
    private var wakesAt: MonotonicTime?
    /// What the disk said last of its free bytes; a stalled disk must not stop a heartbeat.
    private var freeBytes: Int64?
    private var isSampling = false
    private var losses = 0
    /// Completes when the first report is told, or when it is clear that this will take its time.
    private let ready: EventLoopPromise<Void>
    private var isReady = false
    private let stopped: EventLoopPromise<Void>
    private let failed: @Sendable (FileServerError) -> Void

    init(
        _ configuration: Link.Configuration, desk: FileDesk,
        failed: @escaping @Sendable (FileServerError) -> Void
    ) {
        self.configuration = configuration
        self.desk = desk
        self.failed = failed
        pool = desk.pool
        eventLoop = desk.eventLoop
        link = Link(configuration, generation: pool.changes.generation)
        ready = eventLoop.makePromise()
        stopped = eventLoop.makePromise()
    }

    /// Begins to look for a name server; completes when a start need not wait for it any more.
    ///
    /// Fails with `FileServerError` where the name server refuses this server for good.
    func start(patience: TimeAmount) -> EventLoopFuture<Void> {
        sample()
        eventLoop.assumeIsolated().scheduleTask(in: patience) { self.becomeReady() }
        receive(.started)
        return ready.futureResult
    }

    private func becomeReady() {
        guard !isReady else { return }
        isReady = true
        ready.succeed()
    }

    /// Ends a start that still waits, or the process that runs.
    private func give(up sentence: String) {
        let error = FileServerError(sentence)
        guard isReady else {
            isReady = true
            return ready.fail(error)
        }
        failed(error)
    }

    /// The store may have counted a change.
    func changed() { receive(.changed(generation: pool.changes.generation)) }

    /// The folders of the exports may have gone, or come back.
    func awayChanged() { receive(.away(pool.store.isAway)) }

    /// Tells what is untold, says goodbye and ends.
    func stop() -> EventLoopFuture<Void> {
        receive(.stopping)
        return stopped.futureResult
    }

    private func receive(_ event: LinkEvent) {
        let actions = link.receive(event, at: .now)
        desk.linkChanged(link.summary)
        for action in actions { perform(action) }
        guard link.deadline != wakesAt else { return }
        wakeUp?.cancel()
        wakesAt = link.deadline
        guard let deadline = link.deadline else { return }
        wakeUp = eventLoop.assumeIsolated().scheduleTask(deadline: NIODeadline(deadline)) {
            self.wakesAt = nil
            self.receive(.timePassed)
        }
    }

    private func perform(_ action: LinkAction) {
        switch action {
        case .connect(let endpoint, let number): connect(endpoint, number)
        case .disconnect: disconnect()
        case .send(let request, let number, let timeout): send(request, number, timeout)
        case .load(let cut, let number):
            let source = pool.changes
            pool.submit(.report, at: nil, on: eventLoop) {
                Result { () throws(RequestError) in try ReportBatch.load(cut, from: source) }
            }.assumeIsolated().whenSuccess { self.receive(.loaded(session: number, $0)) }
        case .perform(let order, let number): perform(order, number)
        case .acknowledged(let generation): desk.acknowledged(generation)
        case .unreachable:
            desk.linkLost()
            losses += 1
            if losses >= configuration.nameServers.count { becomeReady() }
        case .caughtUp: becomeReady()
        case .note(let text): desk.log(text)
        case .giveUp(let sentence): give(up: sentence)
        case .stopped: stopped.succeed()
        }
    }

    private func perform(_ order: NameServerOrder, _ number: UInt64) {
        let pool = pool
        let end = NIODeadline.now() + LinkTether.orderPatience
        pool.submit(.flush, at: order.path, on: eventLoop) {
            let result = Result { () throws(RequestError) in
                // The client was told `timeout` and may have put something else there since.
                guard NIODeadline.now() < end else {
                    throw RequestError(.timeout, "the disk was too busy to begin in time")
                }
                try order.perform(on: pool.store)
            }
            return (result, pool.changes.generation)
        }.assumeIsolated().whenSuccess { (result, generation) in
            var refusal: RequestError?
            if case .failure(let error) = result { refusal = error }
            self.receive(
                .ordered(
                    session: number, number: order.number, refusal, generation: generation))
        }
    }

    private func connect(_ endpoint: Endpoint, _ number: UInt64) {
        session = number
        let loop = eventLoop
        let tether = NIOLoopBound(self, eventLoop: loop)
        loop.makeFutureWithTask {
            try await LineConnection.open(
                to: endpoint, timeout: Self.connectTimeout, on: loop,
                notices: { line in tether.value.receive(.notice(session: number, line)) })
        }.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let connection): self.connected(connection, number)
            case .failure(let error):
                self.receive(.lost(session: number, reason: LinkTether.reason(error)))
            }
        }
    }

    private func connected(_ new: LineConnection, _ number: UInt64) {
        guard number == session else { return close(new) }
        guard new.greeting.text("role") == Role.name.rawValue else {
            close(new)
            return receive(.lost(session: number, reason: "what answers there is no name server"))
        }
        connection = new
        let loop = eventLoop
        let tether = NIOLoopBound(self, eventLoop: loop)
        new.whenClosed {
            loop.execute {
                tether.value.receive(.lost(session: number, reason: "the connection ended"))
            }
        }
        receive(.connected(session: number))
    }

    private func disconnect() {
        // One that is still being made is not wanted any more either; numbers begin at 1.
        session = 0
        if let connection { close(connection) }
        connection = nil
    }

    private func close(_ connection: LineConnection) {
        eventLoop.makeFutureWithTask { await connection.close() }.whenComplete { _ in }
    }

    private func send(_ request: LinkRequest, _ number: UInt64, _ timeout: Int64) {
        guard let connection else { return }
        let message = message(request)
        eventLoop.makeFutureWithTask {
            try await connection.send(message, timeout: .milliseconds(timeout)).final
        }.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let line):
                self.receive(.replied(session: number, request, .success(line)))
            case .failure(ConnectionError.refused(let refusal)):
                self.receive(.replied(session: number, request, .failure(.init(refusal))))
            case .failure(let error):
                self.receive(.lost(session: number, reason: LinkTether.reason(error)))
            }
        }
    }

    /// Everything is tagged, so that a heartbeat does not wait behind a REPORT's commit.
    private func message(_ request: LinkRequest) -> ClientRequest {
        switch request {
        case .hello:
            var message = ClientRequest(.hello, tagged: true)
            message.operand(1)
            message.option("client", configuration.id.bytes)
            message.option("caps", "push")
            return message
        case .register(let generation): return registration(generation)
        case .report(let batch, let generation):
            var message = addressed(.report)
            if case .inventory = batch.cut {
                message.option("inventory", batch.next == nil ? "end" : "more")
            }
            if let generation { message.option("gen", generation) }
            message.payload = ByteBuffer(bytes: batch.data)
            return message
        case .heartbeat(let sequence):
            sample()
            var message = addressed(.heartbeat)
            message.option("seq", sequence)
            message.option("epoch", configuration.epoch)
            if let freeBytes { message.option("free", freeBytes) }
            message.option("load", desk.load)
            return message
        case .done(let number, let error):
            var message = ClientRequest(.done, tagged: true)
            message.option("op", number)
            if let error { message.option("error", error.rawValue) }
            return message
        case .goodbye(let isAway):
            var message = addressed(.goodbye)
            if isAway { message.option("why", "away") }
            return message
        }
    }

    private func registration(_ generation: Int64?) -> ClientRequest {
        var message = addressed(.register)
        for mount in configuration.mounts { message.operand(mount) }
        message.option("addr", configuration.address.description)
        message.option("epoch", configuration.epoch)
        if let generation { message.option("gen", generation) }
        return message
    }

    private func addressed(_ verb: Verb) -> ClientRequest {
        var message = ClientRequest(verb, tagged: true)
        message.operand(configuration.id.bytes)
        return message
    }

    private func sample() {
        guard !isSampling else { return }
        isSampling = true
        let store = pool.store
        pool.submit(at: nil, on: eventLoop) { try store.freeBytes() }.assumeIsolated().whenComplete
        {
            self.isSampling = false
            // A disk that does not answer now is asked again at the next heartbeat.
            self.freeBytes = try? $0.get()
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case ConnectionError.unreachable(_, let reason): reason
        case ConnectionError.closed(let reason): reason
        case ConnectionError.timedOut(_): "no answer in time"
        case ConnectionError.notGreeted(_): "it accepts connections and says nothing"
        case ConnectionError.violation(let what): "it broke the protocol: \(what)"
        case ConnectionError.refused(let refusal): "it refused: \(refusal.code)"
        default: "\(error)"
        }
    }
}

extension LinkRefusal {
    fileprivate init(_ refusal: ServerRefusal) {
        // Most refusals carry no `retry=`.
        let retry = try? refusal.line.number("retry")
        self.init(code: refusal.code, advice: refusal.advice, retryMilliseconds: retry)
    }
}
