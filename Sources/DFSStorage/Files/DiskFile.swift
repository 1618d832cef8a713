import CPosix
import DFSProtocol
import FileService
import Synchronization

/// One session's descriptor on a regular file.
final class DiskFile: OpenFile {
    private let export: Export
    let path: TreePath
    private let live: LiveFile
    private let canWrite: Bool
    let isNew: Bool
    /// Nil after `close`.
    private let descriptor: Mutex<Descriptor?>
    /// The newest change that this session made.
    private let lastChange = Atomic<Int64>(0)
    /// How often the disk had failed under the file when the session joined.
    private let failuresBefore: Int64
    /// Above `live.verifications` while a write of ours failed and left the file as it was.
    private let refusedUntil = Atomic<Int64>(0)

    init(
        _ descriptor: Descriptor, _ live: LiveFile, path: TreePath, canWrite: Bool,
        isNew: Bool, in export: Export
    ) {
        self.descriptor = Mutex(descriptor)
        self.live = live
        self.path = path
        self.canWrite = canWrite
        self.isNew = isNew
        self.export = export
        failuresBefore = live.failures
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
        try naming { (file) throws(SystemError) in try export.facts(of: live, file) }
    }

    func read(
        at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(RequestError) -> Int {
        let file = try current()
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

    func write(
        _ bytes: UnsafeRawBufferPointer, at offset: Int64, ifVersion version: Int64?
    ) throws(RequestError) {
        try change(ifVersion: version) { (file, size) throws(ChangeFailure) in
            try DiskFile.put(bytes, at: offset, in: file, of: size)
        }
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws(RequestError) -> Int64 {
        var end: Int64 = 0
        try change { (file, size) throws(ChangeFailure) in
            try DiskFile.put(bytes, at: size, in: file, of: size)
            end = size + Int64(bytes.count)
        }
        return end
    }

    func truncate(to size: Int64) throws(RequestError) {
        try change { (file, _) throws(ChangeFailure) in
            let code = dfs_truncate(file.number, size)
            if code < 0 { throw ChangeFailure(SystemError(-code), leftAsItWas: true) }
        }
    }

    func sync() throws(RequestError) -> FileFacts {
        let file = try current()
        if live.isStale { throw DiskRefusal.stale(path) }
        try syncChanges(of: file, always: true)
        return try keptFacts()
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
        let hasWritten = lastChange.load(ordering: .relaxed) > 0
        let settled = min(live.syncedChange, live.countedChange, live.keptChange)
        if lastChange.load(ordering: .relaxed) > settled || isRefused {
            try syncChanges(of: file)
        }
        let facts = hasWritten ? try keptFacts() : try facts()
        do throws(SystemError) { try file.close() } catch {
            // Some file systems tell only here that what was written did not reach the disk.
            if hasWritten { export.noteUnverified(live, nil) }
            throw refusal(error)
        }
        return facts
    }

    // MARK: Parts

    private static let closed = RequestError(
        .staleHandle, "the session has ended; open the file again")

    private func current() throws(RequestError) -> Descriptor {
        guard let file = descriptor.withLock({ $0 }) else { throw DiskFile.closed }
        return file
    }

    /// As `facts`, with a version that the ledger has on disk: it never comes again.
    private func keptFacts() throws(RequestError) -> FileFacts {
        let facts = try facts()
        try export.waitUntilDurable(live.place)
        return facts
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
        try checkHealth()
        if live.isStale { throw DiskRefusal.stale(path) }
        let status = try naming { (file) throws(SystemError) in try file.status() }
        if status.links == 0 { throw DiskRefusal.stale(path) }
        return status
    }

    /// Whether a write of this session failed and the file was not read whole since.
    private var isRefused: Bool { refusedUntil.load(ordering: .relaxed) > live.verifications }

    /// Refuses a session whose file the disk has failed, until the file was read as a whole.
    private func checkHealth() throws(RequestError) {
        guard isRefused || live.hasFailed(since: failuresBefore) else { return }
        throw RequestError(
            .io, path: path,
            "a write to this file failed before; DIGEST the whole file or open it anew, and compare "
                + "what it holds")
    }

    /// A change that failed, and whether the file is as it was before.
    private struct ChangeFailure: Error {
        let error: SystemError
        let leftAsItWas: Bool

        init(_ error: SystemError, leftAsItWas: Bool) {
            self.error = error
            // After EIO nothing is known, whatever the call says that it did.
            self.leftAsItWas = leftAsItWas && error.code != EIO
        }
    }

    /// Makes one change; the caller orders those of all sessions.
    ///
    /// A refusal as `stale-file` is made before anything is written, and nowhere else. A
    /// replacement does not wait for changes: one that is overtaken while it runs was made, to the
    /// file that had the name when it began. It is answered OK, as one that came just before the
    /// replacement; SYNC and CLOSE tell its session what became of it.
    ///
    /// - Parameter body: Gets the size that the file has before.
    private func change(
        ifVersion version: Int64? = nil, _ body: (Descriptor, Int64) throws(ChangeFailure) -> Void
    ) throws(RequestError) {
        guard canWrite else {
            throw RequestError(.readOnly, path: path, "the session was opened r; open it rw")
        }
        let file = try current()
        let before = try checkFresh(file)
        if let version { try export.checkVersion(version, of: live, file, path) }
        let change: Int64
        do throws(SystemError) { change = try live.beginChange() } catch { throw refusal(error) }
        do throws(ChangeFailure) {
            try body(file, before.stamp.size)
            lastChange.store(live.endChange(), ordering: .relaxed)
        } catch {
            if error.leftAsItWas {
                export.dropChange(change, of: live, file, before)
            } else {
                lastChange.store(live.endChange(), ordering: .relaxed)
            }
            throw note(error, file)
        }
    }

    /// Ends what a failed change ends.
    ///
    /// A value that the file system refuses ends nothing. Where the disk is full and the file is
    /// what it was, this session alone is over, because whoever sent several changes at once and
    /// looks at the SYNC only must not be told OK. All else leaves a file of which nobody knows
    /// what it holds: all its sessions are over, and it is marked.
    private func note(_ failure: ChangeFailure, _ file: Descriptor) -> RequestError {
        if !failure.leftAsItWas {
            export.noteUnverified(live, file)
        } else if ![EFBIG, EINVAL, EOVERFLOW].contains(failure.error.code) {
            refusedUntil.store(live.verifications + 1, ordering: .relaxed)
        }
        return refusal(failure.error)
    }

    /// Writes all of it, or nothing: a disk that is full in the middle leaves the file as it was,
    /// unless bytes that it had were overwritten by then.
    private static func put(
        _ bytes: UnsafeRawBufferPointer, at offset: Int64, in file: Descriptor, of size: Int64
    ) throws(ChangeFailure) {
        var done = 0
        let (_, overflow) = offset.addingReportingOverflow(Int64(bytes.count))
        if overflow { throw ChangeFailure(SystemError(EFBIG), leftAsItWas: true) }
        while done < bytes.count {
            let address = bytes.baseAddress?.advanced(by: done)
            let count = dfs_write(
                file.number, address, bytes.count - done, offset + Int64(done))
            if count < 0 {
                let isUndone =
                    done == 0 || offset >= size && dfs_truncate(file.number, size) == 0
                throw ChangeFailure(SystemError(Int32(clamping: -count)), leftAsItWas: isUndone)
            }
            done += count
        }
    }

    /// Brings all changes so far to the disk and counts them once.
    ///
    /// - Parameter always: Whether the disk is asked also where no session changed the file since
    ///   it was last asked: others may have written it, or a run that was killed, and what the disk
    ///   did to that is told by the next fsync only.
    private func syncChanges(
        of file: Descriptor, always: Bool = false
    ) throws(RequestError) {
        try checkHealth()
        if live.isStale, lastChange.load(ordering: .relaxed) > live.countedChange {
            throw DiskRefusal.stale(path)
        }
        let change = live.newestChange
        if always || change > live.syncedChange {
            do throws(SystemError) { try file.sync() } catch {
                export.noteUnverified(live, file)
                throw refusal(error)
            }
            live.noteSynced(upTo: change)
        }
        try export.count(live, file, upTo: change, path)
        live.settleMark()
    }
}

// Verification: reading a whole file from the disk.
extension DiskFile {
    /// SHA-256 of the file or of a part of it; of the whole file as the disk has it.
    ///
    /// Under a file that the disk has failed, memory may hold what never reached it: for the whole
    /// file it lets go first. That verifies the file, and its sessions may go on.
    /// - Returns: Nil where the file changed while it was read.
    func digest(
        _ range: (offset: Int64, count: Int64)?, isWanted: () -> Bool
    ) throws(RequestError) -> (sha256: [UInt8], facts: FileFacts)? {
        let file = try current()
        let (failures, change) = (live.failures, live.newestChange)
        if range == nil, try facts().isUnverified { try letGoOfMemory(file) }
        let before = try facts()
        let sha256 = try Digest.sha256(self, range, isWanted: isWanted)
        guard try facts() == before, live.newestChange == change else { return nil }
        guard range == nil else { return (sha256, before) }
        return (sha256, try export.noteVerified(live, file, failures, change, path) ?? before)
    }

    private func letGoOfMemory(_ file: Descriptor) throws(RequestError) {
        // No repetition of the sync that failed: nothing is told by it, the disk is read.
        do throws(SystemError) { try file.sync() } catch {
            export.noteUnverified(live, file)
            throw refusal(error)
        }
        dfs_drop_cache(file.number)
    }
}
