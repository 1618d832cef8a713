import CPosix
import DFSProtocol
import FileService

extension Export {
    /// Tells what the disk says of a path now.
    func entry(_ path: TreePath) throws(RequestError) -> FileEntry {
        try checkAvailable(path)
        if path == mount {
            let status = try naming(path) { () throws(SystemError) in try root.status() }
            return Export.directory(path, status)
        }
        return try entry(named: Array(path.name), path, in: try openParent(of: path))
    }

    /// How often a name is looked at anew because its file was replaced meanwhile.
    private static let looks = 4

    private func entry(
        named name: [UInt8], _ path: TreePath, in folder: Folder
    ) throws(RequestError) -> FileEntry {
        for _ in 0..<Export.looks {
            let sight = try naming(path) { () throws(SystemError) in
                try look(in: folder, named: name)
            }
            switch sight {
            case .nothing: throw refusal(SystemError(ENOENT), path)
            case .unserved(.mounted): throw refusal(.mounted, path)
            case .unserved: throw DiskRefusal.unserved(path)
            case .directory:
                let status = try naming(path) { () throws(SystemError) in
                    try FileStatus(in: folder.descriptor.number, named: name)
                }
                return Export.directory(path, status)
            case .file(let place):
                if let entry = try entry(of: place, named: name, path, in: folder) { return entry }
            }
        }
        // It is replaced faster than it can be looked at: the ledger's own word is of one moment.
        let known = ledger.state.withLock { state in
            state.tree.child(of: folder.place, named: name).flatMap {
                knownFile(state, $0, named: name, in: folder)
            }
        }
        guard let known else { throw refusal(SystemError(ENOENT), path) }
        return FileEntry(path: path, isDirectory: false, facts: known.facts)
    }

    /// What is told of a file by name: of one that sessions are changing, the size and time of now.
    ///
    /// Version and size are of one file and one moment.
    ///
    /// - Parameter place: Where the ledger had the name a moment ago.
    /// - Returns: Nil where another file has come between the looks.
    func entry(
        of place: NodeID, named name: [UInt8], _ path: TreePath, in folder: Folder
    ) throws(RequestError) -> FileEntry? {
        // A version that can not be kept now is kept later; reading does not wait for it.
        try? waitUntilDurable(place)
        func known() -> LedgerNode? {
            ledger.state.withLock { knownFile($0, place, named: name, in: folder) }
        }
        guard let node = known() else { return nil }
        let status = try naming(path) { () throws(SystemError) in
            try FileStatus(in: folder.descriptor.number, named: name)
        }
        guard status.kind == .file, status.stamp.inode == node.stamp.inode, let after = known(),
            (after.fid, after.ver) == (node.fid, node.ver)
        else { return nil }
        var facts = node.facts
        (facts.size, facts.mtime, facts.mode) = (
            status.stamp.size, status.stamp.mtime, status.mode
        )
        return FileEntry(
            path: path, isDirectory: false, facts: facts, identity: status.identity)
    }

    /// A file, if the ledger has it under a name of a directory; places are used again.
    private func knownFile(
        _ state: borrowing LedgerState, _ place: NodeID, named name: [UInt8], in folder: Folder
    ) -> LedgerNode? {
        guard isCurrent(folder, state), state.tree.child(of: folder.place, named: name) == place,
            state.tree[place].kind == .file
        else { return nil }
        return state.tree[place]
    }

    private static func directory(_ path: TreePath, _ status: FileStatus) -> FileEntry {
        FileEntry(
            path: path, isDirectory: true,
            facts: FileFacts(size: 0, mtime: status.stamp.mtime, mode: status.mode, ver: 0))
    }

