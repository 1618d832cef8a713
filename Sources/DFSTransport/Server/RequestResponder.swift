import DFSProtocol
import NIOCore

/// What a role does with requests; every call is on the server's one event loop.
///
/// HELLO, HELP, PING, CANCEL and QUIT are answered by the transport and never arrive here.
public protocol RequestResponder: AnyObject {
    /// Which rows of the table of verbs apply.
    var role: Role { get }

    /// Writes the pairs of the greeting that only the role knows: ` id=fs1 epoch=4`.
    func writeGreeting(into line: inout LineWriter)

    /// Answers frequent requests straight from what was read, as many as stand at its front.
    ///
    /// Runs only when each of them may be answered at once. Must not allocate, and must not touch
    /// an exchange or a connection: the replies are being written while it runs. Answers a few
    /// dozen at most, then is called again.
    /// - Parameter lineBytes: A longer line is left alone.
    /// - Returns: How many bytes were answered, whole lines; 0 hands the first one to `receive`.
    func answerInPlace(
        _ bytes: Span<UInt8>, lineBytes: Int, into replies: inout LineWriter
    ) -> Int

    /// Takes a request that was checked against the table of verbs.
    ///
    /// Finishes the exchange exactly once, now or later, on the loop.
    func receive(_ request: Request, payload: ByteBuffer?, _ exchange: Exchange)

    /// A peer has connected and has been greeted.
    func connectionOpened(_ connection: ServerConnection)

    /// A connection is gone; nothing of it can be answered any more.
    func connectionClosed(_ connection: ServerConnection)

    /// A peer has come behind, or keeps up again: its `hasRoom` may have changed.
    ///
    /// May come while the role sends something. Roles that send only what was asked for need not
    /// know.
    func connectionRoomChanged(_ connection: ServerConnection)

    /// A tagged request was ended and its peer has been told; a later `finish` is ignored.
    ///
    /// The peer cancelled it, or it stood when the peer's input or this server came to its end.
    func cancelled(_ exchange: Exchange)
}

extension RequestResponder {
    /// Does nothing.
    public func connectionRoomChanged(_ connection: ServerConnection) {}
}

/// One request that waits for its answer; used on the loop only.
public struct Exchange {
    /// The connection on which the request came.
    public let connection: ServerConnection
    /// Tells the request from every other.
    public let id: RequestID
    /// What each line of the answer begins with.
    public let tag: Tag?

    /// The loop on which everything of this exchange happens.
    public var eventLoop: any EventLoop { connection.eventLoop }

    /// Sends whole item lines, each begun with `begin(tag:)`, before the answer is finished.
    public func send(_ items: LineWriter) { connection.send(items, of: self) }

    /// Sends items of which the last one may end in bytes that follow it.
    ///
    /// Who sends as much as it can waits for `whenTaken` before the next: so a peer that does not
    /// read costs no more memory than one call.
    /// - Parameters:
    ///   - payload: What a final `end(literal:)` announced; its newline is added here.
    ///   - whenTaken: Runs on the loop, later, once the system has taken all of it for the peer;
    ///     never where the request or its connection ends before.
    public func send(
        _ items: LineWriter, payload: ByteBuffer?, whenTaken: @escaping () -> Void
    ) {
        connection.send(items, payload, of: self, whenTaken: whenTaken)
    }

    /// Lets the request answer on without a place in the order of requests.
    ///
    /// Nobody waits for it any more, it is not counted among those in flight, and the end of the
    /// peer's input ends it. Does nothing to a request without a tag.
    public func stand() { connection.stand(self) }

    /// Sends the last line of the answer, which may be preceded by items.
    ///
    /// - Parameter payload: What a final `end(literal:)` announced; its newline is added here.
    public func finish(_ lines: LineWriter, payload: ByteBuffer? = nil) {
        connection.finish(self, lines, payload: payload, failure: nil)
    }

    /// Answers with an error line.
    public func fail(_ error: RequestError) {
        var lines = LineWriter()
        lines.error(error, tag: tag)
        connection.finish(self, lines, payload: nil, failure: error)
    }
}
