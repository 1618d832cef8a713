import DFSProtocol
import DFSTransport
import FileService
import NIOCore
import NIOPosix
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

    @Test func `reads stand behind no removal of the name server`() async throws {
        let server = try await DeskServer()
        server.store.removals.shut()
        let names = try await LineServer.start(
            at: Endpoint(host: "127.0.0.1", port: 0), on: MultiThreadedEventLoopGroup.singleton
        ) { _ in OrderingResponder(removals: 20) }
        try await tethered(server, to: names.endpoint)
        let store = server.store
        #expect(try await server.reaches { _ in store.removals.waiting >= 4 })

        let client = try await server.connect()
        let reply = try await client.ask(.stat, "/a")

        #expect(reply.final.text("type") == "file")
        #expect(store.removals.waiting > 4)
        await client.close()
        store.removals.open()
        try await stop(server)
        try await server.stop()
        await names.shutDown()
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
        reply.end()
        exchange.finish(reply)
        guard request.verb == .register else { return }
        for number in 1...removals {
            var order = LineWriter()
            order.append(raw: [UInt8]("! remove op=\(number) path=/f\(number)".utf8))
            order.end()
            exchange.connection.notify(order)
        }
    }
}
