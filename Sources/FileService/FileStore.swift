import DFSProtocol

/// The disk under a file server: one or more exports, each an ordinary folder under a mount path.
///
/// Every call blocks and runs on the storage pool, never on an event loop. Paths are tree paths,
/// mount included, and are confined to their export. All methods may be called from several
/// threads at once.
public protocol FileStore: Sendable {
    /// Where the exports stand in the tree.
    var mounts: [TreePath] { get }

    /// Whether nothing can be served for the moment: the folder of every export is gone.
    var isAway: Bool { get }

    /// Calls back, from any thread and soon, when `isAway` may have changed; there is one handler.
    func whenAwayChanged(_ handler: @escaping @Sendable () -> Void)

    /// Whether so few descriptors are left that they are kept for work that gives them back.
    ///
    /// No session is opened then, so that reads, removals and the ends of sessions go on.
    var isShortOfDescriptors: Bool { get }

    /// Opens a regular file.
    ///
    /// - Parameters:
    ///   - mode: Permission bits of a file that is created, in force before its name is visible;
    ///     nil is 0644.
    ///   - version: Opens only the file that has this version now, in one step with opening it;
    ///     then nothing is made. Nil opens whatever is there.
    /// - Throws: `not-found`, `exists`, `is-dir`, `denied` (no regular file, or no permission),
    ///   `conflict` with `ver=`, `no-space`, `io`.
    func open(
        _ path: TreePath, _ access: FileAccess, mode: FileMode?, ifVersion version: Int64?
    ) throws(RequestError) -> any OpenFile

    /// Tells what the disk says of a path now, and which file it is.
    func entry(_ path: TreePath) throws(RequestError) -> FileEntry

    /// Lists a directory in bytewise order of names.
    ///
    /// - Parameter after: Names up to and including this one are left out; it need not exist.
    func list(_ path: TreePath, after: [UInt8]?, limit: Int) throws(RequestError)
        -> (entries: [FileEntry], hasMore: Bool)

    /// Begins a file that replaces `path` as a whole when it is complete; nobody sees it before.
    func beginReplacement(of path: TreePath, mode: FileMode?) throws(RequestError)
        -> any FileReplacement

    /// Changes permission bits or the time of the last change; nil leaves it.
    func setAttributes(_ path: TreePath, mode: FileMode?, mtime: WallTime?) throws(RequestError)
        -> FileEntry

    /// Removes a file or a directory, durably; removing what is not there succeeds.
    ///
    /// - Parameter fid: Which file is meant, where the removal may be the repetition of one that
    ///   was done: another one that has the name by now stays, as what is meant is not there.
    /// - Throws: `not-empty` for a directory with contents unless `recursive`.
    func remove(_ path: TreePath, recursive: Bool, fid: Int64?) throws(RequestError)

    /// Renames within one export, durably.
    ///
    /// Missing parents of the target are made. Looking at both names and renaming are one step.
    ///
    /// - Parameters:
    ///   - replacing: Whether a file or an empty directory at the target gives way.
    ///   - fid: Which file is meant, where the rename may be the repetition of one that was done:
    ///     if the target is that file already, all is done; another one at `from` is not moved.
    /// - Throws: `exists` where something is at the target and `replacing` is false, `not-found`,
    ///   `cross-server` where the two paths belong to different exports.
    func rename(
        _ from: TreePath, to target: TreePath, replacing: Bool, fid: Int64?
    ) throws(RequestError)

    /// Bytes that can still be written to the export with the most room.
    func freeBytes() throws(RequestError) -> Int64

    /// SHA-256 of a file or of a part of it, with facts that held from its first byte to its last.
    ///
    /// A file under which a write or sync had failed is read from the disk, not from memory, where
    /// the whole is asked for: it is verified by that, its mark is taken back and its sessions may
    /// go on.
    ///
    /// - Parameters:
    ///   - range: Bytes from an offset, cut at the end of the file; nil is the whole file.
    ///   - isWanted: Asked now and then; false ends the work.
    /// - Throws: as `open`; `busy` with `retry=` where the file keeps changing meanwhile;
    ///   `cancelled` where it is not wanted any more.
    func digest(
        _ path: TreePath, range: (offset: Int64, count: Int64)?, isWanted: () -> Bool
    ) throws(RequestError) -> (sha256: [UInt8], facts: FileFacts)

    /// What the last scan and the changes since then found, for STATUS; never blocks for long.
    func census() -> StoreCensus

