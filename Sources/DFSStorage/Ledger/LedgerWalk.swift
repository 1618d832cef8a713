import DFSProtocol

/// A position in a walk through a ledger, each directory before its contents, names bytewise.
///
/// What it takes is copied in the ledger's lock and put into order outside of it: sorting the
/// million names of one directory would keep every request of the export waiting.
struct LedgerWalk: Sendable {
    /// Directories from the top to the one that is being read.
    fileprivate var levels: [LedgerLevel] = []

    /// Whether nothing is left.
    var isAtEnd: Bool { levels.isEmpty }

    /// Sorts what was copied; not in the ledger's lock.
    mutating func sort() {
        for index in levels.indices { levels[index].sort() }
    }
}

/// A directory of a walk and what is left of its entries.
private struct LedgerLevel: Sendable {
    let folder: NodeID
    private var entries: [(id: NodeID, name: Range<Int>)] = []
    /// The names one behind the other.
    private var names: [UInt8] = []
    private var position = 0
    private(set) var isSorted = false

    /// Copies the entries of a directory, or those behind a name.
    init(_ folder: NodeID, in tree: borrowing LedgerTree, after name: ArraySlice<UInt8>? = nil) {
        self.folder = folder
        for id in tree.children(of: folder) {
            let own = tree.name(of: id)
            if let name, !name.lexicographicallyPrecedes(own) { continue }
            let start = names.count
            names += own
            entries.append((id, start..<names.count))
        }
    }

    var count: Int { entries.count }

    mutating func sort() {
        if isSorted { return }
        isSorted = true
        let names = names
        entries.sort { names[$0.name].lexicographicallyPrecedes(names[$1.name]) }
    }

    /// The next entry in order, with the name that it had; nil at the end.
    mutating func next() -> (id: NodeID, name: ArraySlice<UInt8>)? {
        guard position < entries.count else { return nil }
        defer { position += 1 }
        return (entries[position].id, names[entries[position].name])
    }
}

extension LedgerState {
    /// Entries that are sorted at once, in the ledger's lock: microseconds.
    private static let sortedAtOnce = 256

    /// Begins a walk through everything behind a place, or from the top.
    ///
    /// - Parameter names: The place, from the top; it need not be there any more.
    func walk(after names: [ArraySlice<UInt8>]) -> LedgerWalk {
        var walk = LedgerWalk()
        var place = LedgerTree.top
        for name in names {
            walk.levels.append(LedgerLevel(place, in: tree, after: name))
            guard let next = tree.child(of: place, named: name) else { return walk }
            place = next
        }
        if tree[place].kind == .directory { walk.levels.append(LedgerLevel(place, in: tree)) }
        return walk
    }

    /// Takes the next reports of a walk.
    ///
    /// - Returns: Fewer than the limit at the end, and before a large directory: then the walk is
    ///   to be sorted, and there may be more.
    func take(_ limit: Int, from walk: inout LedgerWalk) -> [FileReport] {
        var reports: [FileReport] = []
        while reports.count < limit, let level = walk.levels.last {
            if !level.isSorted {
                if level.count > LedgerState.sortedAtOnce { return reports }
                walk.levels[walk.levels.count - 1].sort()
            }
            guard let (id, name) = walk.levels[walk.levels.count - 1].next() else {
                walk.levels.removeLast()
                continue
            }
            // Names that moved or went since they were copied are told as changes. Another one at
            // the same place is not told here: whoever goes on behind it would leave out a part.
            let node = tree[id]
            guard node.kind != .free, node.parent == level.folder,
                tree.name(of: id).elementsEqual(name), let report = report(of: id)
            else { continue }
            reports.append(report)
            if node.kind == .directory { walk.levels.append(LedgerLevel(id, in: tree)) }
        }
        return reports
    }
}
