import DFSProtocol
import NIOCore

/// One accepted connection: reads requests, keeps their order, writes answers; bound to its loop.
///
/// All answers to one read leave in one write and one flush, and a request that is answered in
/// place costs no allocation: it is parsed where it was received and answered into the loop's
/// buffer.
///
/// A read of plain LOCATEs costs one `read`, one `write` and four allocations, whatever their
/// number (AllocationTests counts them), and a part of one `epoll_wait` for all connections that
/// are ready. Its bytes are copied twice outside the kernel: as answers into the loop's buffer, and
/// from there into one that the channel keeps until the socket has taken it. At 50 connections x 16
/// requests the two system calls are half of the server's time, looking up and answering a fifth.
public final class ServerConnection {
    /// What becomes of bytes that arrive.
    enum Phase {
        /// Requests are read and answered.
        case serving
        /// No further request is read; what was read is still answered, then the connection closes.
        case finishing
        /// The last line is on its way; what arrives is dropped.
        case refused
        case closed
    }

    /// What waits for its turn.
    enum Work {
        case request(Request, ByteBuffer?)
        case refusal(RequestError)
        case quit
    }

    /// Tells this connection from every other of the process.
    public let id: ConnectionID
    /// Where the peer is; nil where the system did not say.
    public let peer: Endpoint?
    /// What the peer called itself in HELLO; raw, empty where it did not.
    public internal(set) var clientName: [UInt8] = []
    /// Whether the peer asked for notices with `HELLO 1 caps=push`.
    public internal(set) var takesNotices = false
    /// Whether silence does not close the connection: it holds a handle, a registration or a watch.
    public var staysOpen = false

    let channel: any Channel
    let shared: ServerShared
    var framer: Framer
    var order: RequestOrder<Work>
    var phase = Phase.serving
    /// Bytes that arrived and are not yet taken by the framer; no memory while there are none.
    var pending = ByteBuffer()
    /// Whether requests are being taken right now, so that their answers collect in the loop's
    /// buffer.
    var isProcessing = false
    /// Lines that were sent in this turn, in bytes.
    var turnBytes = 0
    /// Whether other connections have their turn before this one takes more requests.
    var isWaitingForTurn = false
    var isFlushScheduled = false
    var isReading = true
    var isInputClosed = false
    /// Whether the system has taken the last answer of a connection that ends.
    var isAllSent = false
    var malformedInARow = 0
    /// Answers that have sent items and are not finished; notices wait for them.
    var openAnswers: Set<RequestID> = []
    var heldNotices: [LineWriter] = []
    var heldNoticeBytes = 0
    /// The sweep that last saw bytes arrive.
    var lastActivity: UInt64
    /// Bytes that the last sweep found unsent, and the sweep that found another number before.
    var lastUnsent = 0
    var lastProgress: UInt64 = 0
    /// The sweep that saw the current incomplete line begin; nil where there is none.
    var partialSince: UInt64?

    init(id: ConnectionID, channel: any Channel, shared: ServerShared) {
        self.id = id
        self.channel = channel
        self.shared = shared
        peer = channel.remoteAddress.flatMap(Endpoint.init)
        framer = Framer(limits: shared.limits)
        order = RequestOrder(limits: shared.limits)
        lastActivity = shared.sweeps
    }

    /// The loop on which everything of this connection happens.
    public var eventLoop: any EventLoop { channel.eventLoop }

    /// Closes without another word.
    public func close() {
        guard phase != .closed else { return }
        channel.close(promise: nil)
    }
}

extension ServerConnection: ChannelInboundHandler {
    /// Bytes from the socket.
    public typealias InboundIn = ByteBuffer
    /// Bytes to the socket.
    public typealias OutboundOut = ByteBuffer

    /// Greets the peer: the server speaks first.
    public func channelActive(context: ChannelHandlerContext) {
        if let refusal = DescriptorRoom.refusal(of: channel) { return refuse(refusal, tag: nil) }
        guard shared.admit(self) else {
            return refuse(
                RequestError(
                    .tooMany, "this server has all the connections that it takes; try again later",
                    fields: [.init("max", number: shared.limits.connections)], isFatal: true),
                tag: nil)
        }
        var line = LineWriter(capacity: 128)
        line.append("OK DFS/1")
        line.pair("role", shared.responder.role.rawValue)
        shared.responder.writeGreeting(into: &line)
        line.pair("auth", "none")
        line.pair("max-line", Int64(shared.limits.lineBytes))
        line.pair("max-data", Int64(shared.limits.payloadBytes))
        line.end()
        write(line)
        channel.flush()
        shared.responder.connectionOpened(self)
    }

    /// Takes bytes from the peer.
    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase == .serving else { return }
        var bytes = unwrapInboundIn(data)
        lastActivity = shared.sweeps
        if pending.readableBytes == 0 { pending = bytes } else { pending.writeBuffer(&bytes) }
        takeRequests()
    }

    /// Sends everything that a read brought forth in one flush.
    public func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    /// Goes on where a peer that did not read had stopped us.
    public func channelWritabilityChanged(context: ChannelHandlerContext) {
        shared.responder.connectionRoomChanged(self)
        if channel.isWritable { resume() }
    }

    /// Notices a half-close, after which complete requests are still answered.
    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            isInputClosed = true
            if phase == .refused {
                if isAllSent { close() }
                return
            }
            takeRequests()
            closeIfFinished()
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    /// Ends everything that belongs to the connection.
    public func channelInactive(context: ChannelHandlerContext) {
        guard phase != .closed else { return }
        phase = .closed
        pending = ByteBuffer()
        heldNotices = []
        heldNoticeBytes = 0
        if shared.dismiss(self) { shared.responder.connectionClosed(self) }
    }

    /// Takes any error of the socket as its end.
    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

extension Endpoint {
    /// The numeric form of a socket's address; nil for a local socket.
    init?(_ address: SocketAddress) {
        guard let host = address.ipAddress, let port = address.port.flatMap(UInt16.init(exactly:))
        else {
            return nil
        }
        self.init(host: host, port: port)
    }
}
