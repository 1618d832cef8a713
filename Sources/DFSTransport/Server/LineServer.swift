import DFSProtocol
import NIOCore
import NIOPosix

/// A listening socket whose connections and role live on one event loop.
///
/// One loop answers over a million requests a second and needs no lock; see Protocol.md, "Limits",
/// for what a peer may cost.
public final class LineServer: Sendable {
    private static let sweepMilliseconds: Int64 = 1000
    private static let drainMilliseconds: Int64 = 5000

    /// Where the server can be reached; the port is the real one.
    public let endpoint: Endpoint
    private let channel: any Channel
    private let shared: NIOLoopBound<ServerShared>
    private let sweeping: RepeatedTask

    private init(
        endpoint: Endpoint, channel: any Channel, shared: NIOLoopBound<ServerShared>,
        sweeping: RepeatedTask
    ) {
        self.endpoint = endpoint
        self.channel = channel
        self.shared = shared
        self.sweeping = sweeping
    }

    /// Starts listening; port 0 lets the system choose.
    ///
    /// - Parameter responder: Makes the role, on the loop that it will live on.
    /// - Throws: What `responder` throws; `ConnectionError.unreachable` where the address can not
    ///   be had.
    public static func start(
        at endpoint: Endpoint, limits: Limits = Limits(), on group: any EventLoopGroup,
        responder: @escaping @Sendable (any EventLoop) throws -> any RequestResponder
    ) async throws -> LineServer {
        let loop = group.next()
        let shared = try await loop.submit {
            NIOLoopBound(
                ServerShared(responder: try responder(loop), limits: limits), eventLoop: loop)
        }.get()
        let channel: any Channel
        do {
            channel = try await bootstrap(on: loop, shared, limits)
                .bind(host: endpoint.host, port: Int(endpoint.port)).get()
        } catch {
            throw ConnectionError.unreachable(endpoint, describe(error))
        }
        let port = channel.localAddress?.port.flatMap(UInt16.init(exactly:)) ?? endpoint.port
        let interval = TimeAmount.milliseconds(sweepMilliseconds)
        let sweeping = loop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            shared.value.sweep(everyMilliseconds: sweepMilliseconds)
        }
        return LineServer(
            endpoint: Endpoint(host: endpoint.host, port: port), channel: channel, shared: shared,
            sweeping: sweeping)
    }

    private static func bootstrap(
        on loop: any EventLoop, _ shared: NIOLoopBound<ServerShared>, _ limits: Limits
    ) -> ServerBootstrap {
        let waterMark = ChannelOptions.Types.WriteBufferWaterMark(
            low: limits.unsentBytes / 2, high: limits.unsentBytes)
        return ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DescriptorRoom.backoff())
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.tcpOption(Silence.before), value: Silence.seconds)
            .childChannelOption(.tcpOption(Silence.between), value: Silence.pause)
            .childChannelOption(.tcpOption(Silence.count), value: Silence.probes)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.writeBufferWaterMark, value: waterMark)
            .childChannelOption(
                .recvAllocator,
                value: ReceiveBuffers()
            )
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let server = shared.value
                    try channel.pipeline.syncOperations.addHandler(
                        ServerConnection(
                            id: server.nextConnectionID(), channel: channel, shared: server))
                }
            }
    }

    /// Takes no further connection; those that are there go on.
    public func stopAccepting() async {
        await withCheckedContinuation { continuation in
            channel.close().whenComplete { _ in continuation.resume() }
        }
    }

    /// Answers what is in flight, for up to five seconds, and closes everything.
    public func shutDown() async {
        await stopAccepting()
        sweeping.cancel()
        let loop = channel.eventLoop
        let drained = loop.makePromise(of: Void.self)
        loop.execute { self.shared.value.drain(drained) }
        let deadline = loop.scheduleTask(in: .milliseconds(Self.drainMilliseconds)) {
            self.shared.value.closeAll()
        }
        await withCheckedContinuation { continuation in
            drained.futureResult.whenComplete { _ in continuation.resume() }
        }
        deadline.cancel()
    }

    /// Runs on the loop, beside the role: for timers and for work that comes back from other
    /// threads.
    public var eventLoop: any EventLoop { channel.eventLoop }
}

/// How a peer is noticed that has vanished without a word, or behind its half-close.
///
/// The system asks a silent peer's system whether the connection is still there; one that waits for
/// a long answer says yes by itself. After two minutes without that the connection has ended, and
/// what it asked for with it.
private enum Silence {
    /// `TCP_KEEPIDLE`, `TCP_KEEPINTVL` and `TCP_KEEPCNT`.
    static let before = NIOBSDSocket.Option(rawValue: 4)
    static let between = NIOBSDSocket.Option(rawValue: 5)
    static let count = NIOBSDSocket.Option(rawValue: 6)
    static let seconds: ChannelOptions.Types.SocketOption.Value = 60
    static let pause: ChannelOptions.Types.SocketOption.Value = 15
    static let probes: ChannelOptions.Types.SocketOption.Value = 4
}
