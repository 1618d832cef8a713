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

    /// Begins a walk through everything behind a place, or from the top.
    ///
    /// - Parameter names: The place, from the top; it need not be there any more.
    func walk(after names: [ArraySlice<UInt8>]) -> LedgerWalk {
        var walk = LedgerWalk()
        var place = LedgerTree.top
        for name in names {
            let children = sortedChildren(of: place)
            let position = children.partition { id in
                !tree.name(of: id).lexicographicallyPrecedes(name)
            }
            let isFound =
                position < children.count
                && tree.name(of: children[position]).elementsEqual(name)
            walk.levels.append(
                .init(
                    folder: place, children: children, position: position + (isFound ? 1 : 0)))
            guard isFound else { return walk }
            place = children[position]
        }
        if tree[place].kind == .directory {
            walk.levels.append(
                .init(folder: place, children: sortedChildren(of: place), position: 0))
        }
        return walk
    }

    /// Takes the next reports of a walk; fewer than the limit only at its end.
    func take(_ limit: Int, from walk: inout LedgerWalk) -> [FileReport] {
        var reports: [FileReport] = []
        while reports.count < limit, let level = walk.levels.last {
            guard level.position < level.children.count else {
                walk.levels.removeLast()
                continue
            }
            walk.levels[walk.levels.count - 1].position += 1
            let id = level.children[level.position]
            // Names that moved or went since the level was sorted are told as changes.
            let node = tree[id]
            guard node.kind != .free, node.parent == level.folder, let report = report(of: id)
            else { continue }
            reports.append(report)
            if node.kind == .directory {
                walk.levels.append(
                    .init(folder: id, children: sortedChildren(of: id), position: 0))
            }
        }
        return reports
    }

    private func sortedChildren(of id: NodeID) -> [NodeID] {
        tree.children(of: id).sorted { left, right in
            tree.name(of: left).lexicographicallyPrecedes(tree.name(of: right))
        }
    }
}

/// A position in a walk through a ledger, each directory before its contents, names bytewise.
struct LedgerWalk: Sendable {
    struct Level: Sendable {
        var folder: NodeID
        var children: [NodeID]
        var position: Int
    }

    /// Directories from the top to the one that is being read.
    var levels: [Level] = []
    /// The last path that was given out.
    var last: TreePath?
}

extension [NodeID] {
    /// The first position whose element, and all behind it, belong to the second part.
    fileprivate func partition(_ isSecond: (NodeID) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if isSecond(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