    /// Calls back when a file that is open here changed, by whomever: size, contents or name.
    ///
    /// - Parameters:
    ///   - file: One that this store opened.
    ///   - changed: Called from any thread, soon after a change; one call may stand for several
    ///     changes, and some calls for none. What has changed is found by asking the file.
    /// - Throws: `busy` or `io` where the file can not be watched.
    func watch(_ file: any OpenFile, changed: @escaping @Sendable () -> Void) throws(RequestError)
        -> any FileWatch
}

extension FileStore {
    /// Opens a regular file, whatever version it has.
    public func open(_ path: TreePath, _ access: FileAccess, mode: FileMode?) throws(RequestError)
        -> any OpenFile
    {
        try open(path, access, mode: mode, ifVersion: nil)
    }
}

/// Somebody who is told of a file's changes until he cancels or lets go of this.
public protocol FileWatch: AnyObject, Sendable {
    /// Ends the calls; one that runs on another thread may still be under way.
    func cancel()
}

/// How much a file server serves, and what it leaves out.
public struct StoreCensus: Equatable, Sendable {
    /// Regular files.
    public var files: Int64
    /// Directories, the tops of the exports among them.
    public var directories: Int64
    /// Sum of the sizes of all files.
    public var bytes: Int64
    /// Symbolic links and special files, which are never served.
    public var skipped: Int64
    /// Files and directories that could not be read.
    public var unreadable: Int64
    /// Files under which the disk failed, and that no DIGEST has read whole since.
    public var unverified: Int64
    /// Whether the first scan is still running, so that the numbers are too low.
    public var isScanning: Bool

    /// Joins the counts.
    public init(
        files: Int64 = 0, directories: Int64 = 0, bytes: Int64 = 0, skipped: Int64 = 0,
        unreadable: Int64 = 0, unverified: Int64 = 0, isScanning: Bool = false
    ) {
        self.files = files
        self.directories = directories
        self.bytes = bytes
        self.skipped = skipped
        self.unreadable = unreadable
        self.unverified = unverified
        self.isScanning = isScanning
    }
}

/// How a session may use its file.
public enum FileAccess: String, Sendable {
    /// Reads.
    case read = "r"
    /// Reads and writes a file that exists.
    case readWrite = "rw"
    /// Reads and writes; an absent file is made, a present one is not cut.
    case create = "create"
    /// Reads and writes a file that must not exist yet.
    case createNew = "create-new"

    /// Whether sessions of this kind may change the file.
    public var writes: Bool { self != .read }
}

/// What stands under a name on disk.
public struct FileEntry: Equatable, Sendable {
    /// Where in the tree.
    public var path: TreePath
    /// Whether a directory stands there, and not a file.
    public var isDirectory: Bool
    /// A directory has `mtime` and `mode` only.
    public var facts: FileFacts
    /// Which file it is; nil for a directory, and where nobody needs to know.
    public var identity: FileIdentity?

    /// Pairs a path with what the disk says of it.
    public init(
        path: TreePath, isDirectory: Bool, facts: FileFacts, identity: FileIdentity? = nil
    ) {
        self.path = path
        self.isDirectory = isDirectory
        self.facts = facts
        self.identity = identity
    }

    /// The line of a report that says the same.
    public var report: FileReport {
        isDirectory
            ? .directory(path, mtime: facts.mtime, mode: facts.mode) : .file(path, facts)
    }
}

/// A regular file by its descriptor: it follows the file, not the name.
///
/// Several sessions on one file have one `OpenFile` each. Calls block; any thread may make them.
/// Which reads and changes of a file may run beside each other is for the caller to decide, and is
/// decided in one place, `FileLanes`: a store takes no lock for it. What a store itself keeps of a
/// file (its version, staleness and marks) holds whatever the order.
public protocol OpenFile: AnyObject, Sendable {
    /// The name under which the file was opened; it may have another one by now, in its export.
    var path: TreePath { get }

    /// Identity of the file among all that are open, the same for every `OpenFile` of one inode.
    var identity: FileIdentity { get }

    /// Whether no name leads to the file any more: it was replaced or removed.
    var isStale: Bool { get }

    /// Whether opening it made the file, which nobody had before.
    var isNew: Bool { get }

    /// What the file is now: size and time from the descriptor, `fid` and `ver` from the ledger.
    func facts() throws(RequestError) -> FileFacts

