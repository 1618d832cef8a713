import DFSProtocol
import FileService
import Synchronization

/// An open file of `MemoryStore`.
final class MemoryFile: OpenFile {
    private let store: MemoryStore
    private let node: MemoryStore.Node
    let path: TreePath
    let isNew: Bool

    init(store: MemoryStore, node: MemoryStore.Node, path: TreePath, isNew: Bool) {
        self.store = store
        self.node = node
        self.path = path
        self.isNew = isNew
    }

    var identity: FileIdentity { FileIdentity(device: 1, inode: UInt64(node.number)) }

    var isStale: Bool { store.state.withLock { $0.nodes[node]?.isReplaced ?? true } }

    func facts() throws(RequestError) -> FileFacts {
        try failIfAsked("facts")
        return store.state.withLock { $0.facts(node) }
    }

    func read(at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(RequestError)
        -> Int
    {
        try failIfAsked("read")
        let bytes = store.state.withLock { $0.nodes[node]?.bytes ?? [] }
        guard offset < Int64(bytes.count) else { return 0 }
        let part = bytes[Int(offset)...].prefix(buffer.count)
        buffer.copyBytes(from: part)
        return part.count
    }

    func write(
        _ bytes: UnsafeRawBufferPointer, at offset: Int64, ifVersion version: Int64?
    ) throws(RequestError) {
        try failIfAsked("write")
        try change(ifVersion: version) { contents in
            let end = Int(offset) + bytes.count
            if contents.bytes.count < end {
                contents.bytes += [UInt8](repeating: 0, count: end - contents.bytes.count)
            }
            contents.bytes.replaceSubrange(Int(offset)..<end, with: bytes)
        }
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws(RequestError) -> Int64 {
        try failIfAsked("append")
        try change { $0.bytes += bytes }
        return try facts().size
    }

    func truncate(to size: Int64) throws(RequestError) {
        guard size < 1 << 40 else { throw RequestError(.range, "over the file-size limit") }
        try change { contents in
            contents.bytes = Array(contents.bytes.prefix(Int(size)))
            contents.bytes += [UInt8](repeating: 0, count: Int(size) - contents.bytes.count)
        }
    }

    func sync() throws(RequestError) -> FileFacts {
        try failIfAsked("sync")
        return try settle()
    }

    func setAttributes(mode: FileMode?, mtime: WallTime?) throws(RequestError) -> FileFacts {
        try store.setAttributes(path, mode: mode, mtime: mtime).facts
    }

    func close() throws(RequestError) -> FileFacts { try settle() }

    private func settle() throws(RequestError) -> FileFacts {
        let result = store.state.withLock { state -> Result<FileFacts, RequestError> in
            guard state.nodes[node]?.isUnsynced == true else { return .success(state.facts(node)) }
            state.nodes[node]?.isUnsynced = false
            if state.nodes[node]?.isReplaced == true {
                return .failure(RequestError(.staleFile, path: path, "the file was replaced"))
            }
            state.nodes[node]?.version += 1
            state.report(path)
            return .success(state.facts(node))
        }
        store.tell()
        return try result.get()
    }

    private func change(
        ifVersion version: Int64? = nil, _ body: (inout MemoryStore.Contents) -> Void
    ) throws(RequestError) {
        let result = store.state.withLock { state -> Result<Void, RequestError> in
            guard var contents = state.nodes[node], !contents.isReplaced else {
                return .failure(RequestError(.staleFile, path: path, "the file was replaced"))
            }
            if let version, version != contents.version {
                return .failure(.conflict(path, is: contents.version))
            }
            body(&contents)
            contents.isUnsynced = true
            state.nodes[node] = contents
            return .success(())
        }
        try result.get()
        store.tellWatchers(of: node)
    }

    private func failIfAsked(_ name: String) throws(RequestError) {
        let isFailing = store.state.withLock { state in
            guard state.failing == name else { return false }
            state.failing = nil
            return true
        }
        if isFailing { throw RequestError(.io, path: path, "the disk failed") }
    }
}

/// A replacement of `MemoryStore`.
final class MemoryReplacement: FileReplacement {
    private let store: MemoryStore
    private let path: TreePath
    private let mode: FileMode?
    private let bytes = Mutex<[UInt8]>([])

    init(store: MemoryStore, path: TreePath, mode: FileMode?) {
        self.store = store
        self.path = path
        self.mode = mode
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(RequestError) {
        self.bytes.withLock { $0 += bytes }
    }

    func digest() -> [UInt8] { [UInt8]("digest-of-\(bytes.withLock { $0.count })".utf8) }

    func commit(mtime: WallTime?, ifVersion version: Int64?) throws(RequestError) -> FileEntry {
        let all = bytes.withLock { $0 }
        let replaced = store.state.withLock { $0.files[path] }
        let result = store.state.withLock { state -> Result<FileEntry, RequestError> in
            let old = state.files[path].map { state.facts($0).ver }
            if let version {
                guard let old else {
                    return .failure(RequestError(.notFound, path: path, "no such file"))
                }
                if version != old { return .failure(.conflict(path, is: old)) }
            }
            let node = state.add(path, all, mode ?? FileMode(bits: 0o644))
            if let mtime { state.nodes[node]?.mtime = mtime }
            state.nodes[node]?.version = old.map { $0 + 1 } ?? 0
            state.report(path)
            return state.entry(path)
        }
        store.tell()
        if let replaced { store.tellWatchers(of: replaced) }
        return try result.get()
    }

    func commit(
        mtime: WallTime?, ifVersion version: Int64?,
        then finish: @escaping @Sendable (Result<FileEntry, RequestError>) -> Void
    ) {
        finish(Result { () throws(RequestError) in try commit(mtime: mtime, ifVersion: version) })
    }

    func abandon() {}
}

/// Somebody who is told of changes in a `MemoryStore`.
final class MemoryWatch: FileWatch {
    private let store: MemoryStore
    private let number: Int

    init(store: MemoryStore, number: Int) {
        self.store = store
        self.number = number
    }

    deinit { cancel() }

    func cancel() { store.state.withLock { $0.watchers[number] = nil } }
}
