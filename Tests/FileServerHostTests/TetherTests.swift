import DFSProtocol
import DFSTransport
import FileService
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import FileServerHost

/// The link to the name server, as it meets sockets and threads.
struct TetherTests {
    private func tethered(_ server: DeskServer, to endpoint: Endpoint) async throws {
        let link = Link.Configuration(
            id: try #require(ServerID("fs1")), mounts: server.store.mounts,
            address: server.server.endpoint, epoch: 1, nameServers: [endpoint], seed: 1)
        let desk = server.desk
        try await server.loop.submit {
            let tether = LinkTether(link, desk: desk.value, failed: { _ in })
            desk.value.tether = tether
            tether.start(patience: .seconds(60)).whenComplete { _ in }
        }.get()
    }

    private func stop(_ server: DeskServer) async throws {
        let desk = server.desk
        try await server.loop.flatSubmit {
            desk.value.tether?.stop() ?? desk.eventLoop.makeSucceededVoidFuture()
        }.get()
    }

    @Test func `a connection that stands when nobody wants it any more is closed`() async throws {
        let server = try await DeskServer()
        let accepted = server.loop.makePromise(of: (any Channel).self)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                accepted.succeed(channel)
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(listener.localAddress?.port.flatMap(UInt16.init(exactly:)))
        try await tethered(server, to: Endpoint(host: "127.0.0.1", port: port))
        let channel = try await accepted.futureResult.get()

        try await stop(server)
        try await channel.writeAndFlush(ByteBuffer(string: "OK DFS/1 role=name id=ns1\n"))

        #expect(try await server.reaches { _ in !channel.isActive })
        try await listener.close()
        try await server.stop()
    }
}

extension TetherTests {
    @Test func `a file is not copied over itself`() async throws {
        let server = try await DeskServer()
        let names = try await LineServer.start(
            at: Endpoint(host: "127.0.0.1", port: 0), on: MultiThreadedEventLoopGroup.singleton
        ) { _ in OrderingResponder(removals: 0) }
        try await tethered(server, to: names.endpoint)
        #expect(try await server.reaches { $0.core.link.state == .registered })
        let client = try await server.connect()
        var request = ClientRequest(.pull)
        request.operand("/a")
        request.option("source", "/a")

        let error = await #expect(throws: ConnectionError.self) {
            try await client.send(request, timeout: DeskServer.patience)
        }

        guard case .refused(let refusal)? = error else { throw UnexpectedOutcome() }
        #expect(refusal.code == "bad-argument")
        await client.close()
        try await stop(server)
        try await server.stop()
        await names.shutDown()
    }

    @Test func `a start that fails brings the store to rest`() async throws {
        let store = StallingStore()
        let closed = Atomic(0)
        let configuration = FileServer.Configuration(
            id: try #require(ServerID("fs1")), epoch: 1,
            listen: Endpoint(host: "192.0.2.1", port: 0), nameServers: [])

        await #expect(throws: FileServerError.self) {
            _ = try await FileServer.start(
                configuration, store: store, changes: store,
                closing: { closed.add(1, ordering: .relaxed) }, log: { _ in }, failed: { _ in })
        }

        #expect(closed.load(ordering: .relaxed) == 1)
    }
}

/// A name server that knows every file server and wants many removals of it at once.
private final class OrderingResponder: RequestResponder {
    let role = Role.name
    private let removals: Int

    init(removals: Int) { self.removals = removals }

    func writeGreeting(into line: inout LineWriter) { line.append(" id=ns1") }
    func answerInPlace(
        _ bytes: Span<UInt8>, lineBytes: Int, into replies: inout LineWriter
    ) -> Int { 0 }
    func connectionOpened(_ connection: ServerConnection) {}
    func connectionClosed(_ connection: ServerConnection) {}
    func cancelled(_ exchange: Exchange) {}

    func receive(_ request: Request, payload: ByteBuffer?, _ exchange: Exchange) {
        var reply = LineWriter()
        reply.begin(tag: request.tag)
        reply.append("OK next=1000 suspect=60000 down=60000 inventory=since gen=0")
        // Also the answer to LOCATE: everything is here.
        reply.append(" server=fs1 addr=127.0.0.1:1")
        reply.end()
        exchange.finish(reply)
        guard request.verb == .register, removals > 0 else { return }
        for number in 1...removals {
            var order = LineWriter()
            order.append(raw: [UInt8]("! remove op=\(number) path=/f\(number)".utf8))
            order.end()
            exchange.connection.notify(order)
        }
    }
}
