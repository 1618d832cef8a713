import CPosix
import DFSProtocol
import FileService

extension Export {
    /// How often an operation starts anew because names changed under it.
    private static let attempts = 16

    /// Opens a regular file and joins its session to the ledger.
    ///
    /// - Parameter version: The version that it must have; then nothing is made.
    func open(
        _ path: TreePath, _ access: FileAccess, mode: FileMode?, ifVersion version: Int64? = nil
    ) throws(RequestError) -> DiskFile {
        try checkAvailable(path)
        if access.writes { try checkWritable(path) }
        let mayCreate = version == nil && (access == .create || access == .createNew)
        if path == mount { throw DiskRefusal.of(SystemError(EISDIR), path) }
        let folder = try openParent(of: path, creating: mayCreate)
        for _ in 0..<Export.attempts {
            if access != .createNew {
                switch try openExisting(path, access, version, in: folder) {
                case .opened(let file): return file
                case .changed: continue
                case .missing: break
                }
            }
            guard mayCreate else { throw refusal(SystemError(ENOENT), path) }
            if let file = try create(path, mode: mode, in: folder) { return file }
            if access == .createNew { throw DiskRefusal.of(SystemError(EEXIST), path) }
        }
        throw RequestError(
            .busy, path: path, "the name changes all the time; try again",
            fields: [.init("retry", number: 1000)])
    }

    private enum Opening {
        case opened(DiskFile)
        case missing
        /// Another file has taken the name meanwhile.
        case changed
    }

    private func openExisting(
        _ path: TreePath, _ access: FileAccess, _ version: Int64?, in folder: Folder
    ) throws(RequestError) -> Opening {
        // A descriptor that neither reads nor writes: FIFOs do not block, devices are not touched.
        let probe: Descriptor
        let status: FileStatus
        do throws(SystemError) {
            probe = try Export.open(path.name, in: folder.descriptor, dfs_o_path | dfs_o_nofollow)
            status = try probe.status()
        } catch {
            if error.code == ENOENT { return .missing }
            throw refusal(error, path)
        }
        switch status.kind {
        case .file: break
        case .directory: throw DiskRefusal.of(SystemError(EISDIR), path)
        case .symlink, .other, .mounted: throw DiskRefusal.unserved(path)
        }
        let descriptor = try naming(path) { () throws(SystemError) in
            try Descriptor(dfs_reopen(probe.number, access.writes ? O_RDWR : O_RDONLY))
        }
        let joined = try join(status.identity, path, ifVersion: version, in: folder)
        guard let joined else { return .changed }
        let file = DiskFile(
            descriptor, joined, path: path, canWrite: access.writes, isNew: false, in: self)
        do throws(RequestError) { try waitUntilDurable(joined.place) } catch {
            // Reading goes on where the ledger's disk is full; only writers need what it promises.
            if access.writes { throw error }
        }
        return .opened(file)
    }

    /// Joins a session to the file that a name leads to, if it is the one that was opened.
    private func join(
        _ identity: FileIdentity, _ path: TreePath, ifVersion version: Int64?, in folder: Folder
    ) throws(RequestError) -> LiveFile? {
        try ledger.state.withLock { (state) throws(RequestError) -> LiveFile? in
            guard isCurrent(folder, state) else { throw refusal(SystemError(ENOENT), path) }
            let sight: Sight
            do throws(SystemError) { sight = try absorb(&state, folder, path.name) } catch {
                throw refusal(error, path)
            }
            guard case .file(let id) = sight else { return nil }
            let node = state.tree[id]
            guard node.stamp.inode == identity.inode else { return nil }
            if let version, version != node.ver { throw .conflict(path, is: node.ver) }
            return live.open(node, at: id, identity)
        }
    }

    /// Makes a file under a temporary name and gives it its own, with its mode in force.
    ///
    /// - Returns: Nil where the name is taken.
    private func create(
        _ path: TreePath, mode: FileMode?, in folder: Folder
    ) throws(RequestError) -> DiskFile? {
        let temporary = temporaryName()
        let descriptor = try naming(path) { () throws(SystemError) in
            try makeTemporary(temporary, mode ?? FileMode(bits: 0o644), in: folder)
        }
        do throws(RequestError) { try ledger.waitUntilWritable() } catch {
            removeTemporary(temporary, in: folder)
            throw error
        }
        let joined: LiveFile?
        do throws(SystemError) {
            joined = try publish(descriptor, from: temporary, to: path.name, in: folder)
        } catch {
            removeTemporary(temporary, in: folder)
            throw refusal(error, path)
        }
        guard let joined else {
            removeTemporary(temporary, in: folder)
            return nil
        }
        let file = DiskFile(descriptor, joined, path: path, canWrite: true, isNew: true, in: self)
        try settle(joined.place, path, in: folder)
        return file
    }

