import CPosix
import DFSProtocol
import FileService
import Synchronization

/// One served folder: its root descriptor, its ledger and the files that sessions have open.
///
/// Every path starts at the root descriptor and passes no symlink; after that only descriptors are
/// used. Lock order: a file's own lock, then the ledger's, then those of open files, then those of
/// the change log, of new directories (`fresh`) and of who is told of a file (`FileWatches.state`),
/// which are held for a moment and take no other. Marks (`LiveFile.marking`) stand by themselves.
final class Export: Sendable {
    /// Where the folder stands in the tree.
    let mount: TreePath
    /// Where it stands on disk, without symlinks.
    let folder: [UInt8]
    let root: Descriptor
    let rootIdentity: FileIdentity
    let ledger: Ledger
    let live: LiveFiles
    /// Files that were told with a version which the ledger on disk has not.
    let marks: WritingMarks
    /// Names that the disk has moved and the ledger not yet.
    let moves: MovingMarks
    /// Tells who follows a file.
    let watches: FileWatches
    /// Directories that were found by a request and must be watched and scanned.
    let found: FolderQueue
    /// Where removed directories go before their contents are removed.
    let trashCan: TrashCan
    let flushes = FolderFlushes()
    /// Puts stored files in place, many at once.
    let rounds = StoreRounds()
    /// Directories that were made and whose own name the disk may not have yet, by their place,
    /// with a number that tells one making from the next.
    ///
    /// No descriptors: on a disk that fails for long they would become more and more.
    let fresh = Mutex<[NodeID: Int64]>([:])
    /// Directories that were made in this run.
    let makings = Atomic<Int64>(0)
    /// `.dfs`; nil where the file system is read-only.
    let state: Descriptor?
    /// Locked as long as this process serves the folder.
    private let claim: Descriptor?
    /// Paths below the folder where another export is mounted.
    let shadows: Set<[UInt8]>

    /// Raised at each opening; tells temporary files of this run from older ones.
    let opening: Int64
    private let temporaries = Atomic<Int64>(0)
    private let gone = Atomic(false)

    init(_ parts: ExportParts) {
        mount = parts.mount
        folder = parts.folder
        root = parts.root
        rootIdentity = parts.rootIdentity
        ledger = parts.ledger
        watches = parts.watches
        live = LiveFiles(parts.marks, parts.watches)
        marks = parts.marks
        moves = parts.moves
        found = parts.found
        state = parts.state
        trashCan = TrashCan(in: parts.state)
        claim = parts.claim
        shadows = parts.shadows
        opening = parts.opening
    }

    /// Lets another process serve the folder.
    func release() {
        if let claim { _ = dfs_release_lock(claim.number) }
    }

    /// Whether the folder is not where it was: nothing is concluded from what is missing in it.
    var isGone: Bool { gone.load(ordering: .relaxed) }

    /// Looks whether the folder is still the one that was opened.
    ///
    /// One that was gone is back with its ledger only: device and inode of another disk can be the
    /// same.
    /// - Returns: Whether that has changed since the last look.
    func checkPresence() -> Bool {
        let isGone = !isInPlace() || (self.isGone && !hasLedger())
        return gone.exchange(isGone, ordering: .relaxed) != isGone
    }

    private func isInPlace() -> Bool {
        // Whatever the reason, a folder that can not be looked at is not there to be served.
        guard let status = try? FileStatus(in: -1, named: folder) else { return false }
        return status.identity == rootIdentity
    }

    private func hasLedger() -> Bool {
        guard let state else { return true }
        // What can not be looked at is not known to be ours.
        guard let ours = try? state.status(),
            let found = try? FileStatus(in: -1, named: folder + [UInt8]("/.dfs".utf8))
        else { return false }
        return found.identity == ours.identity
    }

    /// Brings the names in a directory to the disk, in one flush with all who wait for the same.
    func flush(_ folder: Folder) throws(SystemError) {
        try flushes.sync(folder.descriptor, try folder.descriptor.status().identity)
    }

    /// Names what the system refused; a missing folder is an outage and never a missing file.
    ///
    /// What opening a path was refused with must not be named in the ledger's lock.
    func refusal(_ error: SystemError, _ path: TreePath) -> RequestError {
        if error == .covered || error == .mounted && isCovered(path) {
            return DiskRefusal.covered(path)
        }
        if error == .mounted { return DiskRefusal.mounted(path) }
        if error.code == ENOENT || error.code == ESTALE, !isInPlace() {
            return DiskRefusal.unavailable(path)
        }
        return DiskRefusal.of(error, path)
    }

