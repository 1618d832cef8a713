import DFSProtocol
import NIOCore
import NIOEmbedded
import Testing

@testable import DFSTransport

struct ServerConnectionTests {
    private static let greeting =
        "OK DFS/1 role=file id=fs1 epoch=4 auth=none max-line=65536 max-data=1048576\n"

    private func served(limits: Limits = Limits()) throws -> EmbeddedServer {
        let server = try EmbeddedServer(limits: limits)
        _ = try server.output()
        return server
    }

    @Test func `the server speaks first`() throws {
        let server = try EmbeddedServer()

        let greeting = try server.output()

        #expect(greeting == Self.greeting)
        #expect(server.responder.opened == [server.connection.id])
    }

    @Test func `a pipeline answered in place leaves in one write`() throws {
        let server = try served()

        try server.type(String(repeating: "STAT /a\n", count: 100))

        let first = try #require(try server.channel.readOutbound(as: ByteBuffer.self))
        #expect(String(buffer: first) == String(repeating: "OK type=file\n", count: 100))
        #expect(try server.channel.readOutbound(as: ByteBuffer.self) == nil)
        #expect(server.responder.answeredInPlace == 100)
    }

    @Test func `an answer in the turn of another connection takes nothing of its answers along`()
        throws
    {
        let client = try served()
        let other = try EmbeddedServer(beside: client)
        _ = try other.output()
        try client.type("READ h1 1\n")
        client.halfClose()

        try other.type("STAT /a\nHANDLES\nSTAT /b\n")

        #expect(try client.output() == "OK \"of another\"\n")
        #expect(try other.output() == "OK type=file\nOK type=file\nOK type=file\n")
    }

    @Test func `a connection that goes on in the turn of another keeps the answers apart`() throws {
        var limits = Limits()
        limits.waitingRequests = 1
        let client = try served(limits: limits)
        let other = try EmbeddedServer(beside: client)
        _ = try other.output()
        try client.type("READ h1 1\nSTAT /a\nSTAT /a\nSTAT /a\n")

        try other.type("STAT /a\nHANDLES\nSTAT /b\n")

        let file = "OK type=file\n"
        #expect(try client.output() == "OK \"of another\"\n" + file + file + file)
        #expect(try other.output() == file + file + file)
    }

    @Test func `untagged requests run one after another`() throws {
        let server = try served()

        try server.type("READ h1 1\nSTAT /a\nREAD h1 2\n")

        #expect(server.responder.held.count == 1)
        #expect(try server.output() == "")
        server.responder.release("first")
        #expect(try server.output() == "OK first\nOK type=file\n")
        server.responder.release("second")
        #expect(try server.output() == "OK second\n")
    }

    @Test func `tagged requests run together and finish in any order`() throws {
        let server = try served()

        try server.type("@1 READ h1 0 1\n@2 READ h1 1 1\n@3 STAT /a\n")

        #expect(server.responder.held.count == 2)
        #expect(try server.output() == "@3 OK type=file\n")
        let first = server.responder.held[0].exchange
        server.responder.held[1].exchange.fail(RequestError(.io, "x"))
        first.fail(RequestError(.io, "y"))
        #expect(try server.output() == "@2 ERR io \"x\"\n@1 ERR io \"y\"\n")
    }

    @Test func `an untagged request waits for earlier tagged ones and holds back later ones`()
        throws
    {
        let server = try served()

        try server.type("@1 READ h1 0 1\nSTAT /a\n@2 STAT /b\n")

        #expect(try server.output() == "")
        server.responder.release()
        #expect(try server.output() == "@1 OK\nOK type=file\n@2 OK type=file\n")
    }

    @Test func `sixty-four tagged requests run and the next one waits`() throws {
        let server = try served()

        for number in 1...65 { try server.type("@\(number) READ h1 0 1\n") }

        #expect(server.responder.held.count == 64)
        server.responder.release()
        #expect(server.responder.held.last?.exchange.tag == Tag(number: 65))
    }

