import CPosix
import Crypto
import DFSProtocol
import FileService
import Foundation
import Synchronization

/// A file that grows as `.dfs-tmp-...` beside the name that it will take.
final class DiskReplacement: FileReplacement {
    private struct Progress {
        /// Nil once it was put in place or abandoned.
        var descriptor: Descriptor?
        var size: Int64 = 0
        var hash = SHA256()
        /// What ended writing; commit answers the same.
        var failure: RequestError?
    }

    private let export: Export
    private let path: TreePath
    private let folder: Folder
    private let temporary: [UInt8]
    private let progress: Mutex<Progress>

    init(
        _ descriptor: Descriptor, _ temporary: [UInt8], of path: TreePath, in folder: Folder,
        _ export: Export
    ) {
        progress = Mutex(Progress(descriptor: descriptor))
        self.temporary = temporary
        self.path = path
        self.folder = folder
        self.export = export
    }

    deinit { abandon() }

    func write(_ bytes: UnsafeRawBufferPointer) throws(RequestError) {
        try progress.withLock { (progress) throws(RequestError) in
            guard let file = progress.descriptor else { throw ended }
            if let failure = progress.failure { throw failure }
            var done = 0
            while done < bytes.count {
                let count = dfs_write(
                    file.number, bytes.baseAddress?.advanced(by: done), bytes.count - done,
                    progress.size)
                if count < 0 {
                    let failure = export.refusal(SystemError(Int32(clamping: -count)), path)
                    progress.failure = failure
                    throw failure
                }
                done += count
                progress.size += Int64(count)
            }
            progress.hash.update(bufferPointer: bytes)
        }
    }

    func digest() -> [UInt8] {
        progress.withLock { Digest.hexadecimal($0.hash.finalize()) }
    }

    func commit(mtime: WallTime?, ifVersion version: Int64?) throws(RequestError) -> FileEntry {
        let answer = Answer()
        commit(mtime: mtime, ifVersion: version) { answer.give($0) }
        return try answer.wait().get()
    }

    func commit(
        mtime: WallTime?, ifVersion version: Int64?,
        then finish: @escaping @Sendable (Result<FileEntry, RequestError>) -> Void
    ) {
        do throws(RequestError) {
            let descriptor = try complete(mtime: mtime)
            let identity = try export.naming(path) { () throws(SystemError) in
                try folder.descriptor.status().identity
            }
            let isTaken = export.rounds.add(
                Placement(
                    path: path, folder: folder, folderIdentity: identity, temporary: temporary,
                    descriptor: descriptor, version: version, finish: finish))
            guard isTaken else {
                throw RequestError(.io, "the server is stopping; ask again when it is back")
            }
            progress.withLock { $0.descriptor = nil }
        } catch {
            abandon()
            finish(.failure(error))
        }
    }

    /// The file as it is to be, unless writing it has failed.
    private func complete(mtime: WallTime?) throws(RequestError) -> Descriptor {
        let descriptor = try progress.withLock { (progress) throws(RequestError) in
            guard let file = progress.descriptor else { throw ended }
            if let failure = progress.failure { throw failure }
            return file
        }
        try export.naming(path) { () throws(SystemError) in
            guard let mtime else { return }
            try SystemError.check(
                dfs_set_mtime(descriptor.number, mtime.seconds, mtime.nanoseconds))
        }
        return descriptor
    }

    /// What one thread waits for and another one gives.
    private final class Answer: Sendable {
        private let condition = NSCondition()
        private let result = Mutex<Result<FileEntry, RequestError>?>(nil)

        func give(_ result: Result<FileEntry, RequestError>) {
            condition.lock()
            self.result.withLock { $0 = result }
            condition.signal()
            condition.unlock()
        }

        func wait() -> Result<FileEntry, RequestError> {
            condition.lock()
            defer { condition.unlock() }
            while true {
                if let result = result.withLock({ $0 }) { return result }
                condition.wait()
            }
        }
    }

    func abandon() {
        let wasOpen = progress.withLock { progress in
            defer { progress.descriptor = nil }
            return progress.descriptor != nil
        }
        if wasOpen { export.removeTemporary(temporary, in: folder) }
    }

    private var ended: RequestError {
        RequestError(.badState, path: path, "the transfer has ended; begin it anew")
    }
}

extension Export {
    /// Begins a file that replaces another as a whole; missing directories are made.
    ///
    /// - Parameter mode: Nil keeps the mode of the file that is there, else it is 0644.
    func beginReplacement(
        of path: TreePath, mode: FileMode?
    ) throws(RequestError) -> DiskReplacement {
        try checkAvailable(path)
        try checkWritable(path)
        if path == mount { throw DiskRefusal.of(SystemError(EISDIR), path) }
        let folder = try openParent(of: path, creating: true)
        let present = try replaceable(path, in: folder)
        let temporary = temporaryName()
        let descriptor = try naming(path) { () throws(SystemError) in
            let mode = mode ?? present?.mode ?? FileMode(bits: 0o644)
            let descriptor = try makeTemporary(temporary, mode, in: folder)
            if let present {
                // Without the right to give files away it belongs to the server's user, as any
                // other.
                _ = dfs_set_owner(descriptor.number, present.user, present.group)
                _ = dfs_set_mode(descriptor.number, mode_t(mode.bits))
            }
            return descriptor
        }
        return DiskReplacement(descriptor, temporary, of: path, in: folder, self)
    }