    /// Runs system calls about a path and names what they refuse.
    func naming<Result>(
        _ path: TreePath, _ body: () throws(SystemError) -> Result
    ) throws(RequestError) -> Result {
        do throws(SystemError) { return try body() } catch { throw refusal(error, path) }
    }

    /// Refuses everything while the folder is not there.
    func checkAvailable(_ path: TreePath) throws(RequestError) {
        if isGone { throw DiskRefusal.unavailable(path) }
    }

    /// Refuses changes where the file system could not be written when the server started.
    ///
    /// That it can be now does not help: nothing would be kept of identities and versions.
    func checkWritable(_ path: TreePath) throws(RequestError) {
        guard state == nil else { return }
        throw RequestError(
            .readOnly, path: path,
            "the export's file system was mounted read-only when the server started; start it anew "
                + "when it can be written")
    }

    /// Opens below the root; the empty path is the root itself.
    func openBeneath(_ path: some Collection<UInt8>, _ flags: Int32) throws(SystemError)
        -> Descriptor
    {
        try Export.open(path, in: root, flags)
    }

    /// Opens below a directory, through no symlink and no mount point.
    static func open(
        _ path: some Collection<UInt8>, in directory: Descriptor, _ flags: Int32
    ) throws(SystemError) -> Descriptor {
        let path = path.isEmpty ? [0x2E] : Array(path)
        return try Descriptor(
            withName(path) { dfs_open_beneath(directory.number, $0, flags) })
    }

    /// The part of a tree path below the mount.
    func relative(_ path: TreePath) -> ArraySlice<UInt8> { path.relative(to: mount) ?? [] }

    /// Whether another export covers a place of this one.
    func isShadowed(
        _ state: borrowing LedgerState, _ parent: NodeID, _ name: some Collection<UInt8>
    )
        -> Bool
    {
        if shadows.isEmpty { return false }
        var relative: [UInt8] = []
        for component in state.tree.components(of: parent) {
            relative.append(contentsOf: component)
            relative.append(TreePath.slash)
        }
        relative.append(contentsOf: name)
        return shadows.contains(relative)
    }

    /// The start of the names of files that are not complete yet.
    static let temporaryPrefix = [UInt8](".dfs-tmp-".utf8)

    /// A name that no file of this run had, and that is never served.
    func temporaryName() -> [UInt8] {
        let number = temporaries.add(1, ordering: .relaxed).newValue
        return Export.temporaryPrefix + [UInt8]("\(opening)-\(number)".utf8)
    }

    /// Whether a temporary file is left over from an earlier run.
    func isLeftover(_ name: [UInt8]) -> Bool {
        name.starts(with: Export.temporaryPrefix)
            && !name.starts(with: Export.temporaryPrefix + [UInt8]("\(opening)-".utf8))
    }

    /// Whether a name on disk is one that the tree can have.
    static func isServed(_ name: [UInt8]) -> Bool { TreePath.refusal(component: name) == nil }
}

/// What an export is made of, once its folder has been opened.
struct ExportParts {
    let mount: TreePath
    let folder: [UInt8]
    let root: Descriptor
    let rootIdentity: FileIdentity
    let ledger: Ledger
    let marks: WritingMarks
    let moves: MovingMarks
    let watches: FileWatches
    let found: FolderQueue
    let state: Descriptor?
    let claim: Descriptor?
    let shadows: Set<[UInt8]>
    let opening: Int64
}

/// Directories that wait to be watched and scanned; whoever finds one rings the bell.
final class FolderQueue: Sendable {
    /// Can be read as soon as something was put in.
    let bell: Descriptor
    private let places = Mutex<[NodeID]>([])

    init() throws(SystemError) { bell = try Descriptor(dfs_bell_open()) }

    /// Adds a directory.
    func add(_ place: NodeID) {
        places.withLock { $0.append(place) }
        ring()
    }

    /// Wakes whoever waits, without a directory.
    func ring() { dfs_bell_ring(bell.number) }

    /// Takes everything out.
    func takeAll() -> [NodeID] {
        dfs_bell_clear(bell.number)
        return places.withLock { places in
            defer { places.removeAll(keepingCapacity: true) }
            return places
        }
    }
}
