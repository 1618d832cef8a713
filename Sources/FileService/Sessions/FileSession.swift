import DFSProtocol

/// One open session: a server-side object that a client names by its handle.
///
/// It follows the file, not the name, and ends with its connection.
struct FileSession: Sendable {
    /// How HANDLES shows the path; what was asked for at OPEN.
    let path: TreePath
    let access: FileAccess
    let file: any OpenFile
    /// What the client called itself, or where it came from.
    let client: [UInt8]
    let openedAt: MonotonicTime
    var usedAt: MonotonicTime
    /// Where a READ without an offset goes on; moves only while that READ runs alone.
    var cursor: Int64 = 0
    /// Whether something was written that no SYNC has counted yet.
    var hasChanges = false
    /// Whether CLOSE was asked for; every later request finds the handle gone.
    var isClosing = false
}

/// Tells one session from every other that this process ever had.
struct SessionKey: Hashable, Comparable, Sendable {
    let connection: ConnectionID
    /// The number in `h1`, `h2`; never used twice on a connection.
    let number: Int64

    static func < (left: SessionKey, right: SessionKey) -> Bool {
        (left.connection, left.number) < (right.connection, right.number)
    }

    /// The handle as the connection that owns it writes it.
    var handle: [UInt8] { [UInt8]("h\(number)".utf8) }

    /// The handle as another connection sees it in HANDLES: unique over the server.
    var distantHandle: [UInt8] { [UInt8]("c\(connection.number).h\(number)".utf8) }
}

/// What CLOSE answered, kept so that a repeated CLOSE answers the same.
typealias Ending = Result<FileFacts, RequestError>

/// The sessions of all connections.
struct SessionTable: Sendable {
    private struct Connection: Sendable {
        var lastNumber: Int64 = 0
        /// OPENs that the disk has not answered yet; they count towards the limit.
        var opening = 0
        var sessions: [Int64: FileSession] = [:]
        /// The latest endings in their order, at most as many as handles may be open.
        var endings: [(number: Int64, ending: Ending)] = []
    }

    private var connections: [ConnectionID: Connection] = [:]
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// How many sessions are open.
    private(set) var count = 0

    /// Reserves a place for an OPEN that is on its way.
    ///
    /// - Throws: `too-many`.
    mutating func reserve(on connection: ConnectionID) throws(RequestError) {
        let held = connections[connection].map { $0.sessions.count + $0.opening } ?? 0
        guard held < limit else {
            throw RequestError(
                .tooMany, "a connection holds at most \(limit) handles; CLOSE one first",
                fields: [.init("max", number: limit)])
        }
        connections[connection, default: Connection()].opening += 1
    }

    /// Gives up a reservation: the file could not be opened.
    mutating func release(on connection: ConnectionID) {
        connections[connection]?.opening -= 1
    }

    /// Turns a reservation into a session; nil where the connection has ended meanwhile.
    mutating func add(_ session: FileSession, on connection: ConnectionID) -> SessionKey? {
        guard var entry = connections[connection] else { return nil }
        entry.opening -= 1
        entry.lastNumber += 1
        entry.sessions[entry.lastNumber] = session
        connections[connection] = entry
        count += 1
        return SessionKey(connection: connection, number: entry.lastNumber)
    }

    subscript(key: SessionKey) -> FileSession? {
        get { connections[key.connection]?.sessions[key.number] }
        set {
            if newValue == nil, connections[key.connection]?.sessions[key.number] != nil {
                count -= 1
            }
            connections[key.connection]?.sessions[key.number] = newValue
        }
    }

    /// Finds the session that a handle names.
    ///
    /// - Throws: `stale-handle` where there is none on this connection, or it was closed.
    func find(
        _ handle: [UInt8], on connection: ConnectionID
    ) throws(RequestError) -> (key: SessionKey, session: FileSession) {
        guard let key = SessionTable.key(handle, on: connection), let session = self[key],
            !session.isClosing
        else { throw SessionTable.staleHandle(handle) }
        return (key, session)
    }

    /// What CLOSE of a handle answered when it was open; nil where that is not known any more.
    func ending(_ handle: [UInt8], on connection: ConnectionID) -> Ending? {
        guard let key = SessionTable.key(handle, on: connection) else { return nil }
        return connections[connection]?.endings.last { $0.number == key.number }?.ending
    }

    /// Removes a session and remembers what its CLOSE answered.
    mutating func end(_ key: SessionKey, with ending: Ending) {
        self[key] = nil
        guard var entry = connections[key.connection] else { return }
        if entry.endings.count >= limit { entry.endings.removeFirst() }
        entry.endings.append((key.number, ending))
        connections[key.connection] = entry
    }

    /// Forgets a connection.
    ///
    /// - Returns: The sessions that nobody closed, in the order of their handles.
    mutating func remove(_ connection: ConnectionID) -> [FileSession] {
        guard let entry = connections.removeValue(forKey: connection) else { return [] }
        count -= entry.sessions.count
        return entry.sessions.sorted { $0.key < $1.key }.map(\.value).filter { !$0.isClosing }
    }

    /// All sessions, ordered by connection and handle.
    var all: [(key: SessionKey, session: FileSession)] {
        connections.sorted { $0.key < $1.key }.flatMap { connection, entry in
            entry.sessions.sorted { $0.key < $1.key }.map { number, session in
                (SessionKey(connection: connection, number: number), session)
            }
        }
    }

    /// Whether a connection holds a session or waits for one.
    func holdsSession(_ connection: ConnectionID) -> Bool {
        connections[connection].map { !$0.sessions.isEmpty || $0.opening > 0 } ?? false
    }

    private static func key(_ handle: [UInt8], on connection: ConnectionID) -> SessionKey? {
        guard handle.first == UInt8(ascii: "h"),
            let number = Number.parse(handle.span.extracting(1..<handle.count))
        else { return nil }
        return SessionKey(connection: connection, number: number)
    }

    static func staleHandle(_ handle: [UInt8]) -> RequestError {
        RequestError(
            .staleHandle, "no such session on this connection; OPEN the file again",
            fields: [.init("h", Array(handle.prefix(64)))])
    }
}
