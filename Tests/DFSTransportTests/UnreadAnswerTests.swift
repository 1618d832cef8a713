import DFSProtocol
import NIOCore
import NIOEmbedded
import NIOPosix
import Testing

@testable import DFSTransport

/// Answers that were given and that the peer has not taken yet when its connection ends.
struct UnreadAnswerTests {
    /// A connection whose peer takes nothing until the dam is opened.
    private func dammed(limits: Limits = Limits()) throws -> (EmbeddedServer, Dam) {
        let server = try EmbeddedServer(limits: limits)
        _ = try server.output()
        let dam = Dam()
        try server.channel.pipeline.syncOperations.addHandler(dam, position: .first)
        return (server, dam)
    }

    @Test func `quit drops no answer that is on its way, however long the peer takes`() throws {
        let (server, dam) = try dammed()

        try server.type("STAT /a\nQUIT\n")
        server.channel.embeddedEventLoop.advanceTime(by: .seconds(60))
        #expect(server.channel.isActive)
        dam.open(server.channel)

        #expect(try server.output() == "OK type=file\nOK bye\n")
        #expect(!server.channel.isActive)
    }

    @Test func `a half-close behind quit drops no answer either`() throws {
        let (server, dam) = try dammed()

        try server.type("STAT /a\nQUIT\n")
        server.halfClose()
        #expect(server.channel.isActive)
        dam.open(server.channel)

        #expect(try server.output() == "OK type=file\nOK bye\n")
        #expect(!server.channel.isActive)
    }

    @Test func `a half-closed peer that takes nothing is closed after the idle time`() throws {
        let (server, _) = try dammed()
        try server.type("STAT /a\n")
        server.halfClose()

        server.sweep(times: 600)
        #expect(server.channel.isActive)
        server.sweep(times: 2)

        #expect(!server.channel.isActive)
    }

    @Test func `a peer that takes its answers slowly is not closed`() throws {
        let (server, dam) = try dammed()
        try server.type("STAT /a\n")
        server.halfClose()
        server.sweep(times: 600)

        // The system has taken a part: another number of bytes is left.
        server.connection.lastUnsent += 1
        server.sweep(times: 600)

        #expect(server.channel.isActive)
        dam.open(server.channel)
        #expect(!server.channel.isActive)
    }

    @Test func `a peer that holds something may leave its answers unread`() throws {
        let (server, _) = try dammed()
        server.connection.staysOpen = true
        try server.type("STAT /a\n")
        server.channel.isWritable = false

        server.sweep(times: 1200)

        #expect(server.channel.isActive)
    }

    @Test func `a peer that holds nothing and takes nothing is closed after the idle time`() throws
    {
        let (server, _) = try dammed()
        try server.type("READ h1 1\nSTAT /a\nREAD h1 2\n")
        server.channel.isWritable = false
        server.responder.release()

        server.sweep(times: 602)

        #expect(!server.channel.isActive)
    }

    @Test func `what a peer left unread once does not count against it later`() throws {
        let (server, _) = try dammed()
        // The second request runs all the while: the peer is not idle.
        try server.type("STAT /a\nREAD h1 1\n")
        server.channel.isWritable = false
        server.sweep(times: 2)
        server.channel.isWritable = true
        server.sweep(times: 602)
        #expect(server.channel.isActive)

        server.channel.isWritable = false
        server.sweep(times: 1)

        #expect(server.channel.isActive)
    }

    @Test func `a script that ends in quit gets every byte through a real socket`() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        // More than the system keeps for a peer with a small buffer, less than the server keeps.
        let (size, count) = (1_048_576, 7)
        var limits = Limits()
        limits.lingerMilliseconds = 1
        let server = try await LineServer.start(
            at: Endpoint(host: "127.0.0.1", port: 0), limits: limits, on: group
        ) { _ in GivingResponder(size: size) }
        let client = try await ClientBootstrap(group: group)
            .channelOption(.socketOption(.so_rcvbuf), value: 4096)
            .connect(host: server.endpoint.host, port: Int(server.endpoint.port)) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }

        let script = String(repeating: "FETCH /a\n", count: count) + "QUIT\n"
        let received = try await client.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: script))
            outbound.finish()
            // Whatever the server does at the half-close it has done once it answers behind it.
            for _ in 0..<5 { try await Self.ask(server.endpoint, on: group) }
            var received = ByteBuffer()
            for try await part in inbound { received.writeImmutableBuffer(part) }
            return received
        }

        let answer = "OK {\(size)}\n".utf8.count + size + 1
        let text = String(buffer: received)
        let greeting = text.prefix { $0 != "\n" }.utf8.count + 1
        #expect(received.readableBytes == greeting + count * answer + "OK bye\n".utf8.count)
        #expect(text.hasSuffix("\nOK bye\n"))
        await server.shutDown()
    }

    private static func ask(_ endpoint: Endpoint, on group: any EventLoopGroup) async throws {
        let other = try await LineConnection.open(to: endpoint, timeout: .seconds(20), on: group)
        _ = try await other.send(ClientRequest(.ping), timeout: .seconds(20))
        await other.close()
    }
}

/// A file server's role that answers every FETCH at once, with as many bytes as it was told.
private final class GivingResponder: RequestResponder {
    let role = Role.file
    private let bytes: ByteBuffer

    init(size: Int) { bytes = ByteBuffer(repeating: UInt8(ascii: "x"), count: size) }

    func writeGreeting(into line: inout LineWriter) {}
    func answerInPlace(
        _ bytes: Span<UInt8>, lineBytes: Int, into replies: inout LineWriter
    ) -> Int { 0 }
    func connectionOpened(_ connection: ServerConnection) {}
    func connectionClosed(_ connection: ServerConnection) {}
    func cancelled(_ exchange: Exchange) {}

    func receive(_ request: Request, payload: ByteBuffer?, _ exchange: Exchange) {
        var head = LineWriter()
        head.begin(tag: request.tag)
        head.append("OK")
        head.end(literal: bytes.readableBytes)
        exchange.finish(head, payload: bytes)
    }
}
