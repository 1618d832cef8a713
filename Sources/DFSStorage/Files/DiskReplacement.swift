import CPosix
import Crypto
import DFSProtocol
import FileService
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
        let descriptor = try progress.withLock { (progress) throws(RequestError) in
            guard let file = progress.descriptor else { throw ended }
            if let failure = progress.failure { throw failure }
            return file
        }
        do throws(RequestError) {
            let entry = try export.replace(
                path, with: descriptor, named: temporary, in: folder, mtime: mtime,
                ifVersion: version)
            progress.withLock { $0.descriptor = nil }
            return entry
        } catch {
            abandon()
            throw error
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

    /// Puts a complete file in place: fsync, rename, fsync of the directory, ledger.
    func replace(
        _ path: TreePath, with descriptor: Descriptor, named temporary: [UInt8],
        in folder: Folder, mtime: WallTime?, ifVersion version: Int64? = nil
    ) throws(RequestError) -> FileEntry {
        try naming(path) { () throws(SystemError) in
            if let mtime {
                try SystemError.check(
                    dfs_set_mtime(descriptor.number, mtime.seconds, mtime.nanoseconds))
            }
            try descriptor.sync()
        }
        let file = try naming(path) { () throws(SystemError) in
            // Some file systems tell only here that what was written did not reach the disk.
            let file = try Descriptor(dfs_reopen(descriptor.number, dfs_o_path))
            try descriptor.close()
            return file
        }
        try checkAvailable(path)
        _ = try replaceable(path, in: folder)
        let (place, facts) = try ledger.state.withLock { (state) throws(RequestError) in
            guard isCurrent(folder, state) else { throw refusal(SystemError(ENOENT), path) }
            return try swap(&state, path, file, temporary, version, in: folder)
        }
        try settle(place, path, in: folder)
        return FileEntry(path: path, isDirectory: false, facts: facts)
    }

    /// Brings a new name to the disk, in the directory and in the ledger; both at the same time.
    ///
    /// Whichever of the two a power cut spares is right: a row without its file, or a file without
    /// its row, is a change that the next look counts. Waiting is shared: one fsync of the
    /// directory and one commit of the ledger serve all who wait for them.
    func settle(_ place: NodeID, _ path: TreePath, in folder: Folder) throws(RequestError) {
        ledger.wake()
        do throws(SystemError) { try flush(folder) } catch {
            noteUnverified(place)
            throw refusal(error, path)
        }
        try waitUntilDurable(place)
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
        let status = try naming(path) { () throws(SystemError) in
            let number = folder.descriptor.number
            let code = withName(temporary) { from in
                withName(name) { dfs_rename(number, from, number, $0, 0) }
            }
            try SystemError.check(code)
            return try descriptor.status()
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
