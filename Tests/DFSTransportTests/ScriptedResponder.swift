import DFSProtocol
import DFSTransport
import NIOCore
import Testing

/// A file-server role that answers STAT at once and keeps everything else until the test says so.
final class ScriptedResponder: RequestResponder {
    let role = Role.file
    private(set) var held: [(request: Request, payload: ByteBuffer?, exchange: Exchange)] = []
    private(set) var opened: [ConnectionID] = []
    private(set) var closed: [ConnectionID] = []
    private(set) var cancelledRequests: [RequestID] = []
    private(set) var answeredInPlace = 0
    private(set) var rooms: [Bool] = []

    func writeGreeting(into line: inout LineWriter) {
        line.pair("id", "fs1")
        line.pair("epoch", 4)
    }

    func answerInPlace(
        _ bytes: Span<UInt8>, lineBytes: Int, into replies: inout LineWriter
    ) -> Int {
        guard let line = PlainLine(bytes, from: 0, verb: "STAT", most: lineBytes) else { return 0 }
        answeredInPlace += 1
        replies.append(span: bytes, line.tag)
        if !line.tag.isEmpty { replies.append(byte: UInt8(ascii: " ")) }
        replies.append("OK type=file\n")
        return line.end
    }

    func receive(_ request: Request, payload: ByteBuffer?, _ exchange: Exchange) {
        if request.verb == .handles { release("of another") }
        guard request.verb == .stat || request.verb == .handles else {
            return held.append((request, payload, exchange))
        }
        var reply = LineWriter()
        reply.begin(tag: request.tag)
        reply.append("OK type=file\n")
        exchange.finish(reply)
    }

    func connectionOpened(_ connection: ServerConnection) { opened.append(connection.id) }
    func connectionClosed(_ connection: ServerConnection) { closed.append(connection.id) }
    func connectionRoomChanged(_ connection: ServerConnection) {
        rooms.append(connection.hasRoom)
    }
    func cancelled(_ exchange: Exchange) { cancelledRequests.append(exchange.id) }

    /// Answers the oldest kept request with `OK` and a note.
    func release(_ note: String = "", payload: ByteBuffer? = nil) {
        let (_, _, exchange) = held.removeFirst()
        var reply = LineWriter()
        reply.begin(tag: exchange.tag)
        reply.append("OK")
        if !note.isEmpty { reply.operand([UInt8](note.utf8)) }
        if let payload { reply.end(literal: payload.readableBytes) } else { reply.end() }
        exchange.finish(reply, payload: payload)
    }

    /// Answers the kept request of a verb, whatever was kept before it.
    func release(_ verb: Verb, _ note: String) throws {
        let index = try #require(held.firstIndex { $0.request.verb == verb })
        held.swapAt(0, index)
        release(note)
    }
}
