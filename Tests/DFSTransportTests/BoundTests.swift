import DFSProtocol
import NIOCore
import NIOEmbedded
import Testing

@testable import DFSTransport

/// What one connection may cost the server and the other connections.
struct BoundTests {
    private func served(limits: Limits = Limits()) throws -> EmbeddedServer {
        let server = try EmbeddedServer(limits: limits)
        _ = try server.output()
        return server
    }

    @Test func `requests that may answer more than is kept unsent do not run together`() throws {
        let server = try served()

        for number in 1...20 { try server.type("@\(number) READ h1 0 1048576\n") }
        #expect(server.responder.held.count == 8)
        server.responder.release()

        #expect(server.responder.held.count == 8)
        #expect(server.responder.held.last?.exchange.tag == Tag(number: 9))
        for _ in 2...20 { server.responder.release() }
        #expect(try server.output().split(separator: "\n").count == 20)
    }

    @Test func `what is answered and not taken counts as well`() throws {
        let server = try served()
        let dam = Dam()
        try server.channel.pipeline.syncOperations.addHandler(dam, position: .first)
        for number in 1...9 { try server.type("@\(number) READ h1 0 1048576\n") }

        server.responder.release(payload: ByteBuffer(repeating: 0, count: 1_048_576))
        #expect(server.responder.held.count == 7)
        server.responder.release()

        #expect(server.responder.held.count == 7)
        #expect(server.responder.held.last?.exchange.tag == Tag(number: 9))
    }

    @Test(arguments: ["FETCH /a", "FETCH /a 0 9999999", "READ h1 9999999 as=text"])
    func `the bytes of a request count wherever they are asked for`(request: String) throws {
        var limits = Limits()
        limits.unsentBytes = limits.payloadBytes * 2
        let server = try served(limits: limits)

        for number in 1...5 { try server.type("@\(number) \(request)\n") }

        #expect(server.responder.held.count == 2)
    }

    @Test func `a cancelled request makes room for the next one`() throws {
        var limits = Limits()
        limits.unsentBytes = limits.payloadBytes
        let server = try served(limits: limits)
        try server.type("@1 FETCH /a\n@2 FETCH /a\n")
        #expect(server.responder.held.count == 1)

        try server.type("CANCEL @1\n")

        #expect(server.responder.held.last?.exchange.tag == Tag(number: 2))
    }

    @Test func `a small payload does not keep the bytes that came with it`() throws {
        let server = try served()

        try server.type(String(repeating: "# none\n", count: 50_000) + "WRITE h1 0 {1}\nx\n")

        let payload = try #require(server.responder.held.first?.payload)
        #expect(payload == ByteBuffer(string: "x"))
        #expect(payload.storageCapacity < 1024)
    }

    @Test func `a request that waits counts with every operand`() throws {
        let server = try served()
        try server.type("READ h1 1\n")

        try server.type("PING" + String(repeating: " a", count: 32_765) + "\n")

        #expect(!server.connection.isReading)
        server.responder.release()
        #expect(server.connection.isReading)
    }

    @Test func `a busy peer leaves the loop to others between its requests`() throws {
        let server = try served()
        let count = ServerShared.turnRequests * 3 + 1

        try server.type(String(repeating: "PING\n", count: count))
        let first = try server.output()
        #expect(!server.connection.isReading)
        server.channel.embeddedEventLoop.advanceTime(by: ServerShared.pauseBetweenTurns)
        let second = try server.output()
        for _ in 0..<4 {
            server.channel.embeddedEventLoop.advanceTime(by: ServerShared.pauseBetweenTurns)
        }

        let turn = String(repeating: "OK\n", count: ServerShared.turnRequests)
        #expect(first == turn)
        #expect(second == turn)
        #expect(try server.output() == turn + "OK\n")
        #expect(server.connection.isReading)
    }

    @Test func `long answers end a turn early`() throws {
        let server = try served()

        try server.type(String(repeating: "HELP\n", count: ServerShared.turnRequests))

        let bytes = try server.output().utf8.count
        #expect(bytes >= ServerShared.turnBytes)
        #expect(bytes < ServerShared.turnBytes + 16_384)
    }

