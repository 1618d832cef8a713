import DFSProtocol
import NIOCore
import NIOEmbedded

@testable import DFSTransport

/// One connection of a scripted role without a socket: bytes in, bytes out, a clock that tests
/// turn.
final class EmbeddedServer {
    let responder: ScriptedResponder
    let shared: ServerShared
    let channel: EmbeddedChannel
    let connection: ServerConnection

    convenience init(limits: Limits = Limits()) throws {
        let responder = ScriptedResponder()
        try self.init(responder, ServerShared(responder: responder, limits: limits))
    }

    /// One more connection of the same server.
    convenience init(beside other: EmbeddedServer) throws {
        try self.init(other.responder, other.shared)
    }

    private init(_ responder: ScriptedResponder, _ shared: ServerShared) throws {
        self.responder = responder
        self.shared = shared
        channel = EmbeddedChannel()
        connection = ServerConnection(
            id: shared.nextConnectionID(), channel: channel, shared: shared)
        try channel.pipeline.syncOperations.addHandler(connection)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 4711)).wait()
        channel.embeddedEventLoop.run()
    }

    /// Hands bytes in as one read.
    func type(_ text: String) throws {
        guard channel.isActive else { return }
        try channel.writeInbound(ByteBuffer(string: text))
        channel.embeddedEventLoop.run()
    }

    /// Tells the connection that the peer has half-closed.
    func halfClose() {
        channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        channel.embeddedEventLoop.run()
    }

    /// Everything that was sent since the last call.
    func output() throws -> String {
        channel.embeddedEventLoop.run()
        var text = ""
        while let part = try channel.readOutbound(as: ByteBuffer.self) {
            text += String(buffer: part)
        }
        return text
    }

    /// Lets one second of the server's sweeps pass, so many times.
    func sweep(times: Int) {
        for _ in 0..<times { shared.sweep(everyMilliseconds: 1000) }
        channel.embeddedEventLoop.run()
    }
}

/// Keeps what is written from leaving until it is opened, as a peer does that does not read.
final class Dam: ChannelOutboundHandler, ChannelInboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias InboundIn = ByteBuffer
    private var isOpen = false

    func flush(context: ChannelHandlerContext) {
        if isOpen { context.flush() }
    }

    func open(_ channel: EmbeddedChannel) {
        isOpen = true
        channel.flush()
        channel.embeddedEventLoop.run()
    }
}
