import DFSProtocol
import NIOCore
import Testing

@testable import DFSTransport

struct CommonVerbTests {
    private func served() throws -> EmbeddedServer {
        let server = try EmbeddedServer()
        _ = try server.output()
        return server
    }

    @Test func `notices come between answers and only to who asked for them`() throws {
        let server = try served()
        var notice = LineWriter()
        notice.append("! change seq=1\n")
        server.connection.notify(notice)
        #expect(try server.output() == "")
        try server.type("HELLO 1 caps=push,other client=me\n@1 READ h1 0 1\n")
        #expect(try server.output() == "OK version=1 caps=push\n")
        var item = LineWriter()
        item.append("@1 * part\n")
        server.responder.held[0].exchange.send(item)

        server.connection.notify(notice)

        #expect(try server.output() == "@1 * part\n")
        server.responder.release()
        #expect(try server.output() == "@1 OK\n! change seq=1\n")
        #expect(server.connection.clientName == [UInt8]("me".utf8))
    }

    @Test(arguments: [(128, "OK version=1 caps=\n"), (129, "ERR bad-argument argument=client ")])
    func `a client's name is short, as others are shown it`(length: Int, answer: String) throws {
        let server = try served()

        try server.type("HELLO 1 client=\(String(repeating: "x", count: length))\n")

        #expect(try server.output().hasPrefix(answer))
        #expect(server.connection.clientName.count == (length > 128 ? 0 : length))
    }

    @Test func `notices that wait for an answer are bounded, and their end is told`() throws {
        let server = try served()
        try server.type("HELLO 1 caps=push\n@1 READ h1 0 1\n")
        var item = LineWriter()
        item.append("@1 * part\n")
        server.responder.held[0].exchange.send(item)
        var notice = LineWriter()
        notice.append(raw: Array(repeating: UInt8(ascii: "!"), count: 1023))
        notice.end()

        for _ in 0..<255 { server.connection.notify(notice) }
        #expect(server.connection.hasRoom)
        server.connection.notify(notice)
        #expect(server.responder.rooms == [false])
        server.responder.release()

        #expect(server.connection.hasRoom)
        #expect(server.responder.rooms == [false, true])
        #expect(try server.output().utf8.filter { $0 == 0x21 }.count == 256 * 1023)
    }

    @Test func `a peer that does not read has no room, and is cut off with the next notice`()
        throws
    {
        let server = try served()
        try server.type("HELLO 1 caps=push\n")
        var notice = LineWriter()
        notice.append("! change seq=1\n")

        server.channel.isWritable = false
        server.channel.pipeline.fireChannelWritabilityChanged()
        server.channel.isWritable = true
        server.channel.pipeline.fireChannelWritabilityChanged()
        #expect(server.responder.rooms == [false, true])
        server.connection.notify(notice)
        #expect(try server.output().hasSuffix("! change seq=1\n"))
        server.channel.isWritable = false
        server.connection.notify(notice)
        _ = try server.output()

        #expect(!server.channel.isActive)
    }

    @Test func `another version is refused`() throws {
        let server = try served()

        try server.type("HELLO 2\n")

        #expect(
            try server.output()
                == "ERR unsupported-version versions=1 \"this server speaks version 1\"\n")
    }

    @Test func `ping gives its operands back as one argument`() throws {
        let server = try served()

        try server.type("ping\nPING a  \"b c\"\n")

        #expect(try server.output() == "OK\nOK \"a b c\"\n")
    }

    @Test func `help lists every verb of the role and the limits`() throws {
        let server = try served()

        try server.type("HELP\n@h HELP read\nHELP LOCATE\n")

        let lines = try server.output().split(separator: "\n")
        let verbs = Verb.all(for: .file)
        #expect(lines.count == verbs.count + 1 + 2 + 1)
        #expect(
            lines[verbs.count]
                == "OK count=\(verbs.count) max-line=65536 max-data=1048576 max-tagged=64 max-handles=256"
        )
        #expect(
            lines[verbs.count + 1]
                == "@h * READ h [offset] count [as=text] \"Reads at an offset, or from the session's cursor.\""
        )
        #expect(lines.last?.hasPrefix("ERR bad-argument argument=LOCATE ") == true)
    }

    @Test func `ping does not answer with more than a line`() throws {
        let server = try served()

        try server.type("PING \"" + String(repeating: "\\x01", count: 16_000) + "x\"\n")
        #expect(try server.output().hasPrefix("OK \"\\x01"))
        try server.type("PING \"" + String(repeating: "\u{85}", count: 16_000) + "\"\n")

        #expect(try server.output().hasPrefix("ERR too-large max=65536 "))
    }
}