    /// Lists a directory in bytewise order of names, with at most `limit` entries behind `after`.
    ///
    /// What vanishes or can not be looked at meanwhile is left out; what is hidden by a mount is
    /// listed as it was known.
    func list(
        _ path: TreePath, after: [UInt8]?, limit: Int
    ) throws(RequestError) -> (entries: [FileEntry], hasMore: Bool) {
        let folder = try openFolder(path)
        var (entries, position) = ([FileEntry](), after)
        while true {
            // One more than the page tells whether there is more.
            let wanted = limit - entries.count + 1
            var names = SmallestNames(after: position, limit: max(wanted, Export.leastNames))
            try naming(path) { () throws(SystemError) in
                try DirectoryReader.visit(folder.descriptor) { names.add($0) }
            }
            let sorted = names.sorted
            for (name, place) in zip(sorted, look(at: sorted, in: folder)) {
                guard let entry = try listed(name, place, below: path, in: folder) else { continue }
                if entries.count == limit { return (entries, true) }
                entries.append(entry)
            }
            if !names.isCut { return (entries, false) }
            position = sorted.last
        }
    }

    /// Has the ledger learn of names before any is told: one commit keeps all that are new.
    ///
    /// - Returns: Where the ledger has those that are files.
    private func look(at names: [[UInt8]], in folder: Folder) -> [NodeID?] {
        names.map { name in
            // What can not be looked at is told of, or left out, where its entry is made.
            guard Export.isServed(name), case .file(let place)? = try? look(in: folder, named: name)
            else { return nil }
            return place
        }
    }

    /// Names that are taken at once: so that many that are not served cost few looks at all.
    private static let leastNames = 256

    /// The entry of one name; nil for what is not listed.
    ///
    /// - Parameter place: Where the ledger had it a moment ago, if it was a file.
    private func listed(
        _ name: [UInt8], _ place: NodeID?, below path: TreePath, in folder: Folder
    ) throws(RequestError) -> FileEntry? {
        // Too long as a whole: the tree can not name it.
        guard Export.isServed(name), let path = try? path.appending(name) else { return nil }
        do throws(RequestError) {
            return try covered(named: name, path, in: folder) { () throws(RequestError) in
                if let place, let entry = try entry(of: place, named: name, path, in: folder) {
                    return entry
                }
                return try self.entry(named: name, path, in: folder)
            }
        } catch {
            // A disk that fails, or a folder that is gone, makes no shorter listing.
            guard error.code == .notFound || error.code == .denied else { throw error }
            return nil
        }
    }

    /// Changes mode or time of a file or a directory by its path; no version is counted.
    func setAttributes(
        _ path: TreePath, mode: FileMode?, mtime: WallTime?
    ) throws(RequestError) -> FileEntry {
        try checkAvailable(path)
        try checkWritable(path)
        let relative = relative(path)
        let probe = try naming(path) { () throws(SystemError) in
            try openBeneath(relative, dfs_o_path | dfs_o_nofollow)
        }
        let status = try naming(path) { () throws(SystemError) in try probe.status() }
        switch status.kind {
        case .symlink, .other, .mounted: throw DiskRefusal.unserved(path)
        case .directory: return try setDirectoryAttributes(path, mode: mode, mtime: mtime)
        case .file:
            // Opened for reading only: it also works on files that the server may not write.
            let file = try open(path, .read, mode: nil)
            let facts = try file.setAttributes(mode: mode, mtime: mtime)
            _ = try file.close()
            return FileEntry(path: path, isDirectory: false, facts: facts)
        }
    }

    private func setDirectoryAttributes(
        _ path: TreePath, mode: FileMode?, mtime: WallTime?
    ) throws(RequestError) -> FileEntry {
        let folder = try openFolder(path)
        let status = try naming(path) { () throws(SystemError) in
            try ledger.state.withLock { (state) throws(SystemError) in
                let number = folder.descriptor.number
                if let mode { try SystemError.check(dfs_set_mode(number, mode_t(mode.bits))) }
                if let mtime {
                    try SystemError.check(
                        dfs_set_mtime(number, mtime.seconds, mtime.nanoseconds))
                }
                let status = try folder.descriptor.status()
                if isCurrent(folder, state) { state.updateDirectory(folder.place, status) }
                return status
            }
        }
        try naming(path) { () throws(SystemError) in try folder.descriptor.sync() }
        try waitUntilDurable(folder.place)
        return Export.directory(path, status)
    }
}

extension Export {
    /// Bytes that can still be written here.
    func freeBytes() throws(RequestError) -> Int64 {
        let bytes = dfs_free_bytes(root.number)
        if bytes < 0 { throw DiskRefusal.of(SystemError(Int32(clamping: -bytes)), mount) }
        return bytes
    }
}
