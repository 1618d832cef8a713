import DFSProtocol

extension LedgerState {
    /// How far a mark may be ahead of the ledger on disk; a larger distance is a damaged mark.
    private static let mostUnkept: Int64 = 1 << 32

    /// Counts up files of which the last run told, or may have told, more than its ledger kept.
    ///
    /// Each is counted once, to the version behind the one that was told: whatever it holds now,
    /// another content was never told under that one.
    ///
    /// - Parameter look: What the disk says of a path below the export now; nil for nothing.
    mutating func countLeftovers(
        _ marks: [WritingMarks.Mark], _ look: ([UInt8]) -> FileStatus?
    ) {
        if marks.isEmpty { return }
        var versions: [Int64: Int64] = [:]
        // A session that outlived a STORE has left an older mark of the same file.
        for mark in marks { versions[mark.fid] = max(mark.ver, versions[mark.fid] ?? 0) }
        for id in tree.subtree(of: LedgerTree.top) {
            let node = tree[id]
            guard node.kind == .file, let told = versions[node.fid], told >= node.ver,
                told - node.ver <= LedgerState.mostUnkept
            else { continue }
            let path = Array(tree.components(of: id).joined(separator: [TreePath.slash]))
            // No file is what the first scan finds.
            guard let status = look(path), status.kind == .file else { continue }
            update(id, status, raisingVersionAbove: told)
        }
    }
}
