import DFSProtocol
import NIOCore

/// What the connections of one server share on its loop: the role, the limits, and scratch memory.
final class ServerShared {
    /// Answers collected in one turn are handed to the socket in pieces of this many bytes.
    static let batchBytes = 262_144
    /// Answers up to this many bytes are copied together; larger ones travel as they are.
    static let copiedBytes = 16_384
    /// Bytes of notices that wait for the end of an answer; above it the peer has no room.
    static let heldNoticeBytes = 262_144
    /// Requests of one connection in one turn of the loop: a millisecond or two of most verbs.
    static let turnRequests = 512
    /// Bytes of answers in one turn; some lists make them at once, in tens of milliseconds.
    static let turnBytes = 262_144
    /// Long enough that the loop reads its sockets before the next turn.
    static let pauseBetweenTurns = TimeAmount.microseconds(100)
    /// The end of a payload.
    static let newline: LineWriter = {
        var line = LineWriter()
        line.end()
        return line
    }()

    let responder: any RequestResponder
    let limits: Limits
    let common: CommonVerbs
    /// One parser for all connections: a line is parsed and used up in one turn.
    var parser = LineParser()
    /// Answers of `processing`, and of no other connection.
    var batch = LineWriter(capacity: 65_536)
    /// The connection that is being read; nil between reads.
    var processing: ServerConnection?
    /// Counts sweeps; the clock of idle connections.
    private(set) var sweeps: UInt64 = 0
    private(set) var connections: [ConnectionID: ServerConnection] = [:]
    private var lastConnection: UInt64 = 0
    private var whenEmpty: EventLoopPromise<Void>?

    init(responder: any RequestResponder, limits: Limits) {
        self.responder = responder
        self.limits = limits
        common = CommonVerbs(role: responder.role, limits: limits)
    }

    func nextConnectionID() -> ConnectionID {
        lastConnection += 1
        return ConnectionID(number: lastConnection)
    }

    /// Counts a connection in; false where the limit is reached.
    func admit(_ connection: ServerConnection) -> Bool {
        guard connections.count < limits.connections, whenEmpty == nil else { return false }
        connections[connection.id] = connection
        return true
    }

    /// Counts a connection out; false where it was never in.
    func dismiss(_ connection: ServerConnection) -> Bool {
        let wasIn = connections.removeValue(forKey: connection.id) != nil
        if connections.isEmpty { whenEmpty?.succeed() }
        return wasIn
    }

    /// Looks once in `interval` for connections that stand still.
    func sweep(everyMilliseconds interval: Int64) {
        sweeps += 1
        let partial = UInt64(max(1, limits.partialLineMilliseconds / interval))
        let idle = UInt64(max(1, limits.idleMilliseconds / interval))
        for connection in connections.values.sorted(by: { $0.id < $1.id }) {
            if connection.hasStalled(for: idle) {
                connection.close()
            } else if let since = connection.partialSince, sweeps - since > partial {
                connection.refuse(
                    RequestError(
                        .timeout, "an incomplete request stood still for too long", isFatal: true),
                    tag: nil)
            } else if sweeps - connection.lastActivity > idle, connection.order.isEmpty,
                !connection.order.hasStanding, !connection.staysOpen
            {
                connection.refuse(
                    RequestError(.timeout, "nothing was asked for too long", isFatal: true),
                    tag: nil)
            }
        }
    }

    /// Lets every connection finish what it has asked, then closes it.
    func drain(_ promise: EventLoopPromise<Void>) {
        whenEmpty = promise
        if connections.isEmpty { return promise.succeed() }
        for connection in connections.values.sorted(by: { $0.id < $1.id }) {
            if connection.phase == .serving { connection.phase = .finishing }
            connection.closeIfFinished()
        }
    }

    /// Closes what has not gone by itself.
    func closeAll() {
        for connection in connections.values.sorted(by: { $0.id < $1.id }) { connection.close() }
    }
}