    @Test func `a busy peer that half-closes gets every answer`() throws {
        let server = try served()
        let count = ServerShared.turnRequests * 4

        try server.type(String(repeating: "PING\n", count: count))
        server.halfClose()
        for _ in 0..<5 {
            server.channel.embeddedEventLoop.advanceTime(by: ServerShared.pauseBetweenTurns)
        }

        #expect(try server.output() == String(repeating: "OK\n", count: count))
        #expect(!server.channel.isActive)
    }

    @Test func `notices go on when the answer that held them is cancelled`() throws {
        let server = try served()
        try server.type("HELLO 1 caps=push\n@1 LIST /a\n")
        _ = try server.output()
        let exchange = try #require(server.responder.held.first?.exchange)
        var item = LineWriter()
        item.begin(tag: exchange.tag)
        item.append("* file\n")
        exchange.send(item)
        var notice = LineWriter()
        notice.append("! change\n")
        server.connection.notify(notice)
        #expect(try server.output() == "@1 * file\n")

        try server.type("CANCEL @1\n")

        #expect(
            try server.output()
                == "@1 ERR cancelled \"cancelled as asked\"\n! change\nOK\n")
    }

    @Test func `what answers no bytes of a file passes reads that wait for room`() throws {
        var limits = Limits()
        limits.unsentBytes = limits.payloadBytes
        let server = try served(limits: limits)
        try server.type("@1 READ h1 0 1048576\n@2 READ h1 0 1048576\n@3 READ h1 0 131072\n")
        #expect(server.responder.held.count == 1)

        try server.type("@4 PING\n@5 RENEW h1\n")

        #expect(try server.output() == "@4 OK\n")
        #expect(server.responder.held.map(\.request.verb) == [.read, .renew])
        // A small read does not go before a large one: that could wait for ever.
        server.responder.release()
        #expect(server.responder.held.last?.exchange.tag == Tag(number: 2))
    }

    @Test func `what waits behind an untagged request passes no read`() throws {
        var limits = Limits()
        limits.unsentBytes = limits.payloadBytes
        let server = try served(limits: limits)
        try server.type("@1 READ h1 0 1048576\n@2 READ h1 0 1048576\nPING one\n@3 PING\n")

        #expect(try server.output().isEmpty)
        server.responder.release()
        #expect(try server.output() == "@1 OK\n")
        server.responder.release()
        #expect(try server.output() == "@2 OK\nOK one\n@3 OK\n")
    }

    @Test func `what came to wait behind a read passes it once it may`() throws {
        var limits = Limits()
        limits.unsentBytes = limits.payloadBytes
        let server = try served(limits: limits)
        try server.type("STORE /a {1}\nx\n@1 READ h1 0 1048576\n@2 READ h1 0 131072\n@3 PING\n")
        #expect(try server.output().isEmpty)

        server.responder.release()

        #expect(try server.output() == "OK\n@3 OK\n")
        #expect(server.responder.held.count == 1)
    }

    @Test func `an answer of many short lines ends where their parts take too much`() throws {
        let channel = EmbeddedChannel()
        let greeted = channel.eventLoop.makePromise(of: ReplyLine.self)
        let reader = ReplyReader(
            channel: channel, limits: Limits(), greeted: greeted, signs: SignsOfLife(), trace: nil,
            notices: nil, answerLimitBytes: 10_000)
        try channel.pipeline.syncOperations.addHandler(reader)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 4711)).wait()
        try channel.writeInbound(ByteBuffer(string: "OK DFS/1\n"))
        let answered = channel.eventLoop.makePromise(of: Reply.self)
        reader.send(
            ClientRequest(.list), RequestTicket(), answered, until: Patience(.seconds(600)))

        // 20 bytes a line, of 200 lines.
        try channel.writeInbound(
            ByteBuffer(string: String(repeating: "* a=1 b=2 c=3 d=4 e\n", count: 200)))
        channel.embeddedEventLoop.run()

        // Else nobody would ever answer.
        try #require(!channel.isActive)
        #expect(throws: ConnectionError.self) { try answered.futureResult.wait() }
        _ = try greeted.futureResult.wait()
    }
}
