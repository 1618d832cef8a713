import DFSProtocol

extension LedgerState {
    /// Counts up files whose changes no version counted before the last run ended; each once.
    ///
    /// - Parameter look: What the disk says of a path below the export now; nil for nothing.
    mutating func countLeftovers(
        _ marks: [(fid: Int64, ver: Int64)], _ look: ([UInt8]) -> FileStatus?
    ) {
        if marks.isEmpty { return }
        var versions: [Int64: Int64] = [:]
        // A session that outlived a STORE has left an older mark of the same file.
        for mark in marks { versions[mark.fid] = max(mark.ver, versions[mark.fid] ?? 0) }
        for id in tree.subtree(of: LedgerTree.top) {
            let node = tree[id]
            guard node.kind == .file, versions[node.fid] == node.ver else { continue }
            let path = Array(tree.components(of: id).joined(separator: [TreePath.slash]))
            // Another file, or none, is what the first scan finds.
            guard let status = look(path), status.kind == .file,
                status.stamp.inode == node.stamp.inode
            else { continue }
            update(id, status, raisingVersion: true)
        }
    }
}
