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
        let folder = try openFolderOrMissing(path)
        return try entry(named: Array(path.name), path, in: folder)
    }

    private func openFolderOrMissing(_ path: TreePath) throws(RequestError) -> Folder {
        try openParent(of: path)
    }

    private func entry(
        named name: [UInt8], _ path: TreePath, in folder: Folder
    ) throws(RequestError) -> FileEntry {
        let sight = try naming(path) { () throws(SystemError) in
            try look(in: folder, named: name)
        }
        switch sight {
        case .nothing: throw refusal(SystemError(ENOENT), path)
        case .unserved: throw DiskRefusal.unserved(path)
        case .directory:
            let status = try naming(path) { () throws(SystemError) in
                try FileStatus(in: folder.descriptor.number, named: name)
            }
            return Export.directory(path, status)
        case .file(let place):
            guard let (facts, identity) = try facts(of: place, named: name, path, in: folder) else {
                throw refusal(SystemError(ENOENT), path)
            }
            return FileEntry(path: path, isDirectory: false, facts: facts, identity: identity)
        }
    }

    /// What is told of a file by name: of one that sessions are changing, the size and time of now.
    ///
    /// Version and size are of one file and one moment: where a replacement came between the two
    /// looks they are made again.
    private func facts(
        of place: NodeID, named name: [UInt8], _ path: TreePath, in folder: Folder
    ) throws(RequestError) -> (FileFacts, FileIdentity?)? {
        // A version that can not be kept now is kept later; reading does not wait for it.
        try? waitUntilDurable(place)
        var known = knownFacts(of: place)
        for _ in 0..<3 {
            guard var facts = known else { return nil }
            let status = try naming(path) { () throws(SystemError) in
                try FileStatus(in: folder.descriptor.number, named: name)
            }
            known = knownFacts(of: place)
            guard status.kind == .file else { return (facts, nil) }
            if let known, known.ver != facts.ver || known.fid != facts.fid { continue }
            (facts.size, facts.mtime, facts.mode) = (
                status.stamp.size, status.stamp.mtime, status.mode
            )
            return (facts, status.identity)
        }
        // It is replaced faster than it can be looked at: the ledger's own word is of one moment.
        return known.map { ($0, nil) }
    }

    private func knownFacts(of place: NodeID) -> FileFacts? {
        ledger.state.withLock { state in
            guard state.tree.contains(place), state.tree[place].kind == .file else { return nil }
            return state.tree[place].facts
        }
    }

    private static func directory(_ path: TreePath, _ status: FileStatus) -> FileEntry {
        FileEntry(
            path: path, isDirectory: true,
            facts: FileFacts(size: 0, mtime: status.stamp.mtime, mode: status.mode, ver: 0))
    }

    /// Lists a directory in bytewise order of names, with at most `limit` entries behind `after`.
    ///
    /// What vanishes or can not be looked at meanwhile is left out.
    func list(
        _ path: TreePath, after: [UInt8]?, limit: Int
    ) throws(RequestError) -> (entries: [FileEntry], hasMore: Bool) {
        let folder = try openFolder(path)
        var names = try naming(path) { () throws(SystemError) in
            try DirectoryReader.names(of: folder.descriptor)
        }
        if let after { names.removeAll { !after.lexicographicallyPrecedes($0) } }
        names.sort { $0.lexicographicallyPrecedes($1) }
        var entries: [FileEntry] = []
        for name in names where Export.isServed(name) {
            // Too long as a whole: the tree can not name it.
            guard let path = try? path.appending(name) else { continue }
            do throws(RequestError) {
                let entry = try entry(named: name, path, in: folder)
                if entries.count == limit { return (entries, true) }
                entries.append(entry)
            } catch {
                // A disk that fails, or a folder that is gone, makes no shorter listing.
                guard error.code == .notFound || error.code == .denied else { throw error }
            }
        }
        return (entries, false)
    }

    /// Changes mode or time of a file or a directory by its path; no version is counted.
    func setAttributes(
        _ path: TreePath, mode: FileMode?, mtime: WallTime?
    ) throws(RequestError) -> FileEntry {
        try checkAvailable(path)
        let relative = relative(path)
        let probe = try naming(path) { () throws(SystemError) in
            try openBeneath(relative, dfs_o_path | dfs_o_nofollow)
        }
        let status = try naming(path) { () throws(SystemError) in try probe.status() }
        switch status.kind {
        case .symlink, .other: throw DiskRefusal.unserved(path)
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
