import DFSProtocol
import DFSTransport
import NIOCore
import NameService

/// Joins the core to its connections, its store and its timers; lives on one event loop.
final class NameResponder: RequestResponder {
    private var core: NameAuthority
    private let commit: Commit
    private let clock: () -> Moment
    private let loop: any EventLoop
    private let log: NameServer.Log
    private var exchanges: [ConnectionID: [RequestID: Exchange]] = [:]
    private var connections: [ConnectionID: ServerConnection] = [:]
    /// Connections that have not read what they were sent, as the core knows it.
    private var stalled: Set<ConnectionID> = []
    private var timer: (scheduled: Scheduled<Void>, deadline: MonotonicTime)?
    private var isWorkScheduled = false
    /// Whether the sockets were read once more since the timer had come late.
    private var hasLookedAgain = false
    private var waiting: [NameAction] = []
    private var isPerforming = false
    /// Fulfilled when the last batch is durable; set when the server stops.
    private var finished: EventLoopPromise<Void>?

    /// Long enough that the loop finds nothing ready and reads its sockets; 2000 names cost more.
    private static let pauseBetweenSlices = TimeAmount.microseconds(100)
    /// A timer that fires later than this, in milliseconds, was held up with everything else.
    private static let lateMilliseconds: Int64 = 50

    /// Makes a batch durable on another thread and tells the loop what became of it.
    typealias Commit = ([CatalogueChange]) -> EventLoopFuture<Void>

    /// - Parameter clock: Reads both clocks; LOCATE, which is asked most, reads the machine's.
    init(
        core: NameAuthority, loop: any EventLoop, clock: @escaping () -> Moment = Clock.now,
        log: @escaping NameServer.Log, commit: @escaping Commit
    ) {
        self.core = core
        self.commit = commit
        self.clock = clock
        self.loop = loop
        self.log = log
        settle(at: clock())
    }

    var role: Role { .name }

    func writeGreeting(into line: inout LineWriter) { core.writeGreeting(into: &line) }

    func answerInPlace(
        _ bytes: Span<UInt8>, lineBytes: Int, into replies: inout LineWriter
    ) -> Int {
        core.answerLocates(bytes, lineBytes: lineBytes, at: Clock.monotonic(), into: &replies)
    }

    func receive(_ request: Request, payload: ByteBuffer?, _ exchange: Exchange) {
        let data: [UInt8]
        switch request.content {
        case .none: data = []
        case .inline(let bytes): data = bytes
        case .literal: data = payload.map { Array($0.readableBytesView) } ?? []
        }
        exchanges[exchange.connection.id, default: [:]][exchange.id] = exchange
        let asker = Asker(
            id: exchange.id, tag: exchange.tag, peer: exchange.connection.peer,
            takesNotices: exchange.connection.takesNotices)
        let now = clock()
        core.receive(request, data: data, asker, at: now)
        settle(at: now)
    }

    func connectionOpened(_ connection: ServerConnection) {
        connections[connection.id] = connection
    }

    func connectionClosed(_ connection: ServerConnection) {
        connections[connection.id] = nil
        stalled.remove(connection.id)
        // What the core still answers to this connection is dropped with its exchanges.
        exchanges[connection.id] = nil
        let now = clock()
        core.connectionClosed(connection.id, at: now)
        settle(at: now)
    }

    func cancelled(_ exchange: Exchange) {
        _ = takeExchange(exchange.id)
        let now = clock()
        core.cancelled(exchange.id, at: now)
        settle(at: now)
    }

    func connectionRoomChanged(_ connection: ServerConnection) {
        let isStalled = !connection.hasRoom
        guard connections[connection.id] != nil, isStalled != stalled.contains(connection.id)
        else { return }
        if isStalled { stalled.insert(connection.id) } else { stalled.remove(connection.id) }
        core.setStalled(connection.id, isStalled)
        if !isStalled { settle(at: clock()) }
    }

