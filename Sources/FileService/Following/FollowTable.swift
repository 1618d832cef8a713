import DFSProtocol

/// One FOLLOW that goes on: how far it has told, and what it waits for.
struct FileFollower: Sendable {
    /// One thing at a time: so a peer that does not read costs one piece of memory.
    enum Phase: Sendable {
        /// The store is asked to watch the file.
        case starting
        /// Everything is told; the next change wakes it.
        case resting
        /// There may be something to tell, and other followers look at their files first.
        case waiting
        /// The disk is asked what is new.
        case looking
        /// An item is on its way to the peer.
        case sending
    }

    let ticket: Ticket
    let session: SessionKey
    let file: any OpenFile
    /// The export that has the file.
    let export: Int
    /// Everything before this offset is told.
    var position: Int64
    var phase = Phase.starting
    /// Whether the file may hold more than the last look at it found.
    var hasNews = true
    /// To which size a TRUNCATE of this server has cut the file since, below `position`.
    var cut: Int64?
}

/// The FOLLOWs of all connections, and whose turn it is to look at his file.
///
/// One follower of a file looks at a time: where a disk stalls, those of other files go on.
struct FollowTable: Sendable {
    /// Looks at files of one export at once; more would only keep its threads from others.
    static let looksAtOnce = 16

    /// The followers of one file that want to look at it.
    private struct Line: Sendable {
        /// In the order in which they began to wait; ended ones among them.
        var waiting: ArraySlice<RequestID> = []
        /// Whose look is under way; it may have ended meanwhile.
        var looking: RequestID?
    }

    private var followers: [RequestID: FileFollower] = [:]
    /// The same by connection, at most `limit` of each, and by file.
    private var byConnection: [ConnectionID: Set<RequestID>] = [:]
    private var byFile: [FileIdentity: Set<RequestID>] = [:]
    private var lines: [FileIdentity: Line] = [:]
    /// For each export, files with one that waits and none that looks, in the order in which they
    /// came to that.
    private var ready: [ArraySlice<FileIdentity>]
    /// For each export, how many looks are under way.
    private var looking: [Int]
    /// The files of the looks that are under way.
    private var looks: [RequestID: (file: FileIdentity, export: Int)] = [:]
    private let limit: Int

    /// Takes how many exports are told apart, and how many of them one connection may have.
    init(exports: Int, limit: Int) {
        ready = Array(repeating: [], count: exports)
        looking = Array(repeating: 0, count: exports)
        self.limit = limit
    }

    /// How many go on.
    var count: Int { followers.count }

    subscript(id: RequestID) -> FileFollower? { followers[id] }

    /// Begins one.
    ///
    /// - Throws: `too-many`.
    mutating func add(_ follower: FileFollower) throws(RequestError) {
        let id = follower.ticket.id
        guard byConnection[id.connection]?.count ?? 0 < limit else {
            throw RequestError(
                .tooMany, "a connection follows at most \(limit) files; CANCEL one first",
                fields: [.init("max", number: limit)])
        }
        followers[id] = follower
        byConnection[id.connection, default: []].insert(id)
        byFile[follower.file.identity, default: []].insert(id)
    }

    /// Ends one; false where it has ended before.
    mutating func remove(_ id: RequestID) -> Bool {
        guard let follower = followers.removeValue(forKey: id) else { return false }
        let file = follower.file.identity
        byConnection[id.connection]?.remove(id)
        if byConnection[id.connection]?.isEmpty == true { byConnection[id.connection] = nil }
        byFile[file]?.remove(id)
        if byFile[file]?.isEmpty == true { byFile[file] = nil }
        return true
    }

    /// Ends all of a connection.
    mutating func remove(_ connection: ConnectionID) {
        for id in (byConnection[connection] ?? []).sorted() { _ = remove(id) }
    }

    /// All of them in the order of their requests.
    var ids: [RequestID] { followers.keys.sorted() }

    /// Those of a session that a connection has, or has just lost, in the order of their requests.
    func ids(of session: SessionKey, on connection: ConnectionID) -> [RequestID] {
        (byConnection[connection] ?? []).filter { followers[$0]?.session == session }.sorted()
    }

    /// Notes that there may be something to tell.
    mutating func noteNews(_ id: RequestID) {
        followers[id]?.hasNews = true
        if followers[id]?.phase == .resting { wait(id) }
    }

    /// Notes that a file was cut: whoever has told more than is left tells so first.
    mutating func noteCut(of file: FileIdentity, to size: Int64) {
        for id in (byFile[file] ?? []).sorted() {
            guard let follower = followers[id], follower.position > size else { continue }
            let smallest = min(followers[id]?.cut ?? .max, size)
            followers[id]?.cut = smallest
            noteNews(id)
        }
    }

    /// Lets one that was starting or sending look again, or rest where there is nothing new.
    mutating func goOn(_ id: RequestID) {
        guard let follower = followers[id] else { return }
        followers[id]?.phase = .resting
        if follower.hasNews { wait(id) }
    }

    /// Notes that an item is on its way, after which the follower stands at a position.
    ///
    /// - Parameter hasMore: Whether more is known to come behind it.
    mutating func send(_ id: RequestID, upTo position: Int64, hasMore: Bool) {
        guard var follower = followers[id] else { return }
        follower.phase = .sending
        follower.position = position
        if hasMore { follower.hasNews = true }
        if let cut = follower.cut, cut >= position { follower.cut = nil }
        followers[id] = follower
    }
}

// Turns: who may look at his file now.
extension FollowTable {
    private mutating func wait(_ id: RequestID) {
        guard let follower = followers[id] else { return }
        let file = follower.file.identity
        followers[id]?.phase = .waiting
        lines[file, default: Line()].waiting.append(id)
        guard let line = lines[file], line.waiting.count == 1, line.looking == nil else { return }
        ready[follower.export].append(file)
    }

    /// Takes the next one that may look now; its turn lasts until `lookEnded`.
    mutating func nextToLook() -> FileFollower? {
        for export in ready.indices {
            if let follower = nextToLook(in: export) { return follower }
        }
        return nil
    }

    private mutating func nextToLook(in export: Int) -> FileFollower? {
        while looking[export] < FollowTable.looksAtOnce, let file = ready[export].popFirst() {
            while let id = lines[file]?.waiting.popFirst() {
                guard followers[id]?.phase == .waiting else { continue }
                lines[file]?.looking = id
                looks[id] = (file, export)
                looking[export] += 1
                followers[id]?.phase = .looking
                followers[id]?.hasNews = false
                return followers[id]
            }
            lines[file] = nil
        }
        return nil
    }

    /// Notes that a look is over, also where its follower has ended: the turn is another's.
    mutating func lookEnded(_ id: RequestID) {
        guard let (file, export) = looks.removeValue(forKey: id) else { return }
        looking[export] -= 1
        lines[file]?.looking = nil
        guard lines[file]?.waiting.isEmpty == false else { return lines[file] = nil }
        ready[export].append(file)
    }
}