    /// Refuses to replace anything but a regular file.
    ///
    /// - Returns: The file that is there; nil for none.
    private func replaceable(_ path: TreePath, in folder: Folder) throws(RequestError)
        -> FileStatus?
    {
        do throws(SystemError) {
            let status = try FileStatus(in: folder.descriptor.number, named: path.name)
            switch status.kind {
            case .file: return status
            case .directory: throw SystemError(EISDIR)
            case .mounted: throw .mounted
            case .symlink, .other: break
            }
        } catch {
            if error.code == ENOENT { return nil }
            throw refusal(error, path)
        }
        throw DiskRefusal.unserved(path)
    }

    /// Gives a file, whose contents the disk has, its name; `answer` is for when the disk has that.
    func place(_ placement: Placement) throws(RequestError) -> (place: NodeID, entry: FileEntry) {
        let (path, folder) = (placement.path, placement.folder)
        let file = try naming(path) { () throws(SystemError) in
            // Some file systems tell only here that what was written did not reach the disk.
            let file = try Descriptor(dfs_reopen(placement.descriptor.number, dfs_o_path))
            try placement.descriptor.close()
            return file
        }
        try checkAvailable(path)
        _ = try replaceable(path, in: folder)
        let (place, facts) = try ledger.state.withLock { (state) throws(RequestError) in
            guard isCurrent(folder, state) else { throw refusal(SystemError(ENOENT), path) }
            return try swap(
                &state, path, file, placement.temporary, placement.version, in: folder)
        }
        return (place, FileEntry(path: path, isDirectory: false, facts: facts))
    }

    /// Answers for a file that has its name, once it is known whether the disk has that too.
    ///
    /// - Parameter failure: Why the disk may not have it.
    func answer(
        _ placement: Placement, _ place: NodeID, _ entry: FileEntry, _ failure: SystemError?
    ) {
        do throws(RequestError) {
            try settle(place, placement.path, failure)
            placement.finish(.success(entry))
        } catch {
            placement.finish(.failure(error))
        }
    }

    /// Brings a new name to the disk, in the directory and in the ledger; both at the same time.
    ///
    /// Whichever of the two a power cut spares is right: a row without its file, or a file without
    /// its row, is a change that the next look counts. Waiting is shared: one fsync of the
    /// directory and one commit of the ledger serve all who wait for them.
    ///
    /// - Throws: `io`, whatever failed: the name stands, and only that tells who asked so.
    func settle(_ place: NodeID, _ path: TreePath, in folder: Folder) throws(RequestError) {
        ledger.wake()
        var failure: SystemError?
        do throws(SystemError) { try flush(folder) } catch { failure = error }
        try settle(place, path, failure)
    }

    /// Waits for the ledger to have a new name, which the directory has, or has not.
    private func settle(
        _ place: NodeID, _ path: TreePath, _ failure: SystemError?
    ) throws(RequestError) {
        if let failure {
            noteUnverified(place)
            throw DiskRefusal.inDoubt(refusal(failure, path), path)
        }
        do throws(RequestError) { try waitUntilDurable(place) } catch {
            keepVersion(of: place)
            throw DiskRefusal.inDoubt(error, path)
        }
    }

    /// Has the next start go beyond the version of a file that the ledger could not keep.
    private func keepVersion(of place: NodeID) {
        let node = ledger.state.withLock { state in
            state.tree.contains(place) ? state.tree[place] : LedgerNode()
        }
        guard node.kind == .file else { return }
        // A mark that can not be made has nothing to add to a request that fails in any case. It
        // takes its slot until the next start: names are refused before they change as long as the
        // ledger is known to fail, so that these are few.
        _ = try? marks.mark(node.fid, ver: node.ver)
    }

    /// Checks the version and renames, in the ledger's lock.
    private func swap(
        _ state: inout LedgerState, _ path: TreePath, _ descriptor: Descriptor,
        _ temporary: [UInt8], _ version: Int64?, in folder: Folder
    ) throws(RequestError) -> (NodeID, FileFacts) {
        let name = path.name
        let known: NodeID?
        do throws(SystemError) {
            switch try absorb(&state, folder, name) {
            case .file(let id): known = id
            case .nothing: known = nil
            case .directory: throw SystemError(EISDIR)
            case .unserved: throw SystemError(EPERM)
            }
        } catch {
            throw refusal(error, path)
        }
        if let version {
            guard let known else { throw refusal(SystemError(ENOENT), path) }
            let current = state.tree[known].ver
            if current != version { throw .conflict(path, is: current) }
        }
        let number = folder.descriptor.number
        let code = withName(temporary) { from in
            withName(name) { dfs_rename(number, from, number, $0, 0) }
        }
        if code < 0 { throw refusal(SystemError(-code), path) }
        let status: FileStatus
        do throws(SystemError) { status = try descriptor.status() } catch {
            throw DiskRefusal.inDoubt(refusal(error, path), path)
        }
        let place: NodeID
        if let known {
            live.makeStale([state.tree[known].fid])
            state.update(known, status, raisingVersion: true)
            place = known
        } else {
            place = state.addFile(status, named: name, in: folder.place, ver: 1)
        }
        return (place, state.tree[place].facts)
    }
}
