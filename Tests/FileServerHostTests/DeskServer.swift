import DFSProtocol
import DFSTransport
import FileService
import NIOCore
import NIOPosix
import Testing

@testable import FileServerHost

/// A file server on loopback with a disk that the test holds up, and no name server.
final class DeskServer: Sendable {
    let store: StallingStore
    let server: LineServer
    let desk: NIOLoopBound<FileDesk>
    let pool: StoragePool
    private let group: MultiThreadedEventLoopGroup

    static let patience = Duration.seconds(20)

    var loop: any EventLoop { server.eventLoop }

    /// - Parameters:
    ///   - clock: Asked on the server's loop, in the middle of `SETATTR mtime=now`.
    init(
        store: StallingStore = StallingStore(),
        clock: @escaping @Sendable () -> WallTime = { WallTime(seconds: 1) }
    ) async throws {
        self.store = store
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let pool = StoragePool(store: store, changes: store)
        var configuration = FileServerCore.Configuration(
            id: try #require(ServerID("fs1")), epoch: 1, mounts: store.mounts,
            startedAt: .now, wallClock: clock, newToken: SessionToken.random)
        configuration.reportPatienceMilliseconds = 600_000
        let loop = group.next()
        let desk = try await loop.submit { [configuration] in
            NIOLoopBound(
                FileDesk(configuration, pool: pool, on: loop, log: { _ in }), eventLoop: loop)
        }.get()
        self.group = group
        self.pool = pool
        self.desk = desk
        server = try await LineServer.start(
            at: Endpoint(host: "127.0.0.1", port: 0), on: group
        ) { _ in desk.value }
    }

    func connect() async throws -> LineConnection {
        try await LineConnection.open(
            to: server.endpoint, timeout: DeskServer.patience, on: group)
    }

    /// Connects without a word; what the server says is dropped.
    func connectRaw() async throws -> any Channel {
        try await ClientBootstrap(group: group)
            .connect(host: server.endpoint.host, port: Int(server.endpoint.port)).get()
    }

    /// Waits for something on the server's loop; false where it does not come.
    func reaches(_ isSo: @escaping @Sendable (FileDesk) -> Bool) async throws -> Bool {
        let end = ContinuousClock.now + DeskServer.patience
        while ContinuousClock.now < end {
            let desk = desk
            if try await loop.submit({ isSo(desk.value) }).get() { return true }
            await Task.yield()
        }
        return false
    }

    func stop() async throws {
        for gate in [store.removals, store.watches] + store.looks { gate.open() }
        await server.shutDown()
        let desk = desk
        try await loop.flatSubmit {
            desk.value.linkLost()
            return desk.value.idle()
        }.get()
        try await pool.shutDown()
        try await group.shutdownGracefully()
    }
}

extension LineConnection {
    /// Asks by verb and operands, with a tag where the request may run beside others.
    func ask(
        _ verb: Verb, _ operands: String..., tagged: Bool = false, mtime: String? = nil,
        payload: ByteBuffer? = nil
    ) async throws -> Reply {
        var request = ClientRequest(verb, tagged: tagged)
        for operand in operands { request.operand([UInt8](operand.utf8)) }
        if let mtime { request.option("mtime", mtime) }
        request.payload = payload
        return try await send(request, timeout: DeskServer.patience)
    }
}
