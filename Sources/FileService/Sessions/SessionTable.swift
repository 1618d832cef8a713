import DFSProtocol

/// All sessions of the server by one key, and which connection may use each.
///
/// Costs do not depend on the number of sessions, but for the lists that HANDLES and a connection's
/// end need.
struct SessionTable: Sendable {
    private struct Connection: Sendable {
        var lastNumber: Int64 = 0
        /// OPENs that have no session yet; they count towards the limits.
        var opening = 0
        /// The sessions that it may use, in the order in which they came to it.
        var attached: [SessionKey] = []
        /// The latest endings of its own sessions, at most as many as handles may be open.
        var endings: [(number: Int64, ending: Ending)] = []
    }

    private var connections: [ConnectionID: Connection] = [:]
    private var sessions: [SessionKey: FileSession] = [:]
    /// The leases of those sessions that are watched; renewal leaves their entries where they are.
    private var leases = DeadlineHeap<SessionKey>()
    private var endings: SessionEndings
    private var opening = 0
    private var leased = 0
    private var lastLeased: Int64
    private let limits: Limits

    /// Starts without sessions.
    ///
    /// - Parameter epoch: Stands in the handles of sessions with a lease.
    init(limits: Limits, epoch: Int64) {
        self.limits = limits
        endings = SessionEndings(limit: limits.handles)
        lastLeased = SessionKey.firstLeased(epoch: epoch)
    }

    /// How many sessions there are, those included that are being put away.
    var count: Int { sessions.count }
    /// When a lease may have run out; nil where there is none.
    var deadline: MonotonicTime? { leases.first }
    /// All keys in their order.
    var keys: [SessionKey] { sessions.keys.sorted() }
    /// How many entries the heap of leases has; bounded by the number of leases.
    var watchedCount: Int { leases.count }

    subscript(key: SessionKey) -> FileSession? { sessions[key] }

    /// Changes a session in its place; does nothing where there is none.
    mutating func update(_ key: SessionKey, _ change: (inout FileSession) -> Void) {
        guard let index = sessions.index(forKey: key) else { return }
        change(&sessions.values[index])
    }
}

// Places: how many sessions there may be, and how they come and go.
extension SessionTable {
    /// Reserves a place for an OPEN; each is given back by `release` or used by `add`.
    ///
    /// - Throws: `too-many` with `of=connection` or `of=server`.
    mutating func reserve(on connection: ConnectionID) throws(RequestError) {
        try checkRoom(on: connection)
        guard sessions.count + opening < limits.handles else {
            throw RequestError(
                .tooMany, "this server has all the sessions that it takes; try again later",
                fields: [
                    .init("max", number: limits.handles), .init("of", [UInt8]("server".utf8)),
                ])
        }
        connections[connection, default: Connection()].opening += 1
        opening += 1
    }

    private func checkRoom(on connection: ConnectionID) throws(RequestError) {
        let held = connections[connection].map { $0.attached.count + $0.opening } ?? 0
        guard held < limits.handlesPerConnection else {
            throw RequestError(
                .tooMany, "this connection has all the handles that it may; CLOSE one first",
                fields: [
                    .init("max", number: limits.handlesPerConnection),
                    .init("of", [UInt8]("connection".utf8)),
                ])
        }
    }

    /// Gives up a reservation, also where its connection has ended.
    mutating func release(on connection: ConnectionID) {
        opening -= 1
        connections[connection]?.opening -= 1
    }

    /// The key of the next session of a connection; nil where the connection has ended.
    mutating func nextKey(on connection: ConnectionID, hasLease: Bool) -> SessionKey? {
        guard connections[connection] != nil else { return nil }
        if hasLease {
            lastLeased += 1
            return .leased(lastLeased)
        }
        connections[connection]?.lastNumber += 1
        return .held(connection, connections[connection]?.lastNumber ?? 0)
    }

    /// Turns a reservation into a session; false where the connection has ended meanwhile.
    mutating func add(
        _ session: FileSession, _ key: SessionKey, on connection: ConnectionID
    ) -> Bool {
        release(on: connection)
        guard connections[connection] != nil else { return false }
        sessions[key] = session
        connections[connection]?.attached.append(key)
        if session.leaseMilliseconds > 0 {
            leased += 1
            watch(key)
        }
        return true
    }

    /// Gives a session to a connection; it is taken from the one that had it.
    ///
    /// - Returns: The connection that lost it, if another one had it.
    /// - Throws: `too-many` where the connection has no room.
    mutating func attach(
        _ key: SessionKey, to connection: ConnectionID
    ) throws(RequestError) -> ConnectionID? {
        let old = sessions[key]?.attachment
        guard old != connection else { return nil }
        try checkRoom(on: connection)
        detach(key)
        connections[connection, default: Connection()].attached.append(key)
        update(key) { $0.attachment = connection }
        return old
    }

    /// Takes a session from its connection.
    mutating func detach(_ key: SessionKey) {
        guard let connection = sessions[key]?.attachment else { return }
        update(key) { $0.attachment = nil }
        connections[connection]?.attached.removeAll { $0 == key }
    }

