import CPosix
import DFSProtocol
import FileService
import Synchronization

/// One session's descriptor on a regular file.
final class DiskFile: OpenFile {
    private let export: Export
    private let path: TreePath
    private let live: LiveFile
    private let canWrite: Bool
    /// Nil after `close`.
    private let descriptor: Mutex<Descriptor?>
    /// The newest change that this session made.
    private let lastChange = Atomic<Int64>(0)

    init(
        _ descriptor: Descriptor, _ live: LiveFile, path: TreePath, canWrite: Bool,
        in export: Export
    ) {
        self.descriptor = Mutex(descriptor)
        self.live = live
        self.path = path
        self.canWrite = canWrite
        self.export = export
    }

    deinit {
        // A session that was dropped ends as by CLOSE; there is nobody left to hear of a failure.
        _ = try? close()
    }

    var identity: FileIdentity { live.identity }

    var isStale: Bool {
        if live.isStale { return true }
        // A descriptor that can not be asked, or is closed, has no file that a name leads to.
        guard let status = try? descriptor.withLock({ $0 })?.status() else { return true }
        return status.links == 0
    }

    /// Calls back after each change of the file; see `FileStore.watch`.
    func watch(_ changed: @escaping @Sendable () -> Void) throws(RequestError) -> LiveWatch {
        try export.watch(live, try current(), path, changed)
    }

    func facts() throws(RequestError) -> FileFacts {
        let status = try naming { (file) throws(SystemError) in try file.status() }
        return export.facts(of: live, status)
    }

    func read(
        at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(RequestError) -> Int {
        let file = try current()
        return try live.reading { () throws(RequestError) in
            var done = 0
            // The kernel refuses a range that ends past the largest offset.
            let wanted = Int(min(Int64(buffer.count), .max - offset))
            while done < wanted {
                let count = dfs_read(
                    file.number, buffer.baseAddress?.advanced(by: done), wanted - done,
                    offset + Int64(done))
                if count < 0 { throw refusal(SystemError(Int32(clamping: -count))) }
                if count == 0 { break }
                done += count
            }
            return done
        }
    }

    func write(
        _ bytes: UnsafeRawBufferPointer, at offset: Int64, ifVersion version: Int64?
    ) throws(RequestError) {
        try change(ifVersion: version) { (file, size) throws(SystemError) in
            try put(bytes, at: offset, in: file, of: size)
        }
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws(RequestError) -> Int64 {
        var end: Int64 = 0
        try change { (file, size) throws(SystemError) in
            try put(bytes, at: size, in: file, of: size)
            end = size + Int64(bytes.count)
        }
        return end
    }

    func truncate(to size: Int64) throws(RequestError) {
        try change { (file, _) throws(SystemError) in
            try SystemError.check(dfs_truncate(file.number, size))
        }
    }

    func sync() throws(RequestError) -> FileFacts {
        let file = try current()
        if live.isStale { throw DiskRefusal.stale(path) }
        try syncChanges(of: file)
        return try facts()
    }

    func setAttributes(mode: FileMode?, mtime: WallTime?) throws(RequestError) -> FileFacts {
        let file = try current()
        try checkFresh(file)
        return try export.setAttributes(of: live, file, path, mode: mode, mtime: mtime)
    }

    func close() throws(RequestError) -> FileFacts {
        guard let file = descriptor.withLock({ $0 }) else { throw DiskFile.closed }
        defer {
            descriptor.withLock { $0 = nil }
            live.settleMark()
            export.live.close(live)
        }
        if lastChange.load(ordering: .relaxed) > live.countedChange { try syncChanges(of: file) }
        return try facts()
    }

    // MARK: Parts

    private static let closed = RequestError(
        .staleHandle, "the session has ended; open the file again")

    private func current() throws(RequestError) -> Descriptor {
        guard let file = descriptor.withLock({ $0 }) else { throw DiskFile.closed }
        return file
    }

    private func refusal(_ error: SystemError) -> RequestError { DiskRefusal.of(error, path) }

    private func naming<Result>(
        _ body: (Descriptor) throws(SystemError) -> Result
    ) throws(RequestError) -> Result {
        let file = try current()
        do throws(SystemError) { return try body(file) } catch { throw refusal(error) }
    }

    /// Refuses changes to a file that no name leads to any more, or that the disk has failed.
    ///
    /// - Returns: What the file is now.
    @discardableResult
    private func checkFresh(_ file: Descriptor) throws(RequestError) -> FileStatus {
        if live.isBroken { throw broken }
        if live.isStale { throw DiskRefusal.stale(path) }
        let status = try naming { (file) throws(SystemError) in try file.status() }
        if status.links == 0 { throw DiskRefusal.stale(path) }
        return status
    }

    private var broken: RequestError {
        RequestError(
            .io, path: path,
            "the disk failed while this file was written; open it anew and compare what it holds")
    }

    /// Makes one change that all other sessions see as a whole.
    ///
    /// The file is looked at again afterwards: a change that is answered OK was made before any
    /// replacement or removal of the file was.
    ///
    /// - Parameter body: Gets the size that the file has before.
    private func change(
        ifVersion version: Int64? = nil, _ body: (Descriptor, Int64) throws(SystemError) -> Void
    ) throws(RequestError) {
        guard canWrite else {
            throw RequestError(.readOnly, path: path, "the session was opened r; open it rw")
        }
        let file = try current()
        try live.writing { () throws(RequestError) in
            let size = try checkFresh(file).stamp.size
            if let version { try export.checkVersion(version, of: live, file, path) }
            do throws(SystemError) {
                let change = try live.beginChange()
                lastChange.store(change, ordering: .relaxed)
                try body(file, size)
            } catch {
                if ![ENOSPC, EDQUOT, EFBIG, EINVAL].contains(error.code) { live.makeBroken() }
                throw refusal(error)
            }
        }
        if live.isStale { throw DiskRefusal.stale(path) }
    }

    /// Writes all of it, or nothing: a disk that is full in the middle leaves the file as it was.
    ///
    /// Only where bytes that the file had were overwritten by then nobody can write on, as if the
    /// disk had failed.
    private func put(
        _ bytes: UnsafeRawBufferPointer, at offset: Int64, in file: Descriptor, of size: Int64
    ) throws(SystemError) {
        var done = 0
        let (_, overflow) = offset.addingReportingOverflow(Int64(bytes.count))
        if overflow { throw SystemError(EFBIG) }
        while done < bytes.count {
            let address = bytes.baseAddress?.advanced(by: done)
            let count = dfs_write(
                file.number, address, bytes.count - done, offset + Int64(done))
            if count < 0 {
                let isUndone = done == 0 || offset >= size && dfs_truncate(file.number, size) == 0
                if !isUndone { live.makeBroken() }
                throw SystemError(Int32(clamping: -count))
            }
            done += count
        }
    }

    /// Brings all changes so far to the disk and counts them once.
    private func syncChanges(of file: Descriptor) throws(RequestError) {
        if live.isBroken { throw broken }
        if live.isStale, lastChange.load(ordering: .relaxed) > live.countedChange {
            throw DiskRefusal.stale(path)
        }
        // Within the lock every change that is counted so far has been made.
        let change = try live.reading { () throws(RequestError) in live.newestChange }
        if change > live.countedChange {
            do throws(SystemError) { try file.sync() } catch {
                live.makeBroken()
                export.noteBroken(live)
                throw refusal(error)
            }
        }
        try export.count(live, file, upTo: change, path)
        live.settleMark()
    }
}
