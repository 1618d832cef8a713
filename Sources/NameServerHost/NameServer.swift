import DFSProtocol
import DFSTransport
import NIOCore
import NIOPosix
import NameService

/// A running name server: the core on one event loop, the catalogue's store on a thread of its own.
public final class NameServer: Sendable {
    /// Takes a sentence for the log; called on the loop or on the store's thread.
    public typealias Log = @Sendable (NameLogLevel, String) -> Void

    /// Where it listens; the port is the real one.
    public var endpoint: Endpoint { server.endpoint }
    /// Counts the starts of this name server.
    public let epoch: Int64

    private let server: LineServer
    private let responder: NIOLoopBound<NameResponder>
    private let store: StoreThread
    private let group: MultiThreadedEventLoopGroup

    private init(
        server: LineServer, responder: NIOLoopBound<NameResponder>, store: StoreThread,
        group: MultiThreadedEventLoopGroup, epoch: Int64
    ) {
        self.server = server
        self.responder = responder
        self.store = store
        self.group = group
        self.epoch = epoch
    }

    /// Loads the catalogue, makes the new epoch durable, and begins to listen.
    ///
    /// - Throws: `NameServerError` for an address that others could reach, and for a server to
    ///   forget that nobody knows, `CatalogueStoreError` for a store that can not be used,
    ///   `ConnectionError.unreachable` for an address that can not be had.
    public static func start(
        configuration: NameServerConfiguration, store: any CatalogueStore,
        log: @escaping Log = { _, _ in }
    ) async throws -> NameServer {
        guard configuration.endpoint.isLoopback else {
            throw NameServerError(
                "--listen \(configuration.endpoint): without authentication a name server listens "
                    + "on loopback only, such as 127.0.0.1:7400")
        }
        let thread = StoreThread(store)
        do {
            let core = try await thread.load(configuration, log)
            log(.info, "the catalogue is loaded: \(core.summary)")
            return try await start(core, thread, configuration, log)
        } catch {
            await thread.close(log)
            throw error
        }
    }

    private static func start(
        _ core: NameAuthority, _ thread: StoreThread, _ configuration: NameServerConfiguration,
        _ log: @escaping Log
    ) async throws -> NameServer {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        do {
            let responder = try await loop.submit {
                NIOLoopBound(
                    NameResponder(core: core, loop: loop, log: log) { batch in
                        thread.commit(batch, on: loop)
                    }, eventLoop: loop)
            }.get()
            let server = try await LineServer.start(
                at: configuration.endpoint, limits: configuration.limits, on: group
            ) { _ in responder.value }
            return NameServer(
                server: server, responder: responder, store: thread, group: group,
                epoch: core.epoch)
        } catch {
            await shutDown(group)
            throw error
        }
    }

    /// Answers what is in flight, commits what has changed, and closes the store.
    public func shutDown() async {
        await server.shutDown()
        let loop = server.eventLoop
        let rest = loop.flatSubmit { [responder] in responder.value.finish() }
        // The batch that fails here is lost with its answers, and the log has told why.
        _ = try? await rest.get()
        await NameServer.shutDown(group)
        await store.close { _, _ in }
    }

    private static func shutDown(_ group: MultiThreadedEventLoopGroup) async {
        await withCheckedContinuation { continuation in
            // Threads that do not stop are ended with the process.
            group.shutdownGracefully { _ in continuation.resume() }
        }
    }
}

/// Why a name server does not start.
public struct NameServerError: Error, CustomStringConvertible {
    /// A sentence for the operator.
    public let description: String

    /// Says what is wrong and what to do.
    public init(_ description: String) { self.description = description }
}
