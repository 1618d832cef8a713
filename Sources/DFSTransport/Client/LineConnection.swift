import DFSProtocol
import NIOCore
import NIOPosix

/// A connection to a server, as a client has it; usable from any task.
///
/// Requests may be sent without waiting for earlier answers: untagged ones are answered in order,
/// tagged ones in any order. Nothing here retries: what is safe to repeat only the caller knows.
public final class LineConnection: Sendable {
    /// The server's first line.
    public let greeting: ReplyLine
    /// Where the server is.
    public let endpoint: Endpoint
    let channel: any Channel
    private let reader: NIOLoopBound<ReplyReader>
    private let signs: SignsOfLife

    private init(
        greeting: ReplyLine, endpoint: Endpoint, channel: any Channel,
        reader: NIOLoopBound<ReplyReader>, signs: SignsOfLife
    ) {
        self.signs = signs
        self.greeting = greeting
        self.endpoint = endpoint
        self.channel = channel
        self.reader = reader
    }

    /// Connects and waits for the greeting.
    ///
    /// - Parameter timeout: For both together.
    /// - Parameter whenAccepted: Called once somebody has accepted the connection; must not block.
    /// - Parameter trace: Called on the loop for every line; must not block.
    /// - Parameter notices: Called on the loop for every `!` line, in order; must not block.
    /// - Throws: `unreachable`, `notGreeted`, `violation` where it is no DFS/1 server, `refused` by
    ///   a full one.
    public static func open(
        to endpoint: Endpoint, timeout: Duration, limits: Limits = Limits(),
        on group: any EventLoopGroup, whenAccepted: (@Sendable () -> Void)? = nil,
        trace: (@Sendable (TraceLine) -> Void)? = nil,
        notices: (@Sendable (ReplyLine) -> Void)? = nil
    ) async throws(ConnectionError) -> LineConnection {
        let start = ContinuousClock.now
        let loop = group.next()
        let greeted = loop.makePromise(of: ReplyLine.self)
        let signs = SignsOfLife()
        let connecting = bootstrap(on: loop, timeout) { channel in
            ReplyReader(
                channel: channel, limits: limits, greeted: greeted, signs: signs, trace: trace,
                notices: notices)
        }.connect(host: endpoint.host, port: Int(endpoint.port))
        let channel: any Channel
        do {
            channel = try await connecting.get()
        } catch {
            // The promise fails with the handler, unless the connection never got so far.
            greeted.fail(ConnectionError.closed("never connected"))
            throw .unreachable(endpoint, describe(error))
        }
        whenAccepted?()
        let rest = max(.zero, timeout - (.now - start))
        let deadline = loop.scheduleTask(in: TimeAmount(rest)) {
            greeted.fail(ConnectionError.notGreeted(endpoint))
        }
        do {
            let greeting = try await greeted.futureResult.get()
            deadline.cancel()
            let reader = try await channel.pipeline.handler(type: ReplyReader.self)
                .map { NIOLoopBound($0, eventLoop: loop) }.get()
            return LineConnection(
                greeting: greeting, endpoint: endpoint, channel: channel, reader: reader,
                signs: signs)
        } catch {
            channel.close(promise: nil)
            throw error as? ConnectionError ?? .closed(describe(error))
        }
    }

    private static func bootstrap(
        on loop: any EventLoop, _ timeout: Duration,
        _ reader: @escaping @Sendable (any Channel) -> ReplyReader
    ) -> ClientBootstrap {
        ClientBootstrap(group: loop)
            .connectTimeout(TimeAmount(timeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.tcpOption(notSentLowWater), value: ReplyReader.sliceBytes)
            .channelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(
                    minimum: 1024, initial: 4096, maximum: 1 << 20)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(reader(channel))
                }
            }
    }

    /// `TCP_NOTSENT_LOWAT`: little waits in the kernel, so bytes taken from here have moved on.
    private static let notSentLowWater = NIOBSDSocket.Option(rawValue: 25)

    /// Asks and waits for the whole answer.
    ///
    /// A request that is given up is cancelled on the server where it has a tag; without one the
    /// connection is closed, since later answers could not be told apart.
    /// - Parameter timeout: How long nothing may come, as for `send(_:until:)`.
    /// - Throws: `refused` for an `ERR` line; `closed` and `timedOut` leave open whether it
    ///   happened.
    public func send(
        _ request: ClientRequest, timeout: Duration
    ) async throws(ConnectionError) -> Reply {
        try await send(request, Patience(timeout), nil)
    }

    /// Asks and waits for the whole answer, as long as some of it comes.
    ///
    /// Progress are whole lines of the answer, bytes of its payload, and bytes of the request's own
    /// payload that the system has taken; those of requests that were sent before it too, since
    /// they travel before it. What was sent after it is none, nor is an answer without an end.
    /// - Throws: As `send(_:timeout:)` does.
    public func send(
        _ request: ClientRequest, until patience: Patience
    ) async throws(ConnectionError) -> Reply {
        try await send(request, patience, nil)
    }

    /// When something that counts as progress came last; nil before the first.
    public var lastProgress: ContinuousClock.Instant? { signs.last }

    /// Asks for an answer without an end in sight, such as FOLLOW's, and hands its items over.
    ///
    /// Waits until the answer ends; cancelling the task ends it. Other requests go on meanwhile.
    /// - Parameter request: A tagged one.
    /// - Parameter receive: Called on the loop for each item in order, and must not block; false
    ///   cancels the request, and no further item is handed over.
    /// - Throws: `refused` for an `ERR` line; `cancelled` also where `receive` wanted no more.
    public func stream(
        _ request: ClientRequest, to receive: @escaping @Sendable (Reply.Item) -> Bool
    ) async throws(ConnectionError) -> Reply {
        precondition(request.isTagged, "an answer without an end needs a tag to be cancelled by")
        return try await send(request, nil, receive)
    }

    private func send(
        _ request: ClientRequest, _ patience: Patience?, _ receive: ReplyReader.Receiver?
    ) async throws(ConnectionError) -> Reply {
        let loop = channel.eventLoop
        let answered = loop.makePromise(of: Reply.self)
        let ticket = RequestTicket()
        let reader = reader
        do {
            return try await withTaskCancellationHandler {
                loop.execute {
                    reader.value.send(request, ticket, answered, until: patience, to: receive)
                }
                return try await answered.futureResult.get()
            } onCancel: {
                ticket.isCancelled.store(true, ordering: .relaxed)
                loop.execute { reader.value.abandon(ticket, because: .cancelled) }
            }
        } catch {
            throw error as? ConnectionError ?? .closed(describe(error))
        }
    }

    /// Whether requests can still be sent, as far as is known.
    public var isOpen: Bool { channel.isActive }

    /// Calls back once the connection has ended, or at once if it has.
    public func whenClosed(_ body: @escaping @Sendable () -> Void) {
        channel.closeFuture.whenComplete { _ in body() }
    }

    /// Closes; requests that wait fail with `closed`.
    public func close() async {
        await withCheckedContinuation { continuation in
            channel.close().whenComplete { _ in continuation.resume() }
        }
    }
}
