import DFSProtocol
import DFSTransport

/// Where a session is: the connection that it is attached to, and its names on the server.
struct Seat: Sendable {
    /// The connection; once it has ended, the session is lost or waits to be resumed.
    let link: ServerLink
    /// The server's name for the session.
    let handle: [UInt8]
    /// What was granted, in milliseconds; nil for a session that dies with its connection.
    let leaseMilliseconds: Int64?
    /// The secret by which the session can be taken over; nil where there is none.
    let token: [UInt8]?
    /// Counts the sessions that this file has had: another number is another session.
    let generation: Int

    /// Reads the answer of OPEN or RESUME.
    ///
    /// - Throws: `protocol-violation`.
    init(
        _ line: ReplyLine, over link: ServerLink, path: TreePath, generation: Int,
        token earlier: [UInt8]? = nil
    ) throws(DFSError) {
        guard let handle = line.value("h"), (1...64).contains(handle.count) else {
            throw .violation("a session without a handle", path: path)
        }
        self.link = link
        self.handle = handle
        self.generation = generation
        let lease = line.value("lease") ?? [UInt8]("conn".utf8)
        do throws(RequestError) {
            switch try Lease(text: lease) {
            case .connection: (leaseMilliseconds, token) = (nil, nil)
            case .milliseconds(let count):
                (leaseMilliseconds, token) = (count, line.value("token") ?? earlier)
            }
        } catch {
            throw .violation("a session's lease: \(error.advice)", path: path)
        }
    }

    /// A third of the lease: after so long without a request it is renewed.
    var renewal: Duration? { leaseMilliseconds.map { .milliseconds(max(1, $0 / 3)) } }
}
