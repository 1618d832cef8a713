import CPosix
import DFSProtocol
import FileService
import Synchronization

/// A file while sessions have it open; all of them share one.
final class LiveFile: Sendable {
    private struct Marking {
        /// Where the writing mark stands; nil while nothing is to be counted.
        var slot: Int?
    }

    /// Identity in the ledger.
    let fid: Int64
    /// Place in the ledger; good only while the ledger has `fid` there.
    let place: NodeID
    /// The file on disk that the sessions have open.
    let identity: FileIdentity

    private let lock = dfs_lock_make()
    private let marks: WritingMarks
    private let watches: FileWatches
    private let marking = Mutex(Marking())
    /// Changes made through sessions; raised while the lock is held for writing.
    private let made = Atomic<Int64>(0)
    /// Changes that a version counts and the disk has.
    private let counted = Atomic<Int64>(0)
    private let stale = Atomic(false)
    private let broken = Atomic(false)
    private let lastVersion: Atomic<Int64>

    init(
        _ fid: Int64, at place: NodeID, _ identity: FileIdentity, ver: Int64,
        _ marks: WritingMarks, _ watches: FileWatches
    ) {
        self.fid = fid
        self.place = place
        self.identity = identity
        self.marks = marks
        self.watches = watches
        lastVersion = Atomic(ver)
    }

    deinit { dfs_lock_free(lock) }

    /// Whether the file was replaced or removed: sessions may read on, and nothing else.
    var isStale: Bool { stale.load(ordering: .sequentiallyConsistent) }

    /// Whether the disk failed: what the file holds is not known until it is opened anew.
    var isBroken: Bool { broken.load(ordering: .sequentiallyConsistent) }

    /// The newest change.
    var newestChange: Int64 { made.load(ordering: .sequentiallyConsistent) }

    /// The newest change that a version counts.
    var countedChange: Int64 { counted.load(ordering: .sequentiallyConsistent) }

    /// Whether there are changes that no version counts yet.
    var isDirty: Bool { newestChange != countedChange }

    /// The version that was last seen, also after the ledger has forgotten the file.
    var version: Int64 { lastVersion.load(ordering: .relaxed) }

    /// Ends writing for all sessions; never taken back.
    func makeStale() {
        stale.store(true, ordering: .sequentiallyConsistent)
        watches.tell(identity)
    }

    /// Ends writing and syncing for all sessions; never taken back.
    func makeBroken() { broken.store(true, ordering: .sequentiallyConsistent) }

    /// Notes a version that was seen.
    func sawVersion(_ ver: Int64) { lastVersion.store(ver, ordering: .relaxed) }

    /// Runs what only reads; writers wait.
    func reading<Result>(_ body: () throws(RequestError) -> Result) throws(RequestError) -> Result {
        dfs_lock_shared(lock)
        defer { dfs_unlock(lock) }
        return try body()
    }

    /// Runs what changes the file; all others wait.
    func writing<Result>(_ body: () throws(RequestError) -> Result) throws(RequestError) -> Result {
        dfs_lock_exclusive(lock)
        defer { dfs_unlock(lock) }
        return try body()
    }

    /// Marks the file and counts a change, before it is made; only within `writing`.
    func beginChange() throws(SystemError) -> Int64 {
        try marking.withLock { (marking) throws(SystemError) in
            if marking.slot == nil { marking.slot = try marks.mark(fid, ver: version) }
        }
        return made.add(1, ordering: .sequentiallyConsistent).newValue
    }

    /// Notes in the ledger's lock that a version counts all changes up to one.
    func count(upTo change: Int64, as ver: Int64) {
        sawVersion(ver)
        counted.store(max(change, countedChange), ordering: .sequentiallyConsistent)
    }

    /// Takes the mark back, or moves it where more changes came; after the version is on disk.
    func settleMark() {
        marking.withLock { marking in
            guard let slot = marking.slot else { return }
            if isDirty, !isStale {
                // A mark that could not be moved does nothing; the file's times tell the same.
                try? marks.move(slot, fid, to: version)
            } else {
                marks.clear(slot)
                marking.slot = nil
            }
        }
    }
}

/// All files of an export that sessions have open, by identity.
final class LiveFiles: Sendable {
    private struct Entry {
        var file: LiveFile
        var sessions: Int
    }

    private let entries = Mutex<[Int64: Entry]>([:])
    private let marks: WritingMarks
    private let watches: FileWatches

    /// Takes where writing is marked, and whom to tell of files that became stale.
    init(_ marks: WritingMarks, _ watches: FileWatches) {
        self.marks = marks
        self.watches = watches
    }

    /// Joins a session to the file; another file under the same identity is stale from now on.
    func open(_ node: LedgerNode, at place: NodeID, _ identity: FileIdentity) -> LiveFile {
        entries.withLock { entries in
            if var entry = entries[node.fid] {
                if entry.file.identity == identity, !entry.file.isBroken, !entry.file.isStale {
                    entry.sessions += 1
                    entries[node.fid] = entry
                    return entry.file
                }
                if entry.file.identity != identity { entry.file.makeStale() }
            }
            let file = LiveFile(node.fid, at: place, identity, ver: node.ver, marks, watches)
            entries[node.fid] = Entry(file: file, sessions: 1)
            return file
        }
    }

    /// Lets a session go.
    func close(_ file: LiveFile) {
        entries.withLock { entries in
            guard var entry = entries[file.fid], entry.file === file else { return }
            entry.sessions -= 1
            entries[file.fid] = entry.sessions > 0 ? entry : nil
        }
    }

    /// Whether sessions changed a file and no version counts it yet.
    func isDirty(_ fid: Int64, _ identity: FileIdentity) -> Bool {
        entries.withLock { entries in
            guard let file = entries[fid]?.file else { return false }
            return file.identity == identity && file.isDirty && !file.isStale && !file.isBroken
        }
    }

    /// Ends writing in all sessions of files that were replaced or removed.
    func makeStale(_ fids: [Int64]) {
        entries.withLock { entries in
            if entries.isEmpty { return }
            for fid in fids { entries.removeValue(forKey: fid)?.file.makeStale() }
        }
    }

    /// Ends writing in the sessions of a file that is no longer the one on disk.
    func makeStale(_ fid: Int64, unless identity: FileIdentity) {
        entries.withLock { entries in
            guard let entry = entries[fid], entry.file.identity != identity else { return }
            entry.file.makeStale()
            entries[fid] = nil
        }
    }
}
