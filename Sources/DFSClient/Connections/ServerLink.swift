import DFSProtocol
import DFSTransport
import NIOCore
import Synchronization

/// A connection and what is known of its use: who waits on it, since when, and what is held open.
final class ServerLink: Sendable {
    private struct Use {
        var isClosed = false
        var pending = 0
        /// Requests whose answers last, such as FOLLOW.
        var streams = 0
        var handles = 0
        /// How often the link was given to a caller who has not used it yet, and when last.
        ///
        /// From the start it is meant for who dialed, who is handed it a moment later.
        var handedOver = 1
        var lastHandOver = ContinuousClock.now
        var isFresh = true
        /// Who wants to know when the connection has ended.
        var watchers: [ObjectIdentifier: @Sendable () -> Void] = [:]
        var isEnded = false
        /// Who waits until nothing is asked any more.
        var drained: [CheckedContinuation<Void, Never>] = []
        /// The last answer, or the start of the first request after a pause.
        var lastSign = ContinuousClock.now
        var lastUse = ContinuousClock.now
        var watch: Task<Void, Never>?
        var outage: Outage?
    }

    /// What the name server said of a server that did not answer.
    struct Outage {
        let seenMilliseconds: Int64?
    }

    let connection: LineConnection
    let endpoint: Endpoint
    /// The most bytes that one payload to or from this server has.
    let payloadBytes: Int
    /// What the server greeted as: `name`, `file`; nil where it did not tell.
    let role: String?
    /// Which run of which server answers here.
    let run: ServerRun
    private let use = Mutex(Use())

    /// A caller who has not used a link by then does not want it any more.
    private static let longestHandOver: Duration = .seconds(10)

    init(_ connection: LineConnection, pieceBytes: Int) {
        self.connection = connection
        endpoint = connection.endpoint
        role = connection.greeting.text("role")
        run = ServerRun(connection.greeting)
        // A server that announces nothing usable gets what every server of DFS/1 must take.
        let announced = connection.greeting.value("max-data").flatMap { Number.parse($0.span) }
        payloadBytes = Int(max(1, min(Int64(pieceBytes), announced ?? 65_536)))
        connection.whenClosed { [weak self] in self?.isEnded() }
    }

    var isOpen: Bool { connection.isOpen && !use.withLock { $0.isClosed } }

    /// Whether closing the link would hurt nobody.
    var isIdle: Bool {
        use.withLock { use in
            let isWanted =
                use.handedOver > 0 && .now - use.lastHandOver < ServerLink.longestHandOver
            return use.pending == 0 && use.streams == 0 && use.handles == 0 && !isWanted
        }
    }
    /// How many requests wait for their answers.
    var pending: Int { use.withLock { $0.pending } }
    var lastUse: ContinuousClock.Instant { use.withLock { $0.lastUse } }

    /// Notes that a caller has the link and is about to use it.
    func isHandedOver() {
        use.withLock { use in
            if !use.isFresh { use.handedOver += 1 }
            use.isFresh = false
            use.lastHandOver = .now
        }
    }

    /// How many want to know when the connection has ended.
    var watchers: Int { use.withLock { $0.watchers.count } }

    /// Calls back once the connection has ended, or at once if it has.
    ///
    /// - Parameter owner: Has one callback at most; forgotten with `forget(_:)`.
    func whenEnded(tell owner: AnyObject, _ body: @escaping @Sendable () -> Void) {
        let isEnded = use.withLock { use in
            if !use.isEnded { use.watchers[ObjectIdentifier(owner)] = body }
            return use.isEnded
        }
        if isEnded { body() }
    }

    /// Forgets whom `whenEnded` was to tell; may run while the owner goes.
    func forget(_ owner: AnyObject) {
        _ = use.withLock { $0.watchers.removeValue(forKey: ObjectIdentifier(owner)) }
    }

    private func isEnded() {
        let watchers = use.withLock { use in
            use.isEnded = true
            defer { use.watchers = [:] }
            return use.watchers
        }
        for watcher in watchers.values { watcher() }
    }

    /// Counts sessions that die with the link, so that it is not closed to save a connection.
    func holdsHandle(_ change: Int) { use.withLock { $0.handles += change } }

    /// Notes that the name server says the server is down: that is why the link is closed then.
    func isDown(silentFor milliseconds: Int64?) {
        use.withLock { $0.outage = Outage(seenMilliseconds: milliseconds) }
    }

