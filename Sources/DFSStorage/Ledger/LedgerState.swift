import DFSProtocol

/// The names of one export with what they are told as; every change goes through here.
///
/// Lives in a lock of its `Ledger`. Each change notes which rows must be written and tells the
/// change log, in one step, so that memory, table and reports never disagree about order.
struct LedgerState: Sendable {
    /// Every name that is known.
    private(set) var tree = LedgerTree()
    /// Counts the changes to rows; what is told waits until the disk has its number.
    private(set) var sequence: Int64 = 0
    /// Sum of the sizes of all files; wraps, as a few sparse files are larger than any number.
    private(set) var bytes: Int64 = 0
    /// Files under which the disk failed and that nobody has read whole since.
    private(set) var unverified = 0

    private var queued: [NodeID] = []
    private var nextFid: Int64
    private let mount: TreePath
    private let export: Int
    private let log: ChangeLog

    /// Begins with nothing but the top.
    init(mount: TreePath, export: Int, opening: Int64, log: ChangeLog) {
        self.mount = mount
        self.export = export
        self.log = log
        nextFid = opening << 32
    }

    /// How many rows wait to be written.
    var backlog: Int { queued.count }

    /// The tree path of a place; nil where it is longer than a tree path may be.
    func path(of id: NodeID) -> TreePath? {
        if id == LedgerTree.top { return mount }
        var bytes = mount.isRoot ? [] : mount.bytes
        for name in tree.components(of: id) {
            bytes.append(TreePath.slash)
            bytes.append(contentsOf: name)
        }
        // Names were checked one by one; what fails here is too long as a whole and is not served.
        return try? TreePath(bytes)
    }

    /// The line of a report for a place; nil where nothing is told of it.
    func report(of id: NodeID) -> FileReport? {
        guard let path = path(of: id) else { return nil }
        let node = tree[id]
        switch node.kind {
        case .file: return .file(path, node.facts)
        case .directory: return .directory(path, mtime: node.stamp.mtime, mode: node.mode)
        case .free: return nil
        }
    }

    // MARK: Changes

    /// Takes in a file that was not known, with an identity that no file ever had.
    mutating func addFile(
        _ status: FileStatus, named name: some Collection<UInt8>, in parent: NodeID, ver: Int64
    ) -> NodeID {
        nextFid += 1
        var node = LedgerNode()
        node.kind = .file
        node.fid = nextFid
        node.ver = ver
        node.stamp = status.stamp
        node.mode = status.mode
        let id = tree.add(node, named: name, in: parent)
        bytes &+= max(0, status.stamp.size)
        tell(id)
        return id
    }

    /// Takes in a directory that was not known.
    mutating func addDirectory(
        _ status: FileStatus, named name: some Collection<UInt8>, in parent: NodeID
    ) -> NodeID {
        var node = LedgerNode()
        node.kind = .directory
        node.stamp = status.stamp
        node.mode = status.mode
        let id = tree.add(node, named: name, in: parent)
        tell(id)
        return id
    }

    /// Notes what the disk now says of a file, and counts its version where its contents changed.
    mutating func update(_ id: NodeID, _ status: FileStatus, raisingVersion: Bool) {
        bytes &+= max(0, status.stamp.size) - max(0, tree[id].stamp.size)
        // Another file on disk: what failed is no longer there.
        if tree[id].stamp.inode != status.stamp.inode { setUnverified(id, false) }
        tree[id].stamp = status.stamp
        tree[id].mode = status.mode
        if raisingVersion { tree[id].ver += 1 }
        tell(id)
    }

    /// Notes what the disk now says of a file, and counts its version beyond one that was told.
    mutating func update(_ id: NodeID, _ status: FileStatus, raisingVersionAbove told: Int64) {
        tree[id].ver = max(told, tree[id].ver)
        update(id, status, raisingVersion: true)
    }

    /// Notes what the disk now says of a directory; told only where its mode or the folder itself
    /// changed.
    mutating func updateDirectory(_ id: NodeID, _ status: FileStatus) {
        let node = tree[id]
        tree[id].stamp = status.stamp
        tree[id].mode = status.mode
        if node.mode != status.mode || node.stamp.inode != status.stamp.inode {
            tell(id)
        } else if node.stamp != status.stamp {
            enqueue(id)
        }
    }

    /// Counts a version without a look at the disk: what was written before a crash.
    mutating func raiseVersion(_ id: NodeID) {
        tree[id].ver += 1
        tell(id)
    }