    @Test func `a tag in flight is not used again`() throws {
        let server = try served()

        try server.type("@1 READ h1 0 1\n@1 READ h1 0 1\n")

        #expect(
            try server.output()
                == "@1 ERR bad-tag \"a request with this tag is still in flight\"\n")
    }

    @Test func `cancel waits for nothing and answers twice`() throws {
        let server = try served()

        try server.type("READ h1 1\n@7 READ h1 0 1\nCANCEL @7\nCANCEL @7\n")

        let output = try server.output()
        #expect(
            output.hasPrefix("@7 ERR cancelled \"cancelled as asked\"\nOK\nERR not-found tag=@7 "))
        #expect(server.responder.held.count == 1)
    }

    @Test func `cancel of a running request tells the role and drops its answer`() throws {
        let server = try served()
        try server.type("@7 READ h1 0 1\n")
        let exchange = server.responder.held[0].exchange

        try server.type("CANCEL @7\n")
        server.responder.release("late")

        #expect(try server.output() == "@7 ERR cancelled \"cancelled as asked\"\nOK\n")
        #expect(server.responder.cancelledRequests == [exchange.id])
    }

    @Test func `quit answers what came before it without a tag and cancels what has one`() throws {
        let server = try served()

        try server.type("READ h1 1\nQUIT\nSTAT /a\n")
        #expect(try server.output() == "")
        server.responder.release("read")
        #expect(try server.output() == "OK read\nOK bye\n")

        let other = try served()
        try other.type("@1 READ h1 0 1\nQUIT\n")
        #expect(try other.output() == "@1 ERR cancelled \"cancelled as asked\"\nOK bye\n")
    }

    @Test func `after a half-close every complete request is answered and the rest dropped`() throws
    {
        let server = try served()

        try server.type("READ h1 1\nSTAT /a\nSTAT /incomp")
        server.halfClose()
        #expect(server.channel.isActive)
        server.responder.release()

        #expect(try server.output() == "OK\nOK type=file\n")
        #expect(!server.channel.isActive)
    }

    @Test func `the payload of an unknown verb is never executed`() throws {
        let server = try served()

        try server.type("FROB {8}\nSTAT /a\n\nSTAT /b\n")

        #expect(
            try server.output()
                == "ERR unknown-verb verb=FROB \"HELP lists the verbs\"\nOK type=file\n")
    }

    @Test func `a payload reaches the role and an answer carries one`() throws {
        let server = try served()

        try server.type("WRITE h1 0 {5}\nhe\nlo\n")
        #expect(server.responder.held[0].payload == ByteBuffer(string: "he\nlo"))
        server.responder.release("bytes", payload: ByteBuffer(string: "a\nb"))

        #expect(try server.output() == "OK bytes {3}\na\nb\n")
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\n", "ERR not-http fatal \"this port speaks DFS/1, not HTTP\"\n"),
        (
            "\u{16}\u{3}\u{1}",
            "ERR tls-on-plain fatal \"this port speaks DFS/1 in plain text, not TLS\"\n"
        ),
        (
            "STAT /a {x}\n",
            "ERR bad-framing fatal \"a line ends in {n} only where n payload bytes follow\"\n"
        ),
        (
            "@5 WRITE h1 0 {1}\nab\n",
            "@5 ERR bad-framing fatal \"a newline follows the payload, and it does not count as data\"\n"
        ),
        (
            "@6 WRITE h1 0 {99999999999}\n",
            "@6 ERR too-large fatal max=1048576 \"a payload has at most 1048576 bytes\"\n"
        ),
    ])
    func `what can not be followed is answered once and ends the connection`(
        input: String, answer: String
    ) throws {
        let server = try served()

        try server.type(input)
        try server.type("STAT /a\n")

        #expect(try server.output() == answer)
        #expect(server.responder.answeredInPlace == 0)
        server.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!server.channel.isActive)
    }

    @Test func `a line may be as long as the limit and no longer`() throws {
        let limit = Limits().lineBytes
        let server = try served()
        try server.type("PING " + String(repeating: "x", count: limit - 5) + "\r\n")
        #expect(try server.output().hasPrefix("OK xxx"))

        try server.type("PING " + String(repeating: "x", count: limit - 4) + "\n")

        #expect(try server.output().hasPrefix("ERR line-too-long fatal max=65536 "))
    }

    @Test func `a payload over the limit is dropped and the next request is served`() throws {
        let server = try served()

        try server.type("@1 WRITE h1 0 {1048577}\n")
        try server.type(String(repeating: "z", count: 1_048_577) + "\nSTAT /a\n")

        #expect(
            try server.output()
                == "@1 ERR too-large max=1048576 \"a payload has at most 1048576 bytes\"\nOK type=file\n"
        )
    }

    @Test func `the tenth malformed request in a row is the last`() throws {
        let server = try served()
        try server.type(String(repeating: "FROB\n", count: 9) + "STAT /a\n")
        _ = try server.output()
        #expect(server.channel.isActive)

        try server.type(String(repeating: "\"\n", count: 10))

        let lines = try server.output().split(separator: "\n")
        #expect(lines.count == 11)
        #expect(lines.last?.hasPrefix("ERR too-many fatal ") == true)
    }

    @Test func `refusals that are no malformed request do not count`() throws {
        let server = try served()

        try server.type(String(repeating: "READ h1\n", count: 20) + "STAT /a\n")

        #expect(try server.output().hasSuffix("OK type=file\n"))
    }

    @Test func `a peer that does not read is not read from`() throws {
        let server = try served()
        server.channel.isWritable = false

        try server.type(String(repeating: "STAT /a\n", count: 1000))

        #expect(server.responder.answeredInPlace == 0)
        #expect(!server.connection.isReading)
        server.channel.isWritable = true
        server.channel.pipeline.fireChannelWritabilityChanged()
        #expect(server.responder.answeredInPlace == 1000)
        #expect(server.connection.isReading)
    }

    @Test func `a request that waited does not start while its peer does not read`() throws {
        let server = try served()
        try server.type("READ h1 1\nREAD h1 2\n")

        server.channel.isWritable = false
        server.responder.release()

        #expect(server.responder.held.isEmpty)
        server.channel.isWritable = true
        server.channel.pipeline.fireChannelWritabilityChanged()
        #expect(server.responder.held.count == 1)
    }

    @Test func `requests are read ahead up to a limit`() throws {
        let server = try served()

        try server.type(String(repeating: "READ h1 1\n", count: 200))

        #expect(!server.connection.isReading)
        for _ in 0..<200 { server.responder.release() }
        #expect(try server.output() == String(repeating: "OK\n", count: 200))
        #expect(server.connection.isReading)
    }

    @Test func `an incomplete line is given up after its time`() throws {
        let server = try served()
        try server.type("STAT /a")
        server.sweep(times: 20)
        try server.type("b")
        server.sweep(times: 10)
        #expect(try server.output() == "")

        server.sweep(times: 1)

        #expect(try server.output().hasPrefix("ERR timeout fatal "))
    }

    @Test func `silence closes a connection unless it has a purpose`() throws {
        let idle = try served()
        let held = try served()
        held.connection.staysOpen = true

        idle.sweep(times: 601)
        held.sweep(times: 601)

        #expect(try idle.output().hasPrefix("ERR timeout fatal "))
        #expect(try held.output() == "")
    }

    @Test func `one connection over the limit is turned away`() throws {
        var limits = Limits()
        limits.connections = 0

        let server = try EmbeddedServer(limits: limits)

        #expect(try server.output().hasPrefix("ERR too-many fatal max=0 "))
        #expect(server.responder.opened.isEmpty)
    }

    @Test(arguments: [1, 2, 3, 7, 64])
    func `answers are the same however the bytes are cut`(size: Int) throws {
        let script =
            "# comment\n\nPING one\r\n@1 STAT /a\nWRITE h1 0 {6}\nab\r\ncd\n  \nPING two\nFROB\nQUIT\n"
        let whole = try served()
        try whole.type(script)
        whole.responder.release()
        let expected = try whole.output()

        let server = try served()
        let bytes = Array(script.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            let part = bytes[start..<min(start + size, bytes.count)]
            try server.type(String(decoding: part, as: UTF8.self))
        }
        server.responder.release()

        #expect(try server.output() == expected)
        #expect(expected.hasSuffix("OK bye\n"))
    }

    @Test func `a connection that ends is told once`() throws {
        let server = try served()

        _ = try server.channel.finish(acceptAlreadyClosed: true)

        #expect(server.responder.closed == [server.connection.id])
    }
}