    /// That the server was found to be down; nil where nobody said so.
    var outage: Outage? { use.withLock { $0.outage } }

    /// When something of an answer came last; nil for never.
    var lastHeard: ContinuousClock.Instant? { connection.lastProgress }

    /// How long requests have waited without any byte of an answer; zero where none waits.
    var silence: Duration {
        let progress = connection.lastProgress
        return use.withLock { use in
            if use.pending == 0 { return .zero }
            return .now - max(use.lastSign, progress ?? use.lastSign)
        }
    }

    /// Sends a request and waits for its answer, as long as some of it comes.
    ///
    /// - Parameter watch: Runs beside the wait, once for all requests that wait at the same time.
    func send(
        _ request: ClientRequest, until patience: Patience,
        watch: (@Sendable (ServerLink) async -> Void)? = nil
    ) async throws(ConnectionError) -> Reply {
        var request = request
        // A lone request needs no tag and reads like a typed one; beside others it must not queue.
        if try begin(watch) { request.isTagged = true }
        defer { end() }
        return try await connection.send(request, until: patience)
    }

    /// - Returns: Whether other requests are waiting already.
    private func begin(
        _ watch: (@Sendable (ServerLink) async -> Void)?
    ) throws(ConnectionError) -> Bool {
        try use.withLock { use throws(ConnectionError) in
            try checkOpen(&use)
            use.lastUse = .now
            // Without a tag it could be given up only together with the connection's sessions.
            let isOneOfMany = use.pending > 0 || use.handles > 0
            if use.pending == 0 { use.lastSign = .now }
            use.pending += 1
            guard let watch, use.watch == nil else { return isOneOfMany }
            use.watch = Task { [weak self] in
                while !Task.isCancelled {
                    // Silence is no event: it is looked for. A cancelled sleep ends the loop below.
                    try? await Task.sleep(for: .milliseconds(500))
                    guard let self, self.keepsWatching() else { return }
                    await watch(self)
                }
            }
            return isOneOfMany
        }
    }

    /// Lets nothing begin that the loop might never hear of.
    private func checkOpen(_ use: inout Use) throws(ConnectionError) {
        if use.handedOver > 0 { use.handedOver -= 1 }
        if use.isClosed { throw .closed("the connection was closed here") }
        if !connection.isOpen { throw .closed("the connection has ended") }
    }

    private func keepsWatching() -> Bool {
        use.withLock { use in
            if use.pending == 0 || !connection.isOpen { use.watch = nil }
            return use.watch != nil
        }
    }

    private func end() {
        use.withLock { use in
            use.pending -= 1
            use.lastSign = .now
        }
        tellWhereDrained()
    }

    private func tellWhereDrained() {
        let waiting = use.withLock { use in
            guard use.isClosed, use.pending + use.streams == 0 else {
                return [CheckedContinuation<Void, Never>]()
            }
            defer { use.drained = [] }
            return use.drained
        }
        for one in waiting { one.resume() }
    }

    /// Asks for an answer that lasts, such as FOLLOW's; nobody's silence is measured by it.
    func stream(
        _ request: ClientRequest, to receive: @escaping @Sendable (Reply.Item) -> Bool
    ) async throws(ConnectionError) -> Reply {
        var request = request
        request.isTagged = true
        try use.withLock { use throws(ConnectionError) in
            try checkOpen(&use)
            use.streams += 1
        }
        defer {
            use.withLock { $0.streams -= 1 }
            tellWhereDrained()
        }
        return try await connection.stream(request, to: receive)
    }

    /// Closes, and returns once nobody waits for an answer any more: the loop may end then.
    func close() async {
        use.withLock { use in
            use.isClosed = true
            use.watch?.cancel()
            use.watch = nil
        }
        await connection.close()
        await withCheckedContinuation { continuation in
            use.withLock { $0.drained.append(continuation) }
            tellWhereDrained()
        }
    }
}

/// One run of a server, from its start to its end: what it remembers, no other run does.
struct ServerRun: Equatable, Sendable {
    /// The server's id; nil where it did not tell.
    let id: [UInt8]?
    /// Rises with every start; nil where it was not told.
    let epoch: [UInt8]?

    init(_ greeting: ReplyLine) {
        id = greeting.value("id")
        epoch = greeting.value("epoch")
    }
}
