import DFSProtocol

/// The tree of all names in memory, from which every read is answered.
///
/// Nodes have dense numbers that are reused; number 0 is the root. A directory's name stands in one
/// place only, so that renaming a directory of a million files changes one entry.
/// Changed nodes are remembered until `takeChanges`, which describes each once.
struct Catalogue {
    /// Stands for no node.
    static let none = UInt32.max
    static let root: UInt32 = 0
    /// Numbers that are given; a row with a higher one is damage.
    ///
    /// Memory ends before on most machines.
    static let mostNodes = 1 << 28

    var records: [CatalogueRecord]
    var names = CatalogueNames()
    var table: CatalogueTable
    /// Orders of the directories, by `CatalogueRecord.children`.
    var orders: [CatalogueChildren] = [CatalogueChildren()]
    var freeOrders: [UInt32] = []
    var freeNumbers: [UInt32] = []
    /// Times and versions that do not fit into a record.
    var unusual: [UInt32: FileFacts] = [:]
    /// What servers other than a record's own have there, in the order of arrival.
    var holdings: [UInt32: [Holding]] = [:]
    /// How many mounts of known servers are at or below a directory.
    var pins: [UInt32: Int] = [:]
    /// Ends of claims, in seconds since 1970.
    var claimDeadlines: [UInt32: Int64] = [:]
    /// What waits for the next commit, each once.
    var dirtyNodes: [UInt32] = []
    var dirtyHoldings: Set<HoldingKey> = []
    /// What running inventories have mentioned; a number that is reused starts unmentioned.
    var mentions: [UInt16: InventoryMentions] = [:]
    /// Nodes of which somebody wants to know when they are freed, and those that were since.
    var subjects: Set<UInt32> = []
    var departedSubjects: [UInt32] = []
    var counts = Counts()
    /// The highest number of a server that was loaded with a name.
    var highestServer: UInt16 = 0
    /// Files and bytes of every server, by its number.
    var holdingsOfServers: [UInt16: Counts.OfServer] = [:]

    /// A second file of that name, or a directory on one more disk (no facts).
    struct Holding: Equatable {
        var server: UInt16
        var facts: FileFacts?
    }

    struct HoldingKey: Hashable {
        var node: UInt32
        var server: UInt16
    }

    /// Totals that STATUS and SERVERS tell.
    struct Counts {
        var files = 0
        var directories = 0
        /// Names at which another server has a file that is not reached by the name alone.
        var conflicts = 0

        struct OfServer {
            var files: Int64 = 0
            var bytes: Int64 = 0
        }
    }

    /// - Parameter seed: Random; names are hashed with it.
    init(seed: UInt64) {
        table = CatalogueTable(seed: seed)
        var root = CatalogueRecord(parent: 0, name: 0, nameLength: 0, kind: .directory)
        root.flags.insert(.explicit)
        root.children = 0
        records = [root]
    }

    /// The entry of a directory; `none` where there is none.
    ///
    /// Allocates nothing.
    @inline(__always)
    func child(of parent: UInt32, _ name: Span<UInt8>) -> UInt32 {
        let hash = table.hash(parent: parent, name)
        var index = Int(hash) & table.mask
        while true {
            let slot = table.slots[index]
            if slot == 0 { return Catalogue.none }
            if slot >> 32 == hash {
                let number = UInt32(truncatingIfNeeded: slot) &- 1
                if isChild(number, of: parent, name) { return number }
            }
            index = (index + 1) & table.mask
        }
    }

    /// Whether a node is the entry of that name in a directory.
    @inline(__always)
    func isChild(_ node: UInt32, of parent: UInt32, _ name: Span<UInt8>) -> Bool {
        let record = records[Int(node)]
        return record.parent == parent && record.nameLength == name.count
            && names.holds(name, at: record.name)
    }

    /// The node at a whole path; `none` where there is none, also for what is no path at all.
    @inline(__always)
    func node(at path: Span<UInt8>) -> UInt32 {
        guard path.count > 0, path[0] == TreePath.slash else { return Catalogue.none }
        if path.count == 1 { return Catalogue.root }
        var node = Catalogue.root
        var start = 1
        while true {
            let end = CatalogueNames.slash(path.bytes, from: start)
            node = child(of: node, path.extracting(start..<end))
            if node == Catalogue.none || end == path.count { return node }
            start = end + 1
        }
    }

    /// The node at a path; nil where there is none.
    func find(_ path: TreePath) -> UInt32? {
        let node = node(at: path.bytes.span)
        return node == Catalogue.none ? nil : node
    }

    /// The bytes of a node's name.
    func name(of node: UInt32) -> [UInt8] {
        let record = records[Int(node)]
        let start = Int(record.name) * 8
        return Array(names.bytes[start..<(start + Int(record.nameLength))])
    }

    /// Where a node's name stands in `names.bytes`.
    @inline(__always)
    func nameRange(of node: UInt32) -> Range<Int> {
        let record = records[Int(node)]
        let start = Int(record.name) * 8
        return start..<(start + Int(record.nameLength))
    }

    /// The whole path of a node, by walking up.
    func path(of node: UInt32) -> [UInt8] {
        var parts: [UInt32] = []
        var current = node
        while current != Catalogue.root {
            parts.append(current)
            current = records[Int(current)].parent
        }
        if parts.isEmpty { return [TreePath.slash] }
        var path: [UInt8] = []
        for part in parts.reversed() {
            path.append(TreePath.slash)
            path.append(contentsOf: names.bytes[nameRange(of: part)])
        }
        return path
    }

    /// Whether a node is `ancestor` or below it.
    func isWithin(_ node: UInt32, _ ancestor: UInt32) -> Bool {
        var current = node
        while current != ancestor {
            if current == Catalogue.root { return false }
            current = records[Int(current)].parent
        }
        return true
    }

    /// Whether a node left the tree with a directory above it, and is about to be freed.
    func isDetached(_ node: UInt32) -> Bool {
        var current = node
        while current != Catalogue.root {
            if records[Int(current)].flags.contains(.detached) { return true }
            current = records[Int(current)].parent
        }
        return false
    }

    /// Remembers that a node has to be kept anew, or is gone.
    mutating func touch(_ node: UInt32) {
        if node == Catalogue.root || records[Int(node)].flags.contains(.dirty) { return }
        records[Int(node)].flags.insert(.dirty)
        dirtyNodes.append(node)
    }
}
