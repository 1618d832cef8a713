import DFSProtocol
import DFSTransport
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import FileServerHost
@testable import FileService

/// How the desk carries actions out, and what it keeps meanwhile.
struct DeskTests {
    @Test func `a chain of connections that go on by each other fills no stack`() async throws {
        let short = try await stackDepth(ofChain: 2)
        let long = try await stackDepth(ofChain: 40)

        #expect(long == short)
    }

    /// Where the stack stands when the last of so many connections has its turn.
    ///
    /// Each follows a file that is not watched yet, and then kills the session of the next one,
    /// which ends that one's FOLLOW.
    private func stackDepth(ofChain count: Int) async throws -> UInt {
        let place = Mutex<UInt>(0)
        let here: @Sendable () -> UInt = {
            var local: UInt8 = 0
            return withUnsafeMutablePointer(to: &local) { UInt(bitPattern: $0) }
        }
        let server = try await DeskServer {
            place.withLock { $0 = here() }
            return WallTime(seconds: 1)
        }
        var chain: [any Channel] = []
        for _ in 0..<count { chain.append(try await server.connectRaw()) }
        for channel in chain { try await channel.writeAndFlush(ByteBuffer(string: "OPEN /f r\n")) }
        #expect(try await server.reaches { $0.core.sessions.count == count })
        server.store.watches.shut()
        for (index, channel) in chain.enumerated() {
            let next =
                index + 1 == count ? "SETATTR /f mtime=now" : "KILL c\(index + 2).h1"
            try await channel.writeAndFlush(ByteBuffer(string: "@1 FOLLOW h1 0\n\(next)\n"))
        }
        #expect(try await server.reaches { $0.pending.count == count })

        let killer = try await server.connect()
        // The same request on its own, as deep as the first one of a chain.
        _ = try await killer.ask(.setAttributes, "/f", mtime: "now")
        let base = place.withLock { place in
            defer { place = 0 }
            return place
        }
        _ = try await killer.ask(.kill, "c1.h1")
        #expect(try await server.reaches { _ in place.withLock { $0 } != 0 })

        await killer.close()
        for channel in chain { try await channel.close() }
        try await server.stop()
        return base - place.withLock { $0 }
    }

    @Test func `an answer that waits for the name server keeps no payload`() async throws {
        let server = try await DeskServer()
        let desk = server.desk
        try await server.loop.submit {
            desk.value.linkChanged(LinkSummary(state: .registered))
        }.get()
        let client = try await server.connect()

        async let stored = client.ask(
            .store, "/f", payload: ByteBuffer(repeating: 0, count: 1_048_576))
        #expect(try await server.reaches { !$0.core.waits.isEmpty })
        let kept = try await server.loop.submit { desk.value.pending.values.map(\.payload) }.get()

        #expect(kept == [nil])
        try await server.loop.submit { desk.value.linkLost() }.get()
        _ = try await stored
        await client.close()
        try await server.stop()
    }

    @Test func `following and cancelling in a loop fills no queue`() async throws {
        let server = try await DeskServer()
        server.store.watches.shut()
        let client = try await Conversation(with: server.server.endpoint)

        try await client.talk { send, answer in
            try await send("OPEN /f r\n")
            _ = try await answer("OK h=h1")
            try await send(String(repeating: "@1 FOLLOW h1 0\nCANCEL @1\n", count: 100))
            try await send("PING end\n")
            let answers = try await answer("OK end")
            let begun = answers.matches(of: /@1 ERR cancelled/).count
            let refused = answers.matches(of: /@1 ERR busy/).count
            #expect(begun == Limits().taggedRequests)
            #expect(refused == 100 - begun)
        }
        server.store.watches.open()

        #expect(try await server.reaches { $0.core.watchStarts.count == 0 })
        // Those that no thread had begun with are not begun any more.
        #expect(server.store.watches.count <= 4)
        try await server.stop()
    }

    @Test func `a copy without a link is refused`() async throws {
        let server = try await DeskServer()
        let desk = server.desk
        try await server.loop.submit {
            desk.value.linkChanged(LinkSummary(state: .connecting))
        }.get()
        let client = try await server.connect()
        var request = ClientRequest(.pull)
        request.operand("/a")
        request.option("source", "/b")

        let error = await #expect(throws: ConnectionError.self) {
            try await client.send(request, timeout: DeskServer.patience)
        }

        guard case .refused(let refusal)? = error else { throw UnexpectedOutcome() }
        #expect(refusal.code == "server-down")
        await client.close()
        try await server.stop()
    }
}

extension DeskTests {
    @Test func `an export whose disk stalls holds up no other`() async throws {
        let store = StallingStore(mounts: [try TreePath("/a"), try TreePath("/b")])
        let server = try await DeskServer(store: store)
        store.looks[0].shut()
        let stalled = try await server.connectRaw()
        let asked = (1...20).map { "@\($0) STAT /a/f\n" }.joined()
        try await stalled.writeAndFlush(ByteBuffer(string: asked))
        #expect(try await server.reaches { $0.pending.count == 20 && store.looks[0].waiting >= 4 })

        let client = try await server.connect()
        let reply = try await client.ask(.stat, "/b/f")

        #expect(reply.final.text("type") == "file")
        #expect(store.looks[0].waiting == 4)
        store.looks[0].open()
        try await stalled.close()
        await client.close()
        try await server.stop()
    }
}

struct UnexpectedOutcome: Error {}

/// A connection that sends text and reads until something was said.
struct Conversation {
    private let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>

    init(with endpoint: Endpoint) async throws {
        channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: endpoint.host, port: Int(endpoint.port)) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                }
            }
    }

    /// Runs a talk and closes the connection.
    ///
    /// `answer` gives everything that was said up to a line with the text, since the last one.
    func talk(
        _ body: (
            _ send: (String) async throws -> Void, _ answer: (String) async throws -> String
        ) async throws -> Void
    ) async throws {
        try await channel.executeThenClose { inbound, outbound in
            var parts = inbound.makeAsyncIterator()
            var said = ""
            try await body(
                { text in try await outbound.write(ByteBuffer(string: text)) },
                { text in
                    while !said.contains(text) {
                        guard let part = try await parts.next() else { throw UnexpectedOutcome() }
                        said += String(buffer: part)
                    }
                    defer { said = "" }
                    return said
                })
        }
    }
}
