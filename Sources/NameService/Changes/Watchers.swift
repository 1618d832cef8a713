import DFSProtocol

/// Numbers every change of the tree, keeps the latest, and knows who wants to hear of them.
struct Watchers {
    /// What happened to a path.
    enum Kind: String {
        case create
        case write
        case remove
        case rename
        case state
    }

    /// One change, as history keeps it.
    struct Event {
        var sequence: Int64
        var path: TreePath
        var target: TreePath?
        /// The whole notice, ready to be sent.
        var line: [UInt8]
    }

    private struct Watcher {
        var connection: ConnectionID
        var path: TreePath
    }

    /// Changes that WATCH can still tell with since=.
    static let historyEvents = 4096
    /// Bytes of notices that are kept for that.
    static let historyBytes = 1_048_576
    /// Watches of one connection.
    static let perConnection = 16
    /// How many numbers are reserved in the store at once, so that none is given twice.
    static let reserved: Int64 = 1_000_000

    /// The number of the latest change.
    private(set) var sequence: Int64 = 0
    /// The number from which a restart goes on; kept, and always ahead of `sequence`.
    private(set) var ceiling: Int64 = 0
    private var watchers: [Watcher] = []
    private var history: [Event] = []
    private var oldest = 0
    private var bytes = 0

    /// Goes on behind every number that an earlier process may have given.
    mutating func start(after kept: Int64) {
        sequence = kept
        ceiling = kept &+ Watchers.reserved
    }

    /// Whether numbers run out, so that the store has to be told a new ceiling.
    mutating func needsCeiling() -> Bool {
        if sequence < ceiling - Watchers.reserved / 2 { return false }
        ceiling = sequence &+ Watchers.reserved
        return true
    }

    /// Begins a watch; the notices since a number come back, or nil where they are gone.
    mutating func add(
        _ connection: ConnectionID, _ path: TreePath, since: Int64?
    ) throws(RequestError) -> [Event]? {
        guard watchers.count(where: { $0.connection == connection }) < Watchers.perConnection else {
            throw RequestError(
                .tooMany, "a connection watches at most \(Watchers.perConnection) paths",
                fields: [.init("max", number: Watchers.perConnection)])
        }
        watchers.append(Watcher(connection: connection, path: path))
        guard let since, since != sequence else { return [] }
        let first = oldest < history.count ? history[oldest].sequence : sequence + 1
        guard since < sequence, since >= first - 1 else { return nil }
        return history[oldest...].filter { $0.sequence > since && Watchers.concerns($0, path) }
    }

    mutating func remove(_ connection: ConnectionID) {
        watchers.removeAll { $0.connection == connection }
    }

    /// Numbers a change and keeps it.
    ///
    /// - Returns: The notices to send, in the order in which the watches began.
    mutating func record(
        _ kind: Kind, _ path: TreePath, to target: TreePath? = nil,
        server: (id: ServerID, state: ServerState)? = nil
    ) -> [(ConnectionID, [UInt8])] {
        sequence += 1
        var writer = LineWriter()
        writer.append("! change")
        writer.pair("seq", sequence)
        writer.pair("kind", kind.rawValue)
        writer.pair("path", path.bytes)
        if let target { writer.pair("to", target.bytes) }
        if let server {
            writer.pair("server", server.id.bytes)
            writer.pair("state", server.state.rawValue)
        }
        writer.end()
        let event = Event(sequence: sequence, path: path, target: target, line: writer.bytes)
        keep(event)
        var told: [(ConnectionID, [UInt8])] = []
        var reached: Set<ConnectionID> = []
        for watcher in watchers where Watchers.concerns(event, watcher.path) {
            if reached.insert(watcher.connection).inserted {
                told.append((watcher.connection, event.line))
            }
        }
        return told
    }

    private mutating func keep(_ event: Event) {
        history.append(event)
        bytes += event.line.count
        while history.count - oldest > Watchers.historyEvents || bytes > Watchers.historyBytes {
            bytes -= history[oldest].line.count
            oldest += 1
        }
        if oldest > Watchers.historyEvents {
            history.removeSubrange(..<oldest)
            oldest = 0
        }
    }

    /// Whether a change is at, below or above a watched path.
    private static func concerns(_ event: Event, _ path: TreePath) -> Bool {
        [event.path, event.target].contains { place in
            guard let place else { return false }
            return place.isWithin(path) || path.isWithin(place)
        }
    }
}
