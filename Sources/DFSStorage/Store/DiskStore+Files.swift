import DFSProtocol
import FileService

extension DiskStore {
    /// Opens a regular file.
    public func open(
        _ path: TreePath, _ access: FileAccess, mode: FileMode?, ifVersion version: Int64?
    ) throws(RequestError) -> any OpenFile {
        try checkNoDirectoryAboveMounts(path)
        return try owner(of: path).open(path, access, mode: mode, ifVersion: version)
    }

    /// Tells what the disk says of a path now.
    public func entry(_ path: TreePath) throws(RequestError) -> FileEntry {
        let isAboveMounts = !table.names(in: path).isEmpty
        guard let export = table.owner(of: path) else {
            if isAboveMounts { return syntheticEntry(path) }
            return try owner(of: path).entry(path)
        }
        do throws(RequestError) { return try export.entry(path) } catch {
            if isAboveMounts, error.code != .io { return syntheticEntry(path) }
            throw error
        }
    }

    /// Lists a directory in bytewise order of names, mounts among them.
    public func list(
        _ path: TreePath, after: [UInt8]?, limit: Int
    ) throws(RequestError) -> (entries: [FileEntry], hasMore: Bool) {
        var mounted: [FileEntry] = []
        for name in table.names(in: path) {
            if let after, !after.lexicographicallyPrecedes(name) { continue }
            // Their disks are not asked: one that does not answer would keep the threads of the
            // export above, and what is mounted is a directory in any case.
            mounted.append(syntheticEntry(try path.appending(name)))
        }
        var listed: (entries: [FileEntry], hasMore: Bool) = ([], false)
        do throws(RequestError) {
            listed = try owner(of: path).list(path, after: after, limit: limit)
        } catch {
            // Directories above mounts need not be on any disk.
            guard !table.names(in: path).isEmpty, error.code != .io else { throw error }
        }
        if mounted.isEmpty { return listed }
        let names = Set(mounted.map(\.path))
        let all = (listed.entries.filter { !names.contains($0.path) } + mounted)
            .sorted { $0.path.name.lexicographicallyPrecedes($1.path.name) }
        // What the disk did not list for want of room comes behind what it did.
        let end = listed.hasMore ? listed.entries.last?.path.name : nil
        let known = all.filter { entry in
            end.map { !$0.lexicographicallyPrecedes(entry.path.name) } ?? true
        }
        return (
            Array(known.prefix(limit)),
            listed.hasMore || known.count > limit || known.count < all.count
        )
    }

    /// Begins a file that replaces a path as a whole.
    public func beginReplacement(
        of path: TreePath, mode: FileMode?
    ) throws(RequestError) -> any FileReplacement {
        try checkNoDirectoryAboveMounts(path)
        return try owner(of: path).beginReplacement(of: path, mode: mode)
    }

    /// Changes permission bits or the time of the last change.
    public func setAttributes(
        _ path: TreePath, mode: FileMode?, mtime: WallTime?
    ) throws(RequestError) -> FileEntry {
        try owner(of: path).setAttributes(path, mode: mode, mtime: mtime)
    }

    /// Removes a file or a directory, durably.
    public func remove(
        _ path: TreePath, recursive: Bool, fid: Int64? = nil
    ) throws(RequestError) {
        // Below no mount there is nothing, and removing nothing succeeds.
        guard table.owner(of: path) != nil || !table.names(in: path).isEmpty else { return }
        try owner(of: path).remove(path, recursive: recursive, fid: fid)
    }

    /// Renames within one export, durably.
    public func rename(
        _ from: TreePath, to target: TreePath, replacing: Bool = true, fid: Int64? = nil
    ) throws(RequestError) {
        let export = try owner(of: from)
        guard table.owner(of: target) === export else {
            throw RequestError(
                .crossServer, path: target,
                "source and target are in different exports; copy, then remove")
        }
        try export.rename(from, to: target, replacing: replacing, fid: fid)
    }

    /// Bytes that can still be written to the export with the most room.
    public func freeBytes() throws(RequestError) -> Int64 {
        var most: Int64 = 0
        for export in table.exports where !export.isGone {
            most = max(most, try export.freeBytes())
        }
        return most
    }

    /// SHA-256 of a file or of a part of it, with facts that held from its first byte to its last.
    public func digest(
        _ path: TreePath, range: (offset: Int64, count: Int64)?, isWanted: () -> Bool
    ) throws(RequestError) -> (sha256: [UInt8], facts: FileFacts) {
        try checkNoDirectoryAboveMounts(path)
        let file = try owner(of: path).open(path, .read, mode: nil)
        defer {
            // It was only read: closing it has nothing to lose.
            _ = try? file.close()
        }
        for _ in 0..<3 {
            if let digest = try file.digest(range, isWanted: isWanted) { return digest }
        }
        throw RequestError(
            .busy, path: path, "the file keeps changing while it is read; try again",
            fields: [.init("retry", number: 1000)])
    }

    /// What the last scan and the changes since then found.
    public func census() -> StoreCensus {
        var census = StoreCensus()
        for (export, follower) in zip(table.exports, followers) {
            let counts = follower.progress.current
            let known = export.ledger.state.withLock {
                (
                    files: $0.tree.files, directories: $0.tree.directories, bytes: $0.bytes,
                    unverified: $0.unverified
                )
            }
            census.files += Int64(known.files)
            census.directories += Int64(known.directories)
            census.bytes &+= known.bytes
            census.skipped += Int64(counts.symlinks + counts.others)
            census.unreadable += Int64(counts.unreadable)
            census.unverified += Int64(known.unverified)
            if counts.isScanning { census.isScanning = true }
        }
        // Sums wrap where sparse files are larger than any number.
        if census.bytes < 0 { census.bytes = .max }
        return census
    }

    private func checkNoDirectoryAboveMounts(_ path: TreePath) throws(RequestError) {
        if !table.names(in: path).isEmpty {
            throw RequestError(.isDirectory, path: path, "it is a directory that leads to exports")
        }
    }
}