    /// Removes a session and remembers how it ended; nil where nobody needs to know.
    mutating func remove(_ key: SessionKey, _ ending: Ending?, at now: MonotonicTime) {
        detach(key)
        guard let session = sessions.removeValue(forKey: key) else { return }
        if session.leaseMilliseconds > 0 {
            leased -= 1
            forgetLeases()
        }
        guard let ending else { return }
        switch key {
        case .leased:
            endings.note(
                key, ending, until: now.advanced(milliseconds: session.leaseMilliseconds), at: now)
        case .held(let connection, let number):
            guard let count = connections[connection]?.endings.count else { return }
            if count >= limits.handlesPerConnection {
                connections[connection]?.endings.removeFirst()
            }
            connections[connection]?.endings.append((number, ending))
        }
    }

    /// Forgets a connection.
    ///
    /// - Returns: The sessions that it had, in the order of their keys; none has a connection now.
    mutating func forget(_ connection: ConnectionID) -> [SessionKey] {
        guard let entry = connections.removeValue(forKey: connection) else { return [] }
        for key in entry.attached { update(key) { $0.attachment = nil } }
        return entry.attached.sorted()
    }

    /// Whether a connection may use a session or waits for one.
    func holdsSession(_ connection: ConnectionID) -> Bool {
        connections[connection].map { !$0.attached.isEmpty || $0.opening > 0 } ?? false
    }

    /// Whether a handle is of a session that its connection has had.
    func hadSession(_ key: SessionKey) -> Bool {
        guard case .held(let connection, let number) = key else { return false }
        return number <= connections[connection]?.lastNumber ?? 0
    }

    /// How a session ended; nil where that is not known any more.
    func ending(of key: SessionKey, at now: MonotonicTime) -> Ending? {
        guard case .held(let connection, let number) = key else {
            return endings.ending(of: key, at: now)
        }
        return connections[connection]?.endings.last { $0.number == number }?.ending
    }
}

// Leases: which have run out.
extension SessionTable {
    /// Notes that work of a session began, which keeps it.
    mutating func began(_ key: SessionKey) { update(key) { $0.running += 1 } }

    /// Notes that work of a session ended.
    ///
    /// - Returns: Whether its lease has run out meanwhile.
    mutating func ended(_ key: SessionKey, at now: MonotonicTime) -> Bool {
        update(key) { $0.running -= 1 }
        guard let session = sessions[key], session.leaseMilliseconds > 0, session.phase == .open
        else { return false }
        if session.isDue(at: now) { return true }
        if !session.isWatched { watch(key) }
        return false
    }

    /// The open sessions whose lease has run out, in the order of their deadlines.
    mutating func due(at now: MonotonicTime) -> [SessionKey] {
        var due: [SessionKey] = []
        while let key = leases.removeFirst(until: now) {
            update(key) { $0.isWatched = false }
            guard let session = sessions[key], session.phase == .open else { continue }
            if session.isDue(at: now) {
                due.append(key)
            } else if session.running == 0 {
                watch(key)
            }
        }
        return due
    }

    private mutating func watch(_ key: SessionKey) {
        guard let session = sessions[key] else { return }
        leases.insert(key, at: session.deadline)
        update(key) { $0.isWatched = true }
    }

    /// Drops leases of sessions that are gone as soon as they are most of the heap.
    private mutating func forgetLeases() {
        guard leases.count > 2 * leased + 64 else { return }
        let sessions = sessions
        leases.keep { sessions[$0] != nil }
    }
}

// Handles: which session a client means.
extension SessionTable {
    /// Finds the session that a handle names on a connection.
    ///
    /// - Throws: `lease-expired`; `stale-handle` where the connection may not use such a session.
    func find(
        _ handle: [UInt8], on connection: ConnectionID, at now: MonotonicTime
    ) throws(RequestError) -> (key: SessionKey, session: FileSession) {
        guard let key = SessionKey(handle, on: connection) else {
            throw SessionTable.staleHandle(handle, "no handle looks like this; OPEN tells one")
        }
        guard let session = sessions[key], session.phase == .open,
            session.attachment == connection
        else { throw refusal(of: key, handle, at: now) }
        return (key, session)
    }

    /// Starts the lease of the session anew that a request names, whatever becomes of the request.
    mutating func renew(_ request: Request, on connection: ConnectionID, at now: MonotonicTime) {
        guard let handle = request.operands.first, let key = SessionKey(handle, on: connection),
            let session = sessions[key], session.attachment == connection
        else { return }
        update(key) { $0.usedAt = now }
    }

    /// Says why a session can not be used by a connection that it is not attached to.
    func refusal(of key: SessionKey, _ handle: [UInt8], at now: MonotonicTime) -> RequestError {
        let phase = sessions[key]?.phase
        let ending = phase == nil ? ending(of: key, at: now) : nil
        switch (phase, ending) {
        case (.expired, _), (_, .expired):
            return SessionTable.leaseExpired(handle)
        case (.killed, _), (_, .killed):
            return SessionTable.staleHandle(handle, "KILL ended the session; OPEN the file again")
        case (.closing, _), (_, .closed):
            return SessionTable.staleHandle(handle, "the session was closed; OPEN the file again")
        case (.open, _):
            return SessionTable.staleHandle(
                handle, "the session is not this connection's; RESUME it with its token")
        default:
            return SessionTable.staleHandle(
                handle, "no such session on this connection; OPEN the file again")
        }
    }

    static func leaseExpired(_ handle: [UInt8]) -> RequestError {
        RequestError(
            .leaseExpired, "the session's lease ran out; OPEN the file again",
            fields: [.init("h", Array(handle.prefix(64)))])
    }

    static func staleHandle(_ handle: [UInt8], _ advice: String) -> RequestError {
        RequestError(
            .staleHandle, advice, fields: [.init("h", Array(handle.prefix(64)))])
    }
}
