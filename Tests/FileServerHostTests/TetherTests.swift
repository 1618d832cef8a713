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

    @Test func `reads stand behind no removal`() async throws {
        let server = try await DeskServer()
        server.store.removals.shut()
        let names = try await LineServer.start(
            at: Endpoint(host: "127.0.0.1", port: 0), on: MultiThreadedEventLoopGroup.singleton
        ) { _ in OrderingResponder(removals: 100) }
        try await tethered(server, to: names.endpoint)
        let store = server.store
        // As many as there are threads for them; the others wait in their queue.
        #expect(
            try await server.reaches { _ in
                store.removals.waiting == StoragePool.flushThreads
            })

        let client = try await server.connect()
        let reply = try await client.ask(.stat, "/f")

        #expect(reply.final.text("type") == "file")
        #expect(store.removals.waiting == StoragePool.flushThreads)
        store.removals.open()
        #expect(try await server.reaches { _ in store.removals.count == 100 })
        await client.close()
        try await stop(server)
        try await server.stop()
        await names.shutDown()
    }

    @Test func `a start that fails leaves the clients that have come already`() async throws {
        let store = StallingStore()
        let gate = Gate()
        gate.shut()
        let address = Mutex<String?>(nil)
        let names = try await LineServer.start(
            at: Endpoint(host: "127.0.0.1", port: 0), on: MultiThreadedEventLoopGroup.singleton
        ) { loop in
            RefusingResponder(loop) { told in
                address.withLock { $0 = told }
                gate.pass()
            }
        }
        let configuration = FileServer.Configuration(
            id: try #require(ServerID("fs1")), epoch: 1,
            listen: Endpoint(host: "127.0.0.1", port: 0), nameServers: [names.endpoint])
        let hasFailed = Atomic(false)
        let starting = Task {
            let server = try? await FileServer.start(
                configuration, store: store, changes: store, log: { _ in }, failed: { _ in })
            hasFailed.store(true, ordering: .releasing)
            try await server?.shutDown()
            return server == nil
        }
        #expect(try await reaches { address.withLock { $0 } != nil })
        let endpoint = try Endpoint(address.withLock { $0 } ?? "")
        let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: endpoint.host, port: Int(endpoint.port)).get()
        try await client.writeAndFlush(ByteBuffer(string: "DIGEST /endless\n"))
        #expect(try await reaches { store.digests.count == 1 })

        gate.open()

        #expect(try await reaches { hasFailed.load(ordering: .acquiring) })
        // Closed by the server by now; where it was not, this lets the start end.
        client.close(promise: nil)
        #expect(try await starting.value)
        await names.shutDown()
    }

    /// Waits for something that other threads bring about; false where it does not come.
    private func reaches(_ isSo: () -> Bool) async throws -> Bool {
        let end = ContinuousClock.now + DeskServer.patience
        while ContinuousClock.now < end {
            if isSo() { return true }
            await Task.yield()
        }
        return false
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

/// A name server that refuses every file server for good, when it is let.
private final class RefusingResponder: RequestResponder {
    let role = Role.name
    private let loop: any EventLoop
    private let registered: @Sendable (String) -> Void

    /// - Parameter registered: Gets the address that was told; REGISTER is refused when it returns.
    init(_ loop: any EventLoop, registered: @escaping @Sendable (String) -> Void) {
        self.loop = loop
        self.registered = registered
    }

    func writeGreeting(into line: inout LineWriter) { line.append(" id=ns1") }
    func answerInPlace(
        _ bytes: Span<UInt8>, lineBytes: Int, into replies: inout LineWriter
    ) -> Int { 0 }
    func connectionOpened(_ connection: ServerConnection) {}
    func connectionClosed(_ connection: ServerConnection) {}
    func cancelled(_ exchange: Exchange) {}

    func receive(_ request: Request, payload: ByteBuffer?, _ exchange: Exchange) {
        guard request.verb == .register else {
            var reply = LineWriter()
            reply.begin(tag: request.tag)
            reply.append("OK version=1")
            reply.end()
            return exchange.finish(reply)
        }
        let address = String(decoding: request.option("addr") ?? [], as: UTF8.self)
        let (registered, answering) = (registered, NIOLoopBound(exchange, eventLoop: loop))
        NIOThreadPool.singleton.runIfActive(eventLoop: loop) { registered(address) }
            .assumeIsolated().whenComplete { _ in
                answering.value.fail(RequestError(.staleEpoch, "another one has this id"))
            }
    }
}