    /// Reads without moving any cursor; fewer bytes than the buffer holds only at end of file.
    func read(at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(RequestError)
        -> Int

    /// Writes all bytes at an offset; after `OK` they survive a kill of this process.
    ///
    /// - Parameter version: Writes only if the file has this version, in one step with the check;
    ///   nil writes whatever it has.
    /// - Throws: `stale-file` where the file was replaced or removed; `conflict` with `ver=`;
    ///   `no-space`, `range`, `io`.
    func write(
        _ bytes: UnsafeRawBufferPointer, at offset: Int64, ifVersion version: Int64?
    ) throws(RequestError)

    /// Writes all bytes at the end of the file.
    ///
    /// - Returns: The size afterwards.
    func append(_ bytes: UnsafeRawBufferPointer) throws(RequestError) -> Int64

    /// Cuts or extends with zero bytes.
    func truncate(to size: Int64) throws(RequestError)

    /// Brings what was written to the disk and counts the version up if anything changed since.
    ///
    /// - Throws: `io` once and, after a write or sync failed, on every later call until a digest
    ///   of the whole file has verified it; a sync is never retried.
    func sync() throws(RequestError) -> FileFacts

    /// Changes permission bits or the time of the last change; nil leaves it.
    func setAttributes(mode: FileMode?, mtime: WallTime?) throws(RequestError) -> FileFacts

    /// Syncs and counts the version if anything was written, and lets go of the descriptor.
    ///
    /// The descriptor goes whatever happens.
    ///
    /// - Throws: `stale-file` where unsynced changes went to a file that was replaced or removed;
    ///   `io`.
    func close() throws(RequestError) -> FileFacts
}

extension OpenFile {
    /// Writes all bytes at an offset, whatever version the file has.
    public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(RequestError) {
        try write(bytes, at: offset, ifVersion: nil)
    }
}

/// What tells one file on disk from another while it is open.
public struct FileIdentity: Hashable, Sendable {
    /// The file system.
    public let device: UInt64
    /// The file in it.
    public let inode: UInt64

    /// Takes what `fstat` says.
    public init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }
}

/// A file that grows under a temporary name and becomes visible as a whole or not at all.
public protocol FileReplacement: AnyObject, Sendable {
    /// Adds bytes at the end.
    func write(_ bytes: UnsafeRawBufferPointer) throws(RequestError)

    /// SHA-256 of all that was written, in lower-case hex.
    func digest() -> [UInt8]

    /// Puts the file in place of the path, durably: fsync, rename, fsync of the directory.
    ///
    /// - Parameter version: Replaces only a file that has this version, in one step with the check;
    ///   nil replaces whatever is there.
    /// - Throws: `conflict` with `ver=`; `not-found` where a version was asked for and nothing is
    ///   there.
    func commit(mtime: WallTime?, ifVersion version: Int64?) throws(RequestError) -> FileEntry

    /// Puts the file in place as the other `commit` does, and waits for nothing.
    ///
    /// - Parameter finish: Called once, from any thread, with what the other one returns or throws.
    func commit(
        mtime: WallTime?, ifVersion version: Int64?,
        then finish: @escaping @Sendable (Result<FileEntry, RequestError>) -> Void)

    /// Removes the temporary file; nothing happened. Safe to call after `commit`.
    func abandon()
}

extension FileReplacement {
    /// Puts the file in place of the path, durably, whatever is there.
    public func commit(mtime: WallTime?) throws(RequestError) -> FileEntry {
        try commit(mtime: mtime, ifVersion: nil)
    }
}

extension RequestError {
    /// A file that has another version than the one that `if-ver=` asks for.
    public static func conflict(_ path: TreePath, is version: Int64) -> RequestError {
        RequestError(
            .conflict, path: path,
            "the file has another version now; read it again before changing it",
            fields: [.init("ver", number: version)])
    }
}

/// What a file server tells the name server, in the order of its own generations.
///
/// Generations rise by one with each change and survive restarts; they let a short outage cost a
/// delta.
public protocol ChangeSource: Sendable {
    /// The generation of the newest change that may be told, being durable; 0 before the first.
    ///
    /// Work that returns when its change is durable finds it counted here.
    var generation: Int64 { get }

    /// Calls back, from any thread and soon, when `generation` has risen; there is one handler.
    func whenChanged(_ handler: @escaping @Sendable () -> Void)

    /// Changes after a generation, oldest first; nil where history does not reach back.
    func changes(after generation: Int64, limit: Int) -> [(generation: Int64, report: FileReport)]?

    /// Everything that is served, in batches, with the generation from which changes follow it.
    ///
    /// Blocks; runs on the storage pool. Parents stand before their contents.
    func inventory(after path: TreePath?, limit: Int) throws(RequestError)
        -> (reports: [FileReport], next: TreePath?)
}
