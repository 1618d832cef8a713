import DFSProtocol
import NIOCore
import NIOEmbedded
import Testing

@testable import DFSTransport

/// FOLLOW as the transport sees it: an answer that goes on until somebody ends it.
struct StandingRequestTests {
    private func following(limits: Limits = Limits()) throws -> (EmbeddedServer, Exchange) {
        let server = try EmbeddedServer(limits: limits)
        _ = try server.output()
        try server.type("@1 FOLLOW h1 0\n")
        let exchange = try #require(server.responder.held.last?.exchange)
        exchange.stand()
        return (server, exchange)
    }

    private func item(_ bytes: Int) -> LineWriter {
        var line = LineWriter()
        line.begin(tag: Tag(text: [UInt8]("@1".utf8)))
        line.append("* more")
        line.end(literal: bytes)
        return line
    }

    @Test func `an untagged request does not wait for one that stands`() throws {
        let (server, _) = try following()

        try server.type("STAT /a\n")

        #expect(try server.output() == "OK type=file\n")
    }

    @Test func `what waited for a request starts when it stands`() throws {
        let server = try EmbeddedServer()
        _ = try server.output()
        try server.type("@1 FOLLOW h1 0\nSTAT /a\n")
        #expect(try server.output() == "")

        try #require(server.responder.held.first?.exchange).stand()

        #expect(try server.output() == "OK type=file\n")
    }

    @Test func `a request that stands is not counted among those in flight`() throws {
        var limits = Limits()
        limits.taggedRequests = 1
        let (server, _) = try following(limits: limits)

        try server.type("@2 STAT /a\n")

        #expect(try server.output() == "@2 OK type=file\n")
    }

    @Test func `a request without a tag keeps its place`() throws {
        let server = try EmbeddedServer()
        _ = try server.output()
        try server.type("FOLLOW h1 0\nSTAT /a\n")

        try #require(server.responder.held.first?.exchange).stand()

        #expect(try server.output() == "")
    }

    @Test func `its tag is in flight until it ends`() throws {
        let (server, exchange) = try following()

        try server.type("@1 STAT /a\n")
        #expect(try server.output().hasPrefix("@1 ERR bad-tag "))
        exchange.fail(RequestError(.staleFile, "replaced"))
        try server.type("@1 STAT /a\n")

        #expect(try server.output() == "@1 ERR stale-file \"replaced\"\n@1 OK type=file\n")
    }

    @Test func `items end in bytes and tell when the system has them`() throws {
        let (server, exchange) = try following()
        var taken = 0

        exchange.send(item(3), payload: ByteBuffer(string: "a\nb")) { taken += 1 }
        #expect(taken == 0)

        #expect(try server.output() == "@1 * more {3}\na\nb\n")
        #expect(taken == 1)
    }

    @Test func `an item without bytes tells as well`() throws {
        let (server, exchange) = try following()
        var taken = 0
        var line = LineWriter()
        line.begin(tag: exchange.tag)
        line.append("* truncated\n")

        exchange.send(line, payload: nil) { taken += 1 }

        #expect(try server.output() == "@1 * truncated\n")
        #expect(taken == 1)
    }

    @Test func `a request that ended meanwhile is told nothing more`() throws {
        let (server, exchange) = try following()
        var taken = 0

        exchange.send(item(1), payload: ByteBuffer(string: "x")) { taken += 1 }
        exchange.fail(RequestError(.staleHandle, "killed"))
        exchange.send(item(1), payload: ByteBuffer(string: "y")) { taken += 1 }

        #expect(try server.output() == "@1 * more {1}\nx\n@1 ERR stale-handle \"killed\"\n")
        #expect(taken == 0)
    }

    @Test func `cancel ends it with two answers`() throws {
        let (server, exchange) = try following()

        try server.type("@2 CANCEL @1\n")

        #expect(try server.output() == "@1 ERR cancelled \"cancelled as asked\"\n@2 OK\n")
        #expect(server.responder.cancelledRequests == [exchange.id])
    }

    @Test func `quit ends it`() throws {
        let (server, exchange) = try following()

        try server.type("QUIT\n")

        #expect(try server.output() == "@1 ERR cancelled \"cancelled as asked\"\nOK bye\n")
        #expect(server.responder.cancelledRequests == [exchange.id])
    }

    @Test func `a half-close ends it after everything that was asked`() throws {
        let (server, exchange) = try following()
        try server.type("READ h1 1\n")

        server.halfClose()
        #expect(try server.output() == "")
        #expect(server.responder.cancelledRequests == [])
        try server.responder.release(.read, "bytes")

        let output = try server.output()
        #expect(output.hasPrefix("OK bytes\n@1 ERR cancelled "))
        #expect(server.responder.cancelledRequests == [exchange.id])
        #expect(!server.channel.isActive)
    }

    @Test func `a server that stops ends it and says why`() throws {
        let (server, exchange) = try following()

        server.shared.drain(server.channel.eventLoop.makePromise())

        #expect(try server.output().hasPrefix("@1 ERR draining "))
        #expect(server.responder.cancelledRequests == [exchange.id])
    }

    @Test func `notices do not wait for an answer that never ends`() throws {
        let (server, exchange) = try following()
        try server.type("HELLO 1 caps=push\n")
        _ = try server.output()
        exchange.send(item(1), payload: ByteBuffer(string: "x")) {}
        var notice = LineWriter()
        notice.append("! change\n")

        server.connection.notify(notice)

        #expect(try server.output() == "@1 * more {1}\nx\n! change\n")
    }

    @Test func `a connection that follows is not idle`() throws {
        var limits = Limits()
        limits.idleMilliseconds = 2_000
        let (server, exchange) = try following(limits: limits)

        server.sweep(times: 10)
        #expect(server.channel.isActive)
        exchange.fail(RequestError(.staleFile, "replaced"))
        server.sweep(times: 10)

        #expect(try server.output().contains("ERR timeout fatal"))
    }
}
