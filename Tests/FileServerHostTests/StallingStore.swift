import DFSProtocol
import Dispatch
import FileService
import Glibc
import Synchronization

/// Holds up threads that come to it while it is shut, as a disk does that stalls.
final class Gate: Sendable {
    private struct State {
        var isShut = false
        var waiting = 0
        var passed = 0
    }

    private let state = Mutex(State())
    private let opened = DispatchSemaphore(value: 0)

    /// How many threads wait.
    var waiting: Int { state.withLock { $0.waiting } }
    /// How many came by, those that wait among them.
    var count: Int { state.withLock { $0.passed } }

    func shut() { state.withLock { $0.isShut = true } }

    func open() {
        let waiting = state.withLock { state in
            defer { state = State(passed: state.passed) }
            return state.waiting
        }
        for _ in 0..<waiting { opened.signal() }
    }

    func pass() {
        let waits = state.withLock { state in
            state.passed += 1
            if state.isShut { state.waiting += 1 }
            return state.isShut
        }
        if waits { opened.wait() }
    }
}

/// A disk without bytes: files are there as soon as they are opened, and each call can be held up.
final class StallingStore: FileStore, ChangeSource {
    let mounts: [TreePath]
    /// Holds up REMOVE of the name server.
    let removals = Gate()
    /// Holds up FOLLOW.
    let watches = Gate()
    /// Counts DIGEST; that of a file named `endless` goes on as long as somebody waits for it.
    let digests = Gate()
    /// Holds up STAT below a mount.
    let looks: [Gate]
    private let number = Mutex<(newest: Int64, identity: UInt64)>((0, 0))

    init(mounts: [TreePath] = [.root]) {
        self.mounts = mounts
        looks = mounts.map { _ in Gate() }
    }

    let isAway = false
    let isShortOfDescriptors = false
    var generation: Int64 { number.withLock { $0.newest } }

    func whenAwayChanged(_ handler: @escaping @Sendable () -> Void) {}
    func whenChanged(_ handler: @escaping @Sendable () -> Void) {}
    func changes(after generation: Int64, limit: Int) -> [(generation: Int64, report: FileReport)]?
    {
        []
    }
    func inventory(after path: TreePath?, limit: Int) throws(RequestError)
        -> (reports: [FileReport], next: TreePath?)
    {
        ([], nil)
    }

    static let facts = FileFacts(size: 0, mtime: WallTime(seconds: 1), fid: 1, ver: 0)

    private func look(_ path: TreePath) {
        let index = mounts.firstIndex { path.bytes.starts(with: $0.bytes) && $0 != .root }
        looks[index ?? 0].pass()
    }

    func open(
        _ path: TreePath, _ access: FileAccess, mode: FileMode?, ifVersion version: Int64?
    ) throws(RequestError) -> any OpenFile {
        look(path)
        let identity = number.withLock { state in
            state.identity += 1
            return state.identity
        }
        return StallingFile(
            path: path, identity: FileIdentity(device: 1, inode: identity))
    }

    func entry(_ path: TreePath) throws(RequestError) -> FileEntry {
        look(path)
        return FileEntry(path: path, isDirectory: false, facts: StallingStore.facts)
    }

    func list(_ path: TreePath, after: [UInt8]?, limit: Int) throws(RequestError)
        -> (entries: [FileEntry], hasMore: Bool)
    {
        look(path)
        return ([], false)
    }

    func beginReplacement(of path: TreePath, mode: FileMode?) throws(RequestError)
        -> any FileReplacement
    {
        StallingReplacement(path: path) { self.number.withLock { $0.newest += 1 } }
    }

    func setAttributes(
        _ path: TreePath, mode: FileMode?, mtime: WallTime?
    ) throws(RequestError) -> FileEntry { try entry(path) }

    func remove(_ path: TreePath, recursive: Bool, fid: Int64?) throws(RequestError) {
        removals.pass()
    }

    func rename(
        _ from: TreePath, to target: TreePath, replacing: Bool, fid: Int64?
    ) throws(RequestError) {}

    func freeBytes() throws(RequestError) -> Int64 { 1 }

    func digest(
        _ path: TreePath, range: (offset: Int64, count: Int64)?, isWanted: () -> Bool
    ) throws(RequestError) -> (sha256: [UInt8], facts: FileFacts) {
        digests.pass()
        if path.name.elementsEqual("endless".utf8) { while isWanted() { sched_yield() } }
        return ([], StallingStore.facts)
    }

    func census() -> StoreCensus { StoreCensus() }

    func watch(_ file: any OpenFile, changed: @escaping @Sendable () -> Void) throws(RequestError)
        -> any FileWatch
    {
        watches.pass()
        return StallingWatch()
    }
}

private final class StallingWatch: FileWatch {
    func cancel() {}
}

private final class StallingFile: OpenFile {
    let path: TreePath
    let identity: FileIdentity
    let isStale = false
    let isNew = false

    init(path: TreePath, identity: FileIdentity) {
        self.path = path
        self.identity = identity
    }

    func facts() throws(RequestError) -> FileFacts { StallingStore.facts }
    func read(
        at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(RequestError) -> Int { 0 }
    func write(
        _ bytes: UnsafeRawBufferPointer, at offset: Int64, ifVersion version: Int64?
    ) throws(RequestError) {}
    func append(_ bytes: UnsafeRawBufferPointer) throws(RequestError) -> Int64 { 0 }
    func truncate(to size: Int64) throws(RequestError) {}
    func sync() throws(RequestError) -> FileFacts { StallingStore.facts }
    func setAttributes(mode: FileMode?, mtime: WallTime?) throws(RequestError) -> FileFacts {
        StallingStore.facts
    }
    func close() throws(RequestError) -> FileFacts { StallingStore.facts }
}

private final class StallingReplacement: FileReplacement {
    private let path: TreePath
    private let counted: @Sendable () -> Void

    init(path: TreePath, counted: @escaping @Sendable () -> Void) {
        self.path = path
        self.counted = counted
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(RequestError) {}
    func digest() -> [UInt8] { [] }
    func commit(mtime: WallTime?, ifVersion version: Int64?) throws(RequestError) -> FileEntry {
        counted()
        return FileEntry(path: path, isDirectory: false, facts: StallingStore.facts)
    }
    func commit(
        mtime: WallTime?, ifVersion version: Int64?,
        then finish: @escaping @Sendable (Result<FileEntry, RequestError>) -> Void
    ) {
        finish(Result { () throws(RequestError) in try commit(mtime: mtime, ifVersion: version) })
    }
    func abandon() {}
}
