import DFSProtocol

/// What is believed of a file server.
public enum ServerState: String, Sendable {
    /// Registered, and heard of lately.
    case up
    /// Silent for a while, or its connection is gone; its files are still told as they were.
    case suspect
    /// Silent for so long that its files are `server-down`.
    case down
    /// Stopped on purpose, or none of its folders is there; its files are `server-down` at once.
    case goodbye
}

/// One file server that was ever registered.
struct FileServer {
    /// 1 and up; what the catalogue keeps in place of the id.
    let number: UInt16
    let id: ServerID
    var address: Endpoint { didSet { writeSuffix() } }
    /// The highest epoch that was accepted.
    var epoch: Int64
    /// Whether it was forgotten for good; it is told to nobody until it registers again.
    var isRetired: Bool
    /// Up to which generation its reports are in the catalogue; nil until an inventory ended.
    var generation: Int64?
    /// Up to which generation its reports have to be in before a name that is not known here is
    /// known not to be there; nil for one that has first registered with this process.
    ///
    /// While no name server ran, a file server went on: what it made then is told when it is back.
    var owed: Int64?
    /// Up to which generation its reports have to be in before all its files are in the catalogue,
    /// as it named it at REGISTER; `.max` for the end of an inventory, nil once that ended.
    var awaited: Int64? = .max
    var mounts: [TreePath]
    var state: ServerState { didSet { writeSuffix() } }
    /// Why it took leave the last time; means something in state `goodbye` only.
    var leave: CatalogueServer.Leave?
    /// The last sign of life, for `seen=`; may be before this process started.
    var lastSeen: MonotonicTime
    /// From when on silence counts; after a restart that is the start.
    var silentSince: MonotonicTime
    /// The last sign of life that is kept, in seconds since 1970.
    var keptLastSeen: Int64
    /// Whether it gave a sign of life to this process.
    var isHeard = false
    /// The connection that is this server's own.
    var connection: ConnectionID?
    /// Bytes that can still be stored; nil where it was not told.
    var free: Int64?
    /// What the server calls its load; less is better.
    var load: Int64?
    /// ` server= addr= state= size=` as LOCATE writes it, made anew only when it changes.
    private(set) var suffix: [UInt8] = []

    init(row: CatalogueServer, number: UInt16, at now: Moment) {
        self.number = number
        id = row.id
        address = row.address
        epoch = row.epoch
        generation = row.generation
        owed = .max
        mounts = row.mounts
        isRetired = row.isRetired
        state = row.leave == nil ? .suspect : .goodbye
        leave = row.leave
        let (away, overflow) = now.wall.seconds.subtractingReportingOverflow(row.lastSeen)
        let seconds = overflow ? 0 : min(max(0, away), 1_000_000_000)
        lastSeen = now.monotonic.advanced(milliseconds: -seconds * 1000)
        silentSince = now.monotonic
        keptLastSeen = row.lastSeen
        writeSuffix()
    }

    private mutating func writeSuffix() {
        var writer = LineWriter()
        writer.pair("server", id.bytes)
        writer.pair("addr", address.description)
        writer.pair("state", state.rawValue)
        writer.append(" size=")
        suffix = writer.bytes
    }

    /// Whether it has told what it made while no name server ran.
    var isBack: Bool {
        guard let owed else { return true }
        return generation.map { $0 >= owed } ?? false
    }

    /// Whether all the files that it had when it registered are in the catalogue.
    var isWhole: Bool {
        guard let awaited else { return true }
        return generation.map { $0 >= awaited } ?? false
    }

    /// Whether files are told as reachable.
    var isReachable: Bool { state == .up || state == .suspect }

    /// The longest of its mounts at or above a path; nil where none is.
    func mount(over path: TreePath) -> TreePath? {
        mounts.filter { path.isWithin($0) }.max { $0.bytes.count < $1.bytes.count }
    }

    /// The row that is kept.
    var row: CatalogueServer {
        CatalogueServer(
            number: UInt32(number), id: id, address: address, epoch: epoch, generation: generation,
            mounts: mounts, leave: state == .goodbye ? leave ?? .stopped : nil,
            lastSeen: keptLastSeen,
            isRetired: isRetired)
    }

    private var reason: String {
        switch (state, leave) {
        case (.goodbye, .away):
            "\(id) runs, but its folders are away; its files come back with them"
        case (.goodbye, _): "\(id) was stopped on purpose; its files come back with it"
        case (.down, _): "\(id) is silent; it is asked for again when it registers"
        case (.up, _), (.suspect, _):
            "\(id) is not certain to be there, or has not told all it has; try again soon"
        }
    }

    /// The refusal that a client gets for a file of this server while it is not reachable.
    func isDown(_ path: TreePath, at now: Moment, pace: Pace) -> RequestError {
        RequestError(
            .serverDown, path: path, reason,
            fields: [
                .init("server", id.bytes),
                .init("seen", number: now.monotonic.milliseconds(since: lastSeen)),
                .init("retry", number: pace.beat),
            ])
    }
}
