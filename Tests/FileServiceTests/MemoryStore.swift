import DFSProtocol
import FileService
import Synchronization

/// The second conformer of `FileStore`: a tree of files in memory, for tests of the core.
final class MemoryStore: FileStore, ChangeSource {
    /// What all files share; guarded by one lock.
    struct State {
        var files: [TreePath: Node] = [:]
        var directories: Set<TreePath> = [.root]
        var nodes: [Node: Contents] = [:]
        var lastFile: Int64 = 0
        var history: [FileReport] = []
        /// Changes before this one are forgotten.
        var historyStart: Int64 = 0
        var handler: (@Sendable () -> Void)?
        /// The next file operation of this name fails with `io`.
        var failing: String?
        var watchers: [Int: (node: Node, changed: @Sendable () -> Void)] = [:]
        var lastWatcher = 0
    }

    struct Node: Hashable {
        let number: Int64
    }

    struct Contents {
        var bytes: [UInt8] = []
        var mtime = WallTime(seconds: 1_000)
        var mode = FileMode(bits: 0o644)
        var version: Int64 = 0
        var isUnsynced = false
        var isReplaced = false
        let fid: Int64
    }

    let state = Mutex(State())
    let mounts: [TreePath]

    init(mounts: [TreePath] = [.root]) { self.mounts = mounts }

    let isAway = false

    func whenAwayChanged(_ handler: @escaping @Sendable () -> Void) {}

    var isShortOfDescriptors: Bool { state.withLock { $0.failing == "descriptors" } }

    func open(
        _ path: TreePath, _ access: FileAccess, mode: FileMode?, ifVersion version: Int64?
    ) throws(RequestError) -> any OpenFile {
        let opened = state.withLock { state -> Result<(Node, isNew: Bool), RequestError> in
            if state.directories.contains(path) {
                return .failure(RequestError(.isDirectory, path: path, "a directory"))
            }
            if let node = state.files[path] {
                let ver = state.facts(node).ver
                if let version, version != ver { return .failure(.conflict(path, is: ver)) }
                return access == .createNew
                    ? .failure(RequestError(.exists, path: path, "there is one"))
                    : .success((node, false))
            }
            guard version == nil, access == .create || access == .createNew else {
                return .failure(RequestError(.notFound, path: path, "no such file"))
            }
            let node = state.add(path, [], mode ?? FileMode(bits: 0o644))
            state.report(path)
            return .success((node, true))
        }
        tell()
        let (node, isNew) = try opened.get()
        return MemoryFile(store: self, node: node, path: path, isNew: isNew)
    }

    func entry(_ path: TreePath) throws(RequestError) -> FileEntry {
        try state.withLock { $0.entry(path) }.get()
    }

    func list(_ path: TreePath, after: [UInt8]?, limit: Int) throws(RequestError)
        -> (entries: [FileEntry], hasMore: Bool)
    {
        let all = state.withLock { state in
            (Array(state.files.keys) + state.directories).filter {
                $0.parent == path && (after.map($0.name.isAfter) ?? true)
            }.sorted().compactMap { try? state.entry($0).get() }
        }
        return (Array(all.prefix(limit)), all.count > limit)
    }

    func beginReplacement(of path: TreePath, mode: FileMode?) throws(RequestError)
        -> any FileReplacement
    {
        MemoryReplacement(store: self, path: path, mode: mode)
    }

    func setAttributes(_ path: TreePath, mode: FileMode?, mtime: WallTime?) throws(RequestError)
        -> FileEntry
    {
        let result = state.withLock { state -> Result<FileEntry, RequestError> in
            guard let node = state.files[path] else {
                return .failure(RequestError(.notFound, path: path, "no such file"))
            }
            if let mode { state.nodes[node]?.mode = mode }
            if let mtime { state.nodes[node]?.mtime = mtime }
            state.report(path)
            return state.entry(path)
        }
        tell()
        return try result.get()
    }

    func remove(_ path: TreePath, recursive: Bool, fid: Int64? = nil) throws(RequestError) {
        if let fid, identity(at: path) != fid { return }
        var gone: [Node] = []
        let result = state.withLock { state -> Result<Void, RequestError> in
            let below = state.files.keys.filter { $0.isWithin(path) }
            if state.directories.contains(path), !below.isEmpty, !recursive {
                return .failure(RequestError(.notEmpty, path: path, "not empty"))
            }
            for file in below {
                if let node = state.files.removeValue(forKey: file) {
                    state.nodes[node]?.isReplaced = true
                    gone.append(node)
                }
            }
            state.directories = state.directories.filter { !$0.isWithin(path) || $0.isRoot }
            state.history.append(.gone(path))
            return .success(())
        }
        tell()
        for node in gone { tellWatchers(of: node) }
        try result.get()
    }

    func rename(
        _ from: TreePath, to target: TreePath, replacing: Bool = true, fid: Int64? = nil
    ) throws(RequestError) {
        if let fid, identity(at: target) == fid { return }
        if let fid, identity(at: from) != fid {
            throw RequestError(.notFound, path: from, "no such file")
        }
        if !replacing, state.withLock({ $0.files[target] != nil }) {
            throw RequestError(.exists, path: target, "there is one already")
        }
        let isThere = state.withLock { state in
            guard let node = state.files.removeValue(forKey: from) else { return false }
            state.files[target] = node
            state.history.append(.gone(from))
            state.report(target)
            return true
        }
        guard isThere else { throw RequestError(.notFound, path: from, "no such file") }
        tell()
    }

