import DFSProtocol

/// One open session: a server-side object that a client names by its handle.
///
/// It follows the file, not the name. There are many of them, so that it is kept small.
struct FileSession: Sendable {
    /// Where a session stands between OPEN and its last descriptor.
    enum Phase: Sendable {
        /// It can be used.
        case open
        /// CLOSE was asked for and will be done; every later request finds the handle gone.
        case closing
        /// Its lease ran out, and it is being put away.
        case expired
        /// KILL ended it, and it is being put away.
        case killed
        /// Its connection ended and it with it, and it is being put away.
        case lost
    }

    /// How HANDLES shows the path; what was asked for at OPEN.
    let path: TreePath
    let access: FileAccess
    let file: any OpenFile
    /// The file's identity in the ledger; 0 where it is not known.
    let fid: Int64
    let openedAt: MonotonicTime
    /// How long it lives without a request, in milliseconds; 0 for as long as its connection.
    let leaseMilliseconds: Int64
    /// What RESUME must bring; nil where there is no lease.
    let token: SessionToken?
    /// What was asked for and granted; nil where none was.
    let lock: LockTable.Kind?
    /// Who uses it, or used it last.
    var client: ClientName
    /// The connection that may use it; nil while there is none.
    var attachment: ConnectionID?
    /// When the latest request that names it arrived.
    var usedAt: MonotonicTime
    /// Where a READ without an offset goes on; moves only while that READ runs alone.
    var cursor: Int64 = 0
    /// Bytes that were read and written through it.
    var bytesMoved: Int64 = 0
    /// Work of its requests that is on the disk now; while there is some it does not expire.
    var running: Int32 = 0
    var phase = Phase.open
    /// Whether the table's heap will look at its lease.
    var isWatched = false

    /// When the lease runs out unless a request comes; the end of time where there is no lease.
    var deadline: MonotonicTime {
        leaseMilliseconds == 0
            ? MonotonicTime(nanoseconds: .max)
            : usedAt.advanced(milliseconds: leaseMilliseconds)
    }

    /// Whether the lease has run out and no work keeps it.
    func isDue(at now: MonotonicTime) -> Bool {
        leaseMilliseconds > 0 && running == 0 && deadline <= now
    }
}

/// Who a client is, as HANDLES shows it.
public struct ClientName: Equatable, Sendable {
    /// Where it connects from, `host:port`.
    public let address: [UInt8]
    /// What HELLO said, or the address.
    public let name: [UInt8]

    /// Takes the peer's address and what it called itself; an empty name is the address.
    public init(address: [UInt8], name: [UInt8]) {
        self.address = address
        self.name = name.isEmpty ? address : name
    }
}