    /// Notes that the disk failed under a file, or that all of it could be read since.
    mutating func setUnverified(_ id: NodeID, _ isUnverified: Bool) {
        guard tree[id].isUnverified != isUnverified else { return }
        tree[id].isUnverified = isUnverified
        unverified += isUnverified ? 1 : -1
        enqueue(id)
    }

    /// Forgets a name and all below it.
    ///
    /// - Returns: The identities of the files that are gone.
    mutating func drop(_ id: NodeID) -> [Int64] {
        let path = path(of: id)
        var gone: [Int64] = []
        for place in tree.subtree(of: id).reversed() {
            let node = tree[place]
            if node.kind == .file {
                gone.append(node.fid)
                bytes &-= max(0, node.stamp.size)
                if node.isUnverified { unverified -= 1 }
            }
            tree.remove(place)
            enqueue(place)
        }
        if let path { log.append(.gone(path), export: export, sequence: sequence) }
        return gone
    }

    /// Gives a name and all below it another place; identities and versions stay.
    ///
    /// - Parameter status: What the disk says of it now; nil while sessions are changing it.
    mutating func move(
        _ id: NodeID, to parent: NodeID, named name: some Collection<UInt8>, _ status: FileStatus?
    ) {
        let old = path(of: id)
        tree.move(id, to: parent, named: name)
        if let status {
            if tree[id].kind == .file {
                bytes &+= max(0, status.stamp.size) - max(0, tree[id].stamp.size)
            }
            tree[id].stamp = status.stamp
            tree[id].mode = status.mode
        }
        enqueue(id)
        if let old { log.append(.gone(old), export: export, sequence: sequence) }
        for place in tree.subtree(of: id) {
            guard let report = report(of: place) else { continue }
            log.append(report, export: export, sequence: sequence)
        }
    }

    private mutating func tell(_ id: NodeID) {
        enqueue(id)
        guard let report = report(of: id) else { return }
        log.append(report, export: export, sequence: sequence)
    }

    private mutating func enqueue(_ id: NodeID) {
        sequence += 1
        guard !tree[id].isQueued else { return }
        tree[id].isQueued = true
        queued.append(id)
    }

    // MARK: Restart and commit

    /// Takes over what a ledger on disk says, before anything else happens.
    ///
    /// - Parameter lost: Rows that are to go, because they hang in no directory.
    mutating func restore(_ tree: LedgerTree, forgetting lost: [NodeID]) {
        self.tree = tree
        for id in tree.subtree(of: LedgerTree.top) where tree[id].kind == .file {
            bytes &+= max(0, tree[id].stamp.size)
            if tree[id].isUnverified { unverified += 1 }
        }
        for id in lost { enqueue(id) }
    }

    /// Rows that are copied at once: about a millisecond's work.
    private static let pageRows = 4096

    /// A page of all rows in the order of places; nil behind the last one.
    func page(_ number: Int) -> [LedgerRow]? {
        let first = number * LedgerState.pageRows
        guard let start = NodeID(exactly: first), tree.contains(start) else { return nil }
        return (start..<(start + NodeID(LedgerState.pageRows))).compactMap { id in
            guard tree.contains(id), tree[id].kind != .free else { return nil }
            return LedgerRow(id: id, name: Array(tree.name(of: id)), node: tree[id])
        }
    }

    /// Copies all rows that wait; they count as in flight until `settle`.
    mutating func takeBatch() -> LedgerBatch {
        var batch = LedgerBatch(sequence: sequence, generation: log.ceiling, places: queued)
        for id in queued {
            tree[id].isQueued = false
            tree[id].isInFlight = true
            let node = tree[id]
            if node.kind == .free {
                batch.forgotten.append(id)
            } else {
                batch.rows.append(LedgerRow(id: id, name: Array(tree.name(of: id)), node: node))
            }
        }
        queued.removeAll(keepingCapacity: true)
        return batch
    }

    /// Notes how the commit of a batch ended; rows that failed wait again.
    mutating func settle(_ batch: LedgerBatch, isKept: Bool) {
        for id in batch.places {
            tree[id].isInFlight = false
            // One that waits again may be another one at the same place.
            if isKept, !tree[id].isQueued { tree[id].isKept = tree[id].kind != .free }
            if !isKept, !tree[id].isQueued {
                tree[id].isQueued = true
                queued.append(id)
            }
        }
    }
}

/// Rows that are written in one transaction.
struct LedgerBatch: Sendable {
    /// Everything up to this number is in the batch or was before it.
    let sequence: Int64
    /// A generation that none of it will be told beyond.
    let generation: Int64
    let places: [NodeID]
    var rows: [LedgerRow] = []
    var forgotten: [NodeID] = []
}