    private func identity(at path: TreePath) -> Int64? {
        state.withLock { state in state.files[path].map { state.facts($0).fid } }
    }

    func freeBytes() throws(RequestError) -> Int64 { 4_096 }

    func digest(
        _ path: TreePath, range: (offset: Int64, count: Int64)?, isWanted: () -> Bool
    ) throws(RequestError) -> (sha256: [UInt8], facts: FileFacts) {
        let entry = try entry(path)
        return ([UInt8]("digest-of-\(entry.facts.size)".utf8), entry.facts)
    }

    func census() -> StoreCensus {
        state.withLock { state in
            StoreCensus(
                files: Int64(state.files.count), directories: Int64(state.directories.count),
                bytes: state.nodes.values.reduce(0) { $0 + Int64($1.bytes.count) })
        }
    }

    var generation: Int64 {
        state.withLock { $0.historyStart + Int64($0.history.count) }
    }

    func whenChanged(_ handler: @escaping @Sendable () -> Void) {
        state.withLock { $0.handler = handler }
    }

    func changes(after generation: Int64, limit: Int) -> [(generation: Int64, report: FileReport)]?
    {
        state.withLock { state in
            guard generation >= state.historyStart else { return nil }
            let start = Int(generation - state.historyStart)
            return state.history.dropFirst(start).prefix(limit).enumerated().map {
                (generation + Int64($0.offset) + 1, $0.element)
            }
        }
    }

    func inventory(after path: TreePath?, limit: Int) throws(RequestError)
        -> (reports: [FileReport], next: TreePath?)
    {
        let all = state.withLock { state in
            state.files.keys.filter { path == nil || path.map($0.isBehind) == true }.sorted()
                .compactMap { try? state.entry($0).get().report }
        }
        let page = Array(all.prefix(limit))
        return (page, all.count > limit ? page.last?.path : nil)
    }

    func watch(_ file: any OpenFile, changed: @escaping @Sendable () -> Void) throws(RequestError)
        -> any FileWatch
    {
        let number = state.withLock { state -> Int? in
            if state.failing == "watch" { return nil }
            state.lastWatcher += 1
            let node = Node(number: Int64(file.identity.inode))
            state.watchers[state.lastWatcher] = (node, changed)
            return state.lastWatcher
        }
        guard let number else { throw RequestError(.io, "the file can not be watched") }
        return MemoryWatch(store: self, number: number)
    }

    /// Tells of a change of one file, outside of the lock, in the order in which watching began.
    func tellWatchers(of node: Node) {
        let watchers = state.withLock { state in
            state.watchers.filter { $0.value.node == node }.sorted { $0.key < $1.key }
        }
        for (_, watcher) in watchers { watcher.changed() }
    }

    /// Tells of a change, outside of the lock.
    func tell() {
        let handler = state.withLock { $0.handler }
        handler?()
    }

    /// Puts a file there behind the back of the service.
    func put(_ path: TreePath, _ text: String) {
        let replaced = state.withLock { state in
            let replaced = state.files[path]
            _ = state.add(path, [UInt8](text.utf8), FileMode(bits: 0o644))
            state.report(path)
            return replaced
        }
        if let replaced { tellWatchers(of: replaced) }
    }
}

extension MemoryStore.State {
    mutating func add(_ path: TreePath, _ bytes: [UInt8], _ mode: FileMode) -> MemoryStore.Node {
        lastFile += 1
        let node = MemoryStore.Node(number: lastFile)
        // As on a disk: what replaces a file is that file's next version.
        var fid = lastFile
        if let old = files[path] {
            nodes[old]?.isReplaced = true
            fid = nodes[old]?.fid ?? fid
        }
        files[path] = node
        nodes[node] = MemoryStore.Contents(bytes: bytes, mode: mode, fid: fid)
        var parent = path.parent
        while let directory = parent {
            directories.insert(directory)
            parent = directory.parent
        }
        return node
    }

    func facts(_ node: MemoryStore.Node) -> FileFacts {
        let contents = nodes[node] ?? MemoryStore.Contents(fid: 0)
        return FileFacts(
            size: Int64(contents.bytes.count), mtime: contents.mtime, mode: contents.mode,
            fid: contents.fid, ver: contents.version)
    }

    func entry(_ path: TreePath) -> Result<FileEntry, RequestError> {
        if let node = files[path] {
            let identity = FileIdentity(device: 1, inode: UInt64(node.number))
            return .success(
                FileEntry(path: path, isDirectory: false, facts: facts(node), identity: identity))
        }
        guard directories.contains(path) else {
            return .failure(RequestError(.notFound, path: path, "no such file"))
        }
        let facts = FileFacts(
            size: 0, mtime: WallTime(seconds: 0), mode: FileMode(bits: 0o755), ver: 0)
        return .success(FileEntry(path: path, isDirectory: true, facts: facts))
    }

    mutating func report(_ path: TreePath) {
        if let node = files[path] { history.append(.file(path, facts(node))) }
    }
}

extension TreePath {
    func isBehind(_ other: TreePath) -> Bool { other < self }
}

extension ArraySlice<UInt8> {
    func isAfter(_ other: [UInt8]) -> Bool { other.lexicographicallyPrecedes(self) }
}
