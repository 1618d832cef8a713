import DFSProtocol
import FileService
import Synchronization

/// A file while sessions have it open; all of them share one.
///
/// It holds no lock over reads and writes: what may run beside what is decided in one place, the
/// file's lane in the core (`FileLanes`), before any thread is taken. What is counted here is right
/// in any order: a change counts when it begins and again when it has been made, so that no sync
/// that ran meanwhile covers it.
final class LiveFile: Sendable {
    /// What the disk failed under the file.
    private struct Health {
        /// Writes and syncs that failed.
        var failures: Int64 = 0
        /// Failures before the file was last read as a whole.
        var settled: Int64 = 0
        /// How often the file was read as a whole.
        var verifications: Int64 = 0
    }

    /// Identity in the ledger.
    let fid: Int64
    /// Place in the ledger; good only while the ledger has `fid` there.
    let place: NodeID
    /// The file on disk that the sessions have open.
    let identity: FileIdentity

    private let marks: WritingMarks
    private let watches: FileWatches
    /// Where the writing mark stands; nil while nothing is to be counted.
    private let marking = Mutex<Int?>(nil)
    private let health = Mutex(Health())
    /// Changes made through sessions; raised when one begins and when it has been made.
    private let made = Atomic<Int64>(0)
    /// Changes that a version counts.
    private let counted = Atomic<Int64>(0)
    /// Changes that a version counts which the ledger has on disk; never ahead of `counted`.
    private let kept = Atomic<Int64>(0)
    /// Changes that an fsync brought to the disk; behind `counted` where one failed.
    private let synced = Atomic<Int64>(0)
    private let stale = Atomic(false)
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

    /// Whether the file was replaced or removed: sessions may read on, and nothing else.
    var isStale: Bool { stale.load(ordering: .sequentiallyConsistent) }

    /// The newest change.
    var newestChange: Int64 { made.load(ordering: .sequentiallyConsistent) }

    /// The newest change that a version counts.
    var countedChange: Int64 { counted.load(ordering: .sequentiallyConsistent) }

    /// The newest change that a version counts which the ledger has on disk.
    var keptChange: Int64 { kept.load(ordering: .sequentiallyConsistent) }

    /// The newest change that the disk has for certain.
    var syncedChange: Int64 { synced.load(ordering: .sequentiallyConsistent) }

    /// Whether there are changes that no version counts yet.
    var isDirty: Bool { newestChange != countedChange }

    /// The version that was last seen, also after the ledger has forgotten the file.
    var version: Int64 { lastVersion.load(ordering: .relaxed) }

    /// Ends writing for all sessions; never taken back.
    func makeStale() {
        stale.store(true, ordering: .sequentiallyConsistent)
        watches.tell(identity)
    }

    /// Notes a version that was seen; one that was seen earlier and is told later does nothing.
    func sawVersion(_ ver: Int64) { lastVersion.max(ver, ordering: .relaxed) }

    /// Marks the file and counts a change, before it is made.
    func beginChange() throws(SystemError) -> Int64 {
        try marking.withLock { (slot) throws(SystemError) in
            if slot == nil { slot = try marks.mark(fid, ver: version) }
            // Before anybody else can find that there is nothing to count and take the mark back.
            return made.add(1, ordering: .sequentiallyConsistent).newValue
        }
    }

    /// Counts a change once more when it has been made, or may have been.
    func endChange() -> Int64 { made.add(1, ordering: .sequentiallyConsistent).newValue }

    /// Notes that a change was refused with nothing of it made: no version has to count it.
    ///
    /// Where all before it was counted, it is too: it is nothing. Else the version that counts
    /// those changes covers it.
    func dropChange(_ change: Int64) {
        // Another number stands there where more is to be synced, counted or kept: that goes on.
        _ = synced.compareExchange(
            expected: change - 1, desired: change, ordering: .sequentiallyConsistent)
        _ = counted.compareExchange(
            expected: change - 1, desired: change, ordering: .sequentiallyConsistent)
        _ = kept.compareExchange(
            expected: change - 1, desired: change, ordering: .sequentiallyConsistent)
        settleMark()
    }

    /// Notes that the disk has all changes up to one.
    func noteSynced(upTo change: Int64) {
        synced.store(max(change, syncedChange), ordering: .sequentiallyConsistent)
    }

    /// Notes in the ledger's lock that a version counts all changes up to one.
    func count(upTo change: Int64, as ver: Int64) {
        sawVersion(ver)
        counted.store(max(change, countedChange), ordering: .sequentiallyConsistent)
    }

    /// Notes that the ledger on disk has the version that counts all changes up to one.
    func noteKept(upTo change: Int64) {
        kept.store(max(change, keptChange), ordering: .sequentiallyConsistent)
    }

    /// Takes the mark back where nothing is left to count, else has it name the version of now.
    ///
    /// A version that is counted and that the ledger could not keep may have been told: then the
    /// mark stays, and the next start goes beyond that version.
    func settleMark() {
        marking.withLock { slot in
            guard let taken = slot else { return }
            if keptChange >= countedChange, isStale || !isDirty {
                marks.clear(taken)
                slot = nil
            } else {
                // A mark that could not be moved names the version before; the file's times tell
                // the same.
                try? marks.move(taken, fid, to: version)
            }
        }
    }
}

// Health: what a failure of the disk ends, and what begins it anew.
extension LiveFile {
    /// Failures so far; a session that joins now is not concerned by them.
    var failures: Int64 { health.withLock { $0.failures } }

    /// How often the file was read as a whole.
    var verifications: Int64 { health.withLock { $0.verifications } }

    /// Notes a failed write or sync: every session that is open now is over, until it is settled.
    func noteFailure() { health.withLock { $0.failures += 1 } }

    /// Whether the disk failed since a session joined and the file was not read whole since.
    func hasFailed(since joined: Int64) -> Bool {
        health.withLock { $0.failures > max(joined, $0.settled) }
    }

    /// Notes that the file was read as a whole, from the disk: its sessions may go on.
    ///
    /// - Parameter failures: How many there were when reading began; later ones still hold.
    func noteVerified(failures: Int64) {
        health.withLock { health in
            health.settled = max(failures, health.settled)
            health.verifications += 1
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
                if entry.file.identity == identity, !entry.file.isStale {
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
            return file.identity == identity && file.isDirty && !file.isStale
        }
    }

    /// Notes a version that was counted for what others wrote.
    func sawVersion(_ fid: Int64, _ ver: Int64) {
        entries.withLock { $0[fid]?.file.sawVersion(ver) }
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
