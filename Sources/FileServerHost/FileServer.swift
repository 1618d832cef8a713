import DFSProtocol
import DFSTransport
@_spi(Testing) import FileService
import NIOCore
import NIOPosix

/// A running file server: core, disk, sockets and the link to its name server on one event loop.
public final class FileServer: Sendable {
    /// How a file server is told apart, where it listens, and whom it reports to.
    public struct Configuration: Sendable {
        /// The name under which it registers.
        public var id: ServerID
        /// Rises at each start, and is kept by the caller.
        public var epoch: Int64
        /// Loopback only, as long as nobody is asked who he is.
        public var listen: Endpoint
        /// Where clients reach the server; nil is where it listens.
        public var advertise: Endpoint?
        /// Tried in this order; none means to stand alone.
        public var nameServers: [Endpoint]
        /// Whether work on one file has an order; off only where a test shows that it would notice.
        @_spi(Testing) public var ordersWork = true

        /// Joins the parts.
        public init(
            id: ServerID, epoch: Int64, listen: Endpoint, advertise: Endpoint? = nil,
            nameServers: [Endpoint]
        ) {
            self.id = id
            self.epoch = epoch
            self.listen = listen
            self.advertise = advertise
            self.nameServers = nameServers
        }
    }

    /// How long a start waits for the first report before clients are served all the same.
    private static let readyPatience = TimeAmount.seconds(3)

    /// Where the server listens; the port is the real one.
    public let endpoint: Endpoint
    private let group: MultiThreadedEventLoopGroup
    private let server: LineServer
    private let desk: NIOLoopBound<FileDesk>
    private let pool: StoragePool
    private let closeStore: @Sendable () throws -> Void

    private init(
        _ server: LineServer, _ group: MultiThreadedEventLoopGroup, _ desk: NIOLoopBound<FileDesk>,
        _ pool: StoragePool, _ closeStore: @escaping @Sendable () throws -> Void
    ) {
        self.closeStore = closeStore
        endpoint = server.endpoint
        self.server = server
        self.group = group
        self.desk = desk
        self.pool = pool
    }

    /// Starts to serve a store, and returns once the name server knows it or can not be reached.
    ///
    /// - Parameters:
    ///   - closing: Brings the store to rest when everything else has ended, also where the
    ///     start fails.
    ///   - log: Takes sentences for the operator, from any thread.
    ///   - failed: Told where the server can not go on under its id; the caller ends the process.
    /// - Throws: `FileServerError` with a sentence for the operator.
    public static func start(
        _ configuration: Configuration, store: any FileStore, changes: any ChangeSource,
        closing: @escaping @Sendable () throws -> Void = {},
        log: @escaping @Sendable (String) -> Void,
        failed: @escaping @Sendable (FileServerError) -> Void
    ) async throws -> FileServer {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let pool = StoragePool(store: store, changes: changes)
        let server: FileServer
        do {
            try Advertisement.check(configuration)
            server = try await open(configuration, pool, group, closing, log)
        } catch {
            // Nothing was promised to anybody yet; the first error is the one to tell.
            try? await pool.shutDown()
            try? closing()
            // The same: the loops end with the process in any case.
            try? await group.shutdownGracefully()
            throw FileServerError(sentence(error))
        }
        do { try await server.register(configuration, failed) } catch {
            // Clients may have come already. The first error is the one to tell here too.
            try? await server.shutDown()
            throw FileServerError(sentence(error))
        }
        return server
    }

    private static func open(
        _ configuration: Configuration, _ pool: StoragePool, _ group: MultiThreadedEventLoopGroup,
        _ closing: @escaping @Sendable () throws -> Void,
        _ log: @escaping @Sendable (String) -> Void
    ) async throws -> FileServer {
        var core = FileServerCore.Configuration(
            id: configuration.id, epoch: configuration.epoch, mounts: pool.store.mounts,
            startedAt: .now, wallClock: WallClock.now, newToken: SessionToken.random)
        core.ordersWork = configuration.ordersWork
        let loop = group.next()
        let desk = try await loop.submit { [core] in
            NIOLoopBound(FileDesk(core, pool: pool, on: loop, log: log), eventLoop: loop)
        }.get()
        // The group has one loop, so that the role and its connections share it.
        let server = try await LineServer.start(at: configuration.listen, on: group) { _ in
            desk.value
        }
        return FileServer(server, group, desk, pool, closing)
    }

    private func register(
        _ configuration: Configuration, _ failed: @escaping @Sendable (FileServerError) -> Void
    ) async throws {
        guard !configuration.nameServers.isEmpty else { return }
        let address = Endpoint(
            host: configuration.advertise?.host ?? endpoint.host,
            port: configuration.advertise?.port ?? endpoint.port)
        let link = Link.Configuration(
            id: configuration.id, mounts: pool.store.mounts, address: address,
            epoch: configuration.epoch, nameServers: configuration.nameServers,
            seed: UInt64.random(in: .min ... .max))
        let (loop, desk) = (server.eventLoop, desk)
        let (changes, store) = (pool.changes, pool.store)
        let ready = try await loop.submit {
            // Before the link asks how far the store is: no change comes between.
            changes.whenChanged {
                loop.execute { desk.value.tether?.changed() }
            }
            store.whenAwayChanged {
                loop.execute { desk.value.tether?.awayChanged() }
            }
            let tether = LinkTether(link, desk: desk.value, failed: failed)
            desk.value.tether = tether
            return tether.start(patience: FileServer.readyPatience)
        }.get()
        try await ready.get()
    }

    /// Finishes what is in flight, closes sessions durably, says goodbye and comes to rest.
    public func shutDown() async throws {
        let desk = desk
        try await server.eventLoop.submit { desk.value.beginDraining() }.get()
        await server.shutDown()
        try await server.eventLoop.flatSubmit { desk.value.idle() }.get()
        try await server.eventLoop.flatSubmit {
            desk.value.tether?.stop() ?? desk.eventLoop.makeSucceededVoidFuture()
        }.get()
        // Blocks, but nothing else is left to do. A load that waits for the first scan ends with
        // the store; afterwards nobody tells the loop of changes.
        try closeStore()
        try await pool.shutDown()
        try await group.shutdownGracefully()
    }

    private static func sentence(_ error: any Error) -> String {
        switch error {
        case let error as FileServerError: error.description
        case let error as RequestError: error.advice
        case ConnectionError.unreachable(let endpoint, let reason):
            "can not listen on \(endpoint): \(reason)"
        default: "\(error)"
        }
    }
}
