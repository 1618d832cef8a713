import DFSProtocol

/// Knows every file server and decides which are alive.
///
/// Time enters as an argument, so a test owns the clock.
struct Membership {
    let pace: Pace
    /// By number less one.
    private(set) var servers: [FileServer] = []
    /// What LOCATE writes of each server, in the same order; small, so that it stays in the cache.
    private(set) var signs: [Sign] = []
    private var numbers: [ServerID: UInt16] = [:]
    /// Which server a connection is registered as.
    private var byConnection: [ConnectionID: UInt16] = [:]
    /// Servers whose rows wait for the next commit.
    private(set) var dirty: Set<UInt16> = []

    /// No silence becomes too long before this; a sign of life only makes it later than needed.
    private(set) var nextDeadline: MonotonicTime?

    /// How often the last signs of life are kept, in seconds: all in one commit.
    static let keptEverySeconds: Int64 = 10
    /// When that was last, by the wall clock.
    private var keptAt: Int64 = 0
    /// Most servers of one name server; numbers are never given again.
    static let most = 10_000

    /// What LOCATE needs of a server.
    struct Sign {
        /// ` server= addr= state= size=`.
        var suffix: [UInt8]
        var lastSeen: MonotonicTime
        var isReachable: Bool
    }

    private mutating func refresh(_ index: Int) {
        signs[index] = Sign(
            suffix: servers[index].suffix, lastSeen: servers[index].lastSeen,
            isReachable: servers[index].isReachable)
    }

    /// A server whose state is not what it was.
    struct Change: Equatable {
        var server: UInt16
        var state: ServerState
    }

    init(pace: Pace) { self.pace = pace }

    subscript(number: UInt16) -> FileServer {
        get { servers[Int(number) - 1] }
        set {
            servers[Int(number) - 1] = newValue
            refresh(Int(number) - 1)
        }
    }

    /// Whether a server has not told yet what it made while no name server ran.
    var mayOwe: Bool { servers.contains { !$0.isBack && !$0.isRetired } }

    /// Whether a server of that number is known.
    func knows(_ number: UInt16) -> Bool { number > 0 && Int(number) <= servers.count }

    /// A server by its id; nil where it was never registered, or is retired.
    func server(_ id: ServerID) -> FileServer? {
        everRegistered(id).flatMap { $0.isRetired ? nil : $0 }
    }

    /// A server by its id, also one that is retired.
    func everRegistered(_ id: ServerID) -> FileServer? { numbers[id].map { self[$0] } }

    /// The server that a connection is registered as.
    func server(on connection: ConnectionID) -> UInt16? { byConnection[connection] }

    /// All servers but those that are retired, ordered by id.
    var ordered: [FileServer] { servers.filter { !$0.isRetired }.sorted { $0.id < $1.id } }

    /// Adds a server that was kept or has just registered for the first time.
    mutating func add(_ row: CatalogueServer, at now: Moment) throws {
        guard Int(row.number) == servers.count + 1, let number = UInt16(exactly: row.number),
            numbers[row.id] == nil
        else {
            throw CatalogueStoreError("the catalogue is damaged: server \(row.number) is not one")
        }
        numbers[row.id] = number
        let server = FileServer(row: row, number: number, at: now)
        servers.append(server)
        signs.append(
            Sign(suffix: server.suffix, lastSeen: server.lastSeen, isReachable: server.isReachable))
        expect(servers[servers.count - 1])
    }

    private mutating func expect(_ server: FileServer) {
        guard server.isReachable else { return }
        let deadline = server.silentSince.advanced(
            milliseconds: server.state == .up ? pace.suspect : pace.down)
        nextDeadline = nextDeadline.map { min($0, deadline) } ?? deadline
    }

    mutating func touch(_ number: UInt16) { dirty.insert(number) }

    /// The rows that changed since the last call.
    mutating func takeChanges() -> [CatalogueChange] {
        let changes = dirty.sorted().map { CatalogueChange.putServer(self[$0].row) }
        dirty.removeAll()
        return changes
    }

    /// Gives a server a connection; the one that it had before is no longer its own.
    mutating func attach(
        _ number: UInt16, to connection: ConnectionID, at now: Moment
    ) -> Change? {
        if let old = self[number].connection { byConnection[old] = nil }
        self[number].connection = connection
        byConnection[connection] = number
        touch(number)
        return seen(number, at: now, kept: true)
    }

    /// Takes a server's connection away.
    mutating func detach(_ number: UInt16) {
        if let connection = self[number].connection { byConnection[connection] = nil }
        self[number].connection = nil
    }

    /// Notes a sign of life.
    mutating func seen(_ number: UInt16, at now: Moment, kept: Bool = false) -> Change? {
        let index = Int(number) - 1
        servers[index].lastSeen = now.monotonic
        servers[index].silentSince = now.monotonic
        signs[index].lastSeen = now.monotonic
        servers[index].isHeard = true
        if kept {
            servers[index].keptLastSeen = now.wall.seconds
            touch(number)
        }
        // A clock that was set back must not end it for long.
        if now.wall.seconds.subtractingReportingOverflow(keptAt).partialValue.magnitude
            >= Membership.keptEverySeconds
        {
            keptAt = now.wall.seconds
            keepSigns(at: now)
        }
        return set(number, .up)
    }

    /// Has the next commit keep when each server was heard last.
    ///
    /// After a restart the silence of a server counts from there.
    mutating func keepSigns(at now: Moment) {
        for index in servers.indices where servers[index].isHeard {
            let silence = now.monotonic.milliseconds(since: servers[index].lastSeen) / 1000
            let heard = now.wall.seconds - silence
            guard heard > servers[index].keptLastSeen else { continue }
            servers[index].keptLastSeen = heard
            touch(servers[index].number)
        }
    }

    /// Changes what is believed of a server.
    mutating func set(_ number: UInt16, _ state: ServerState) -> Change? {
        let index = Int(number) - 1
        if servers[index].state == state { return nil }
        servers[index].state = state
        refresh(index)
        if state == .goodbye || state == .up { touch(number) }
        expect(servers[index])
        return Change(server: number, state: state)
    }

    /// Marks every server that has been silent for too long.
    ///
    /// - Returns: The servers that changed, ordered by id so that a simulation replays identically.
    mutating func expire(at now: MonotonicTime) -> [Change] {
        var changes: [Change] = []
        for server in ordered where server.isReachable {
            let silence = now.milliseconds(since: server.silentSince)
            if silence >= pace.down {
                if let change = set(server.number, .down) { changes.append(change) }
            } else if silence >= pace.suspect, server.state == .up {
                if let change = set(server.number, .suspect) { changes.append(change) }
            }
        }
        nextDeadline = nil
        for server in servers { expect(server) }
        return changes
    }
}
