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

    /// One connection that watches.
    private struct Watcher {
        var paths: [(path: TreePath, since: Int64)] = []
        /// The number up to which the connection has been told everything that concerns it.
        var told: Int64
        /// Whether it has not read what it was told, so that it is told nothing more now.
        var isStalled = false
    }

    /// Changes that WATCH can still tell with since=.
    static let historyEvents = 4096
    /// Bytes of notices that are kept for that.
    static let historyBytes = 1_048_576
    /// Watches of one connection.
    static let perConnection = 16
    /// Watches of all connections: each is held against each change.
    static let most = 4096
    /// Bytes of notices in one turn, to one connection and to all.
    static let turnBytesOfOne = 65_536
    static let turnBytes = 1_048_576
    /// Changes that are held against watched paths in one turn: about a millisecond.
    static let turnSteps = 20_000
    /// How many numbers are reserved in the store at once, so that none is given twice.
    static let reserved: Int64 = 1_000_000

    /// The number of the latest change.
    private(set) var sequence: Int64 = 0
    /// The number from which a restart goes on; kept, and always ahead of `sequence`.
    private(set) var ceiling: Int64 = 0
    private var watchers: [ConnectionID: Watcher] = [:]
    /// The watching connections; each turn begins behind the last one of the turn before.
    private var round: [ConnectionID] = []
    private var nextInRound = 0
    private var watches = 0
    private var history: [Event] = []
    private var oldest = 0
    private var bytes = 0

    /// Whether somebody who reads has not been told everything.
    private(set) var hasNews = false

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

    /// The oldest change that is still kept; the next one where none is.
    private var first: Int64 {
        oldest < history.count ? history[oldest].sequence : sequence + 1
    }

    /// Begins a watch.
    ///
    /// - Returns: The notices since a number that the connection was not told before, or nil where
    ///   they are gone.
    mutating func add(
        _ connection: ConnectionID, _ path: TreePath, since: Int64?
    ) throws(RequestError) -> [UInt8]? {
        var watcher = watchers[connection] ?? Watcher(told: sequence)
        guard watcher.paths.count < Watchers.perConnection else {
            throw Watchers.tooMany(Watchers.perConnection, of: "connection")
        }
        guard watches < Watchers.most else { throw Watchers.tooMany(Watchers.most, of: "server") }
        if watcher.paths.isEmpty { round.append(connection) }
        watches += 1
        let isKnown = since.map { $0 <= sequence && $0 >= first - 1 } ?? true
        let start = isKnown ? since ?? sequence : sequence
        let missed = tellable(after: start, upTo: watcher.told).filter {
            Watchers.concerns($0, path)
        }
        watcher.paths.append((path, start))
        watchers[connection] = watcher
        return isKnown ? missed.flatMap(\.line) : nil
    }

    private static func tooMany(_ most: Int, of whom: String) -> RequestError {
        RequestError(
            .tooMany, "a \(whom) watches at most \(most) paths",
            fields: [.init("max", number: most), .init("of", [UInt8](whom.utf8))])
    }

    mutating func remove(_ connection: ConnectionID) {
        guard let watcher = watchers.removeValue(forKey: connection) else { return }
        watches -= watcher.paths.count
        round.removeAll { $0 == connection }
    }

    /// Notes whether a connection takes more; what it missed for too long becomes a gap.
    mutating func setStalled(_ connection: ConnectionID, _ isStalled: Bool) {
        guard watchers[connection] != nil else { return }
        watchers[connection]?.isStalled = isStalled
        if !isStalled { hasNews = true }
    }

    /// Notes that a watcher did not get what it was sent; false where there is none.
    mutating func miss(_ connection: ConnectionID) -> Bool {
        guard watchers[connection] != nil else { return false }
        // Before every change that is kept: what comes next is a gap.
        watchers[connection]?.told = -1
        return true
    }

    /// Numbers a change and keeps it to be told.
    mutating func record(
        _ kind: Kind, _ path: TreePath, to target: TreePath? = nil,
        server: (id: ServerID, state: ServerState)? = nil
    ) {
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
        keep(Event(sequence: sequence, path: path, target: target, line: writer.bytes))
        if !watchers.isEmpty { hasNews = true }
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

    /// The changes behind a number, up to another; they are kept without a hole.
    private func tellable(after start: Int64, upTo end: Int64) -> ArraySlice<Event> {
        guard start < end, start >= first - 1, end <= sequence else { return [] }
        let from = oldest + Int(start + 1 - first)
        return history[from..<(from + Int(end - start))]
    }

    /// Tells what is new, as much as one turn may; the rest is told in the next ones.
    ///
    /// A connection that comes too late for what history keeps is told of the gap.
    mutating func tell(_ send: (ConnectionID, [UInt8]) -> Void) {
        guard hasNews else { return }
        hasNews = false
        var (steps, room) = (Watchers.turnSteps, Watchers.turnBytes)
        for turn in 0..<round.count {
            let index = (nextInRound + turn) % round.count
            let connection = round[index]
            guard let watcher = watchers[connection], !watcher.isStalled, watcher.told < sequence
            else { continue }
            if steps <= 0 || room <= 0 {
                nextInRound = index
                hasNews = true
                return
            }
            let lines = news(of: connection, watcher, &steps)
            room -= lines.count
            if !lines.isEmpty { send(connection, lines) }
            if watchers[connection]?.told != sequence { hasNews = true }
        }
    }

    /// The next notices for one connection.
    private mutating func news(
        of connection: ConnectionID, _ watcher: Watcher, _ steps: inout Int
    ) -> [UInt8] {
        guard watcher.told >= first - 1 else {
            watchers[connection]?.told = sequence
            return Watchers.gap(sequence)
        }
        var lines: [UInt8] = []
        var told = watcher.told
        for event in tellable(after: told, upTo: sequence) {
            if steps <= 0 || lines.count >= Watchers.turnBytesOfOne { break }
            steps -= watcher.paths.count
            told = event.sequence
            let isWatched = watcher.paths.contains { watch in
                event.sequence > watch.since && Watchers.concerns(event, watch.path)
            }
            if isWatched { lines += event.line }
        }
        watchers[connection]?.told = told
        return lines
    }

    /// `! gap seq=`: what happened up to this number is not known any more.
    static func gap(_ sequence: Int64) -> [UInt8] {
        var line = LineWriter()
        line.append("! gap")
        line.pair("seq", sequence)
        line.end()
        return line.bytes
    }

    /// Whether a change is at, below or above a watched path.
    private static func concerns(_ event: Event, _ path: TreePath) -> Bool {
        if path.isRoot { return true }
        if event.path.isWithin(path) || path.isWithin(event.path) { return true }
        guard let target = event.target else { return false }
        return target.isWithin(path) || path.isWithin(target)
    }
}