    private func takeExchange(_ id: RequestID) -> Exchange? {
        guard let exchange = exchanges[id.connection]?.removeValue(forKey: id) else { return nil }
        if exchanges[id.connection]?.isEmpty ?? false { exchanges[id.connection] = nil }
        return exchange
    }

    /// Sends notices; a watcher that does not read is told of a gap later, an owner is cut off.
    private func notify(_ id: ConnectionID, _ lines: LineWriter) {
        guard let connection = connections[id] else { return }
        if connection.hasRoom || !core.missed(id) { connection.notify(lines) }
    }

    /// Commits what is left; nothing is received any more.
    func finish() -> EventLoopFuture<Void> {
        let promise = loop.makePromise(of: Void.self)
        finished = promise
        timer?.scheduled.cancel()
        timer = nil
        let now = clock()
        core.keepSigns(at: now)
        settle(at: now)
        return promise.futureResult
    }

    /// Does what the core wants done and arranges for what comes next.
    private func settle(at now: Moment) {
        perform()
        send(at: now)
        scheduleWork()
        scheduleTimer()
    }

    /// Performs the core's actions in their order, also where one of them brings forth others.
    ///
    /// Finishing an exchange may start the connection's next request, which comes back in here.
    private func perform() {
        waiting.append(contentsOf: core.takeActions())
        if isPerforming { return }
        isPerforming = true
        var next = 0
        while next < waiting.count {
            perform(waiting[next])
            next += 1
        }
        waiting.removeAll(keepingCapacity: true)
        isPerforming = false
    }

    private func perform(_ action: NameAction) {
        switch action {
        case .reply(let id, let lines): takeExchange(id)?.finish(lines)
        case .notify(let id, let lines): notify(id, lines)
        case .keepOpen(let id): connections[id]?.staysOpen = true
        case .log(let level, let sentence): log(level, sentence)
        }
    }

    /// Hands the next batch to the store, if there is one and no other is on its way.
    private func send(at now: Moment) {
        guard let batch = core.takeBatch(at: now) else {
            if let finished, !core.isCommitting {
                self.finished = nil
                finished.succeed(())
            }
            return
        }
        commit(batch).assumeIsolated().whenComplete { result in
            self.arrived(result)
        }
    }

    private func arrived(_ result: Result<Void, any Error>) {
        let now = clock()
        switch result {
        case .success: core.committed(at: now)
        case .failure(let error):
            let failure =
                error as? CatalogueStoreError ?? CatalogueStoreError(String(describing: error))
            core.commitFailed(failure, at: now)
        }
        settle(at: now)
    }

    /// Goes on with long work after the sockets have been looked at.
    ///
    /// `execute` would not do: the loop reads nothing before the last task that is ready, and a
    /// slice that makes the next one ready keeps it from all sockets until the work is over.
    private func scheduleWork() {
        guard core.hasWork, !isWorkScheduled else { return }
        isWorkScheduled = true
        loop.assumeIsolated().scheduleTask(in: NameResponder.pauseBetweenSlices) {
            self.isWorkScheduled = false
            let now = self.clock()
            self.core.work(at: now)
            self.settle(at: now)
        }
    }

    private func scheduleTimer() {
        guard finished == nil, let deadline = core.nextDeadline else { return }
        if let timer, timer.deadline <= deadline { return }
        timer?.scheduled.cancel()
        let delay = max(0, deadline.nanoseconds - clock().monotonic.nanoseconds)
        // A millisecond on top: a timer that fires a moment early would be set again for nothing.
        let scheduled = loop.assumeIsolated().scheduleTask(
            in: .nanoseconds(delay + 1_000_000)
        ) {
            self.timer = nil
            let now = self.clock()
            let lag = now.monotonic.milliseconds(since: deadline)
            if lag > NameResponder.lateMilliseconds, !self.hasLookedAgain {
                // The loop was held up: signs of life may lie unread; nobody is silent for that.
                self.hasLookedAgain = true
                return self.scheduleTimer()
            }
            self.hasLookedAgain = false
            self.core.expire(at: now)
            self.settle(at: now)
        }
        timer = (scheduled, deadline)
    }
}