    /// Makes a file that nobody sees, with its mode in force whatever the umask.
    func makeTemporary(
        _ name: [UInt8], _ mode: FileMode, in folder: Folder
    ) throws(SystemError) -> Descriptor {
        let flags = O_RDWR | O_CREAT | O_EXCL | dfs_o_nofollow
        let descriptor = try Descriptor(
            withName(name) { dfs_openat(folder.descriptor.number, $0, flags, 0o600) })
        let code = dfs_set_mode(descriptor.number, mode_t(mode.bits))
        if code < 0 {
            removeTemporary(name, in: folder)
            throw SystemError(-code)
        }
        return descriptor
    }

    /// Removes a file that never got its name; one that stays is removed at the next start.
    func removeTemporary(_ name: [UInt8], in folder: Folder) {
        _ = withName(name) { dfs_unlink(folder.descriptor.number, $0, 0) }
    }

    private func publish(
        _ descriptor: Descriptor, from temporary: [UInt8], to name: ArraySlice<UInt8>,
        in folder: Folder
    ) throws(SystemError) -> LiveFile? {
        try ledger.state.withLock { (state) throws(SystemError) -> LiveFile? in
            guard isCurrent(folder, state) else { throw SystemError(ENOENT) }
            let number = folder.descriptor.number
            let code = withName(temporary) { from in
                withName(name) { dfs_rename_new(number, from, number, $0) }
            }
            if code == -EEXIST { return nil }
            try SystemError.check(code)
            let status = try descriptor.status()
            if let known = state.tree.child(of: folder.place, named: name) {
                live.makeStale(state.drop(known))
            }
            let id = state.addFile(status, named: name, in: folder.place, ver: 0)
            return live.open(state.tree[id], at: id, status.identity)
        }
    }

    // MARK: Facts

    /// Whether the ledger still has a file where its sessions joined it.
    func isCurrent(_ file: LiveFile, _ state: borrowing LedgerState) -> Bool {
        guard state.tree.contains(file.place) else { return false }
        let node = state.tree[file.place]
        return node.kind == .file && node.fid == file.fid
            && node.stamp.inode == file.identity.inode
    }

    /// What is told of an open file: size and time from its descriptor, version from the ledger,
    /// with changes by others that the ledger had not seen.
    func facts(of file: LiveFile, _ descriptor: Descriptor) throws(SystemError) -> FileFacts {
        let (status, node) = try ledger.state.withLock { (state) throws(SystemError) in
            let status = try descriptor.status()
            guard isCurrent(file, state) else { return (status, LedgerNode?.none) }
            absorb(&state, file.place, status)
            return (status, state.tree[file.place])
        }
        var facts = FileFacts(
            size: status.stamp.size, mtime: status.stamp.mtime, mode: status.mode, fid: file.fid,
            ver: file.version)
        guard let node else { return facts }
        file.sawVersion(node.ver)
        if node.isUncommitted {
            // A version that can not be kept now is kept later; reading does not wait for it.
            try? waitUntilDurable(file.place)
        }
        facts.ver = node.ver
        facts.isUnverified = node.isUnverified
        return facts
    }

    /// Refuses a file that has another version now, changes by others included.
    ///
    /// Changes of sessions that no version counts yet do not make another version.
    func checkVersion(
        _ version: Int64, of file: LiveFile, _ descriptor: Descriptor, _ path: TreePath
    ) throws(RequestError) {
        let current = try naming(path) { () throws(SystemError) in
            try ledger.state.withLock { (state) throws(SystemError) -> Int64? in
                guard isCurrent(file, state) else { return nil }
                absorb(&state, file.place, try descriptor.status())
                return state.tree[file.place].ver
            }
        }
        guard let current else { throw DiskRefusal.stale(path) }
        if current != version { throw .conflict(path, is: current) }
    }

    /// Counts changes that the disk has, once, and returns when the ledger has it too.
    func count(
        _ file: LiveFile, _ descriptor: Descriptor, upTo change: Int64, _ path: TreePath
    ) throws(RequestError) {
        let isCounted = try naming(path) { () throws(SystemError) in
            try ledger.state.withLock { (state) throws(SystemError) in
                guard isCurrent(file, state) else { return false }
                if change > file.countedChange {
                    state.update(file.place, try descriptor.status(), raisingVersion: true)
                    file.count(upTo: change, as: state.tree[file.place].ver)
                }
                return true
            }
        }
        guard isCounted else {
            file.makeStale()
            throw DiskRefusal.stale(path)
        }
        try waitUntilDurable(file.place)
        file.noteKept(upTo: change)
    }
}
