/// All names of an export in memory, compact: about 130 bytes a file, found by parent and name.
///
/// Nodes stand in chunks so that growth copies nothing; names in one arena; the table that finds
/// them holds four bytes a slot. Place 0 is the top of the export.
struct LedgerTree: Sendable {
    /// The top of the export, which is always there.
    static let top: NodeID = 0

    private static let chunkSize = 16_384
    private static let tombstone = NodeID.max

    private var chunks: [[LedgerNode]] = []
    private var placeCount = 0
    private var freePlaces: [NodeID] = []
    private var names: [UInt8] = []
    private var unusedNameBytes = 0
    /// Open addressing; 0 is an empty slot, because the top has no name.
    private var slots = [NodeID](repeating: 0, count: 1024)
    private var usedSlots = 0

    /// Regular files in the tree.
    private(set) var files = 0
    /// Directories in the tree, the top among them.
    private(set) var directories = 1

    /// A tree with nothing in it but its top.
    init() {
        var top = LedgerNode()
        top.kind = .directory
        place(top, at: 0)
    }

    /// What is known of a place.
    subscript(id: NodeID) -> LedgerNode {
        _read { yield chunks[Int(id) / LedgerTree.chunkSize][Int(id) % LedgerTree.chunkSize] }
        _modify { yield &chunks[Int(id) / LedgerTree.chunkSize][Int(id) % LedgerTree.chunkSize] }
    }

    /// Whether a number is a place at all, used or free.
    func contains(_ id: NodeID) -> Bool { Int(id) < placeCount }

    // MARK: Finding

    /// The entry of a directory with that name.
    func child(of parent: NodeID, named name: some Collection<UInt8>) -> NodeID? {
        findSlot(parent, name).map { slots[$0] }
    }

    /// The place that names lead to from the top.
    func find(_ components: some Sequence<ArraySlice<UInt8>>) -> NodeID? {
        var place = LedgerTree.top
        for name in components {
            guard let next = child(of: place, named: name) else { return nil }
            place = next
        }
        return place
    }

    /// The name of a place; empty for the top.
    func name(of id: NodeID) -> ArraySlice<UInt8> {
        let node = self[id]
        let start = Int(node.nameOffset) * LedgerTree.nameUnit
        return names[start..<(start + Int(node.nameLength))]
    }

    /// Names from the top down to a place.
    func components(of id: NodeID) -> [ArraySlice<UInt8>] {
        var (components, place) = ([ArraySlice<UInt8>](), id)
        while place != LedgerTree.top {
            components.append(name(of: place))
            place = self[place].parent
        }
        components.reverse()
        return components
    }

    /// A place and the directories above it, but for the top.
    func places(above id: NodeID) -> [NodeID] {
        var (places, place) = ([NodeID](), id)
        while place != LedgerTree.top {
            places.append(place)
            place = self[place].parent
        }
        return places
    }

    /// Whether a place is another one, or lies below it; as long as its path.
    func isWithin(_ id: NodeID, _ other: NodeID) -> Bool {
        var place = id
        while place != other {
            if place == LedgerTree.top { return false }
            place = self[place].parent
        }
        return true
    }

    /// Entries of a directory, in no order.
    func children(of id: NodeID) -> [NodeID] {
        var (children, child) = ([NodeID](), self[id].firstChild)
        while child != 0 {
            children.append(child)
            child = self[child].next
        }
        return children
    }

    /// A place and all below it, each directory before its contents.
    func subtree(of id: NodeID) -> [NodeID] {
        var (found, index) = ([id], 0)
        while index < found.count {
            if self[found[index]].firstChild != 0 { found += children(of: found[index]) }
            index += 1
        }
        return found
    }

    // MARK: Changing

    /// Adds a name, which must be free, and gives its place.
    mutating func add(
        _ node: LedgerNode, named name: some Collection<UInt8>, in parent: NodeID
    ) -> NodeID {
        let id = freePlaces.popLast() ?? NodeID(placeCount)
        // A place that waits to be written keeps waiting when it is used again.
        let waits = contains(id) ? self[id] : LedgerNode()
        var node = node
        node.firstChild = 0
        node.isQueued = waits.isQueued
        node.isInFlight = waits.isInFlight
        place(node, at: id)
        attach(id, name, to: parent)
        count(node.kind, by: 1)
        return id
    }

    /// Puts a node that was read from disk at its own place; it is found after `link`.
    ///
    /// - Parameter id: Larger than those of all nodes restored before, but for the top.
    mutating func restore(_ node: LedgerNode, named name: [UInt8], at id: NodeID) {
        while placeCount < Int(id) {
            freePlaces.append(NodeID(placeCount))
            place(LedgerNode(), at: NodeID(placeCount))
        }
        place(node, at: id)
        self[id].isKept = true
        keepName(name, of: id)
    }

    /// Hangs all restored nodes into their directories.
    ///
    /// - Returns: Nodes whose directory or name can not be, and what is below them; their places
    ///   are free.
    mutating func link() -> [NodeID] {
        var lost: [NodeID] = []
        for id in 1..<NodeID(max(1, placeCount)) where self[id].kind != .free {
            let parent = self[id].parent
            guard contains(parent), self[parent].kind == .directory, parent != id,
                child(of: parent, named: name(of: id)) == nil
            else {
                free(id)
                lost.append(id)
                continue
            }
            hang(id, in: parent)
            count(self[id].kind, by: 1)
        }
        return lost + cutOff()
    }

    /// Frees what hangs in no directory of the top: circles, and contents of what was lost.
    private mutating func cutOff() -> [NodeID] {
        var isReached = [Bool](repeating: false, count: placeCount)
        for id in subtree(of: LedgerTree.top) { isReached[Int(id)] = true }
        var lost: [NodeID] = []
        for id in 0..<NodeID(placeCount) where !isReached[Int(id)] && self[id].kind != .free {
            if let slot = findSlot(self[id].parent, name(of: id)) {
                slots[slot] = LedgerTree.tombstone
            }
            count(self[id].kind, by: -1)
            lost.append(id)
        }
        for id in lost { free(id) }
        return lost
    }

    private mutating func free(_ id: NodeID) {
        unusedNameBytes += LedgerTree.room(Int(self[id].nameLength))
        self[id] = LedgerNode()
        freePlaces.append(id)
    }

    /// Takes a name without children out; its place is free afterwards.
    mutating func remove(_ id: NodeID) {
        detach(id)
        let node = self[id]
        count(node.kind, by: -1)
        var free = LedgerNode()
        free.isQueued = node.isQueued
        free.isInFlight = node.isInFlight
        self[id] = free
        freePlaces.append(id)
    }

    /// Gives a place another name; whatever is below moves with it.
    mutating func move(_ id: NodeID, to parent: NodeID, named name: some Collection<UInt8>) {
        let name = Array(name)
        detach(id)
        attach(id, name, to: parent)
    }

    private mutating func count(_ kind: LedgerNode.Kind, by step: Int) {
        switch kind {
        case .file: files += step
        case .directory: directories += step
        case .free: break
        }
    }

    private mutating func place(_ node: LedgerNode, at id: NodeID) {
        guard Int(id) >= placeCount else {
            self[id] = node
            return
        }
        if placeCount % LedgerTree.chunkSize == 0 {
            chunks.append([])
            if placeCount > 0 { chunks[chunks.count - 1].reserveCapacity(LedgerTree.chunkSize) }
        }
        chunks[chunks.count - 1].append(node)
        placeCount += 1
    }

    private mutating func attach(
        _ id: NodeID, _ name: some Collection<UInt8>, to parent: NodeID
    ) {
        keepName(name, of: id)
        hang(id, in: parent)
    }

    private mutating func keepName(_ name: some Collection<UInt8>, of id: NodeID) {
        self[id].nameOffset = UInt32(names.count / LedgerTree.nameUnit)
        self[id].nameLength = UInt8(name.count)
        LedgerTree.append(name, to: &names)
    }

    /// Names begin at multiples of this many bytes, so that 32 bits reach over 32 GiB of them: more
    /// than there is memory for the nodes that go with them.
    static let nameUnit = 8

    private static func append(_ name: some Collection<UInt8>, to names: inout [UInt8]) {
        names.append(contentsOf: name)
        names.append(contentsOf: repeatElement(0, count: room(name.count) - name.count))
    }

    /// Bytes that a name takes.
    private static func room(_ length: Int) -> Int {
        (length + nameUnit - 1) / nameUnit * nameUnit
    }

    private mutating func hang(_ id: NodeID, in parent: NodeID) {
        let first = self[parent].firstChild
        self[id].parent = parent
        self[id].previous = 0
        self[id].next = first
        if first != 0 { self[first].previous = id }
        self[parent].firstChild = id
        insertSlot(id)
    }

    private mutating func detach(_ id: NodeID) {
        if let slot = findSlot(self[id].parent, name(of: id)) {
            slots[slot] = LedgerTree.tombstone
        }
        let node = self[id]
        if node.previous != 0 {
            self[node.previous].next = node.next
        } else {
            self[node.parent].firstChild = node.next
        }
        if node.next != 0 { self[node.next].previous = node.previous }
        unusedNameBytes += LedgerTree.room(Int(node.nameLength))
        self[id].nameLength = 0
        if unusedNameBytes > 1 << 20, unusedNameBytes > names.count / 2 { gatherNames() }
    }

    /// Copies the names that are in use into a new arena.
    private mutating func gatherNames() {
        var gathered: [UInt8] = []
        gathered.reserveCapacity(names.count - unusedNameBytes)
        for id in 0..<NodeID(placeCount) where self[id].nameLength > 0 {
            let offset = UInt32(gathered.count / LedgerTree.nameUnit)
            LedgerTree.append(name(of: id), to: &gathered)
            self[id].nameOffset = offset
        }
        names = gathered
        unusedNameBytes = 0
    }

    // MARK: The table

    private func hash(_ parent: NodeID, _ name: some Collection<UInt8>) -> Int {
        // Seeded by the process, so that nobody can choose names that collide.
        var hasher = Hasher()
        hasher.combine(parent)
        let isContiguous: Void? = name.withContiguousStorageIfAvailable {
            hasher.combine(bytes: UnsafeRawBufferPointer($0))
        }
        if isContiguous == nil {
            Array(name).withUnsafeBytes { hasher.combine(bytes: $0) }
        }
        return hasher.finalize()
    }

    private func findSlot(_ parent: NodeID, _ name: some Collection<UInt8>) -> Int? {
        let mask = slots.count - 1
        var slot = hash(parent, name) & mask
        while slots[slot] != 0 {
            let id = slots[slot]
            if id != LedgerTree.tombstone, self[id].parent == parent,
                Int(self[id].nameLength) == name.count, self.name(of: id).elementsEqual(name)
            {
                return slot
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private mutating func insertSlot(_ id: NodeID) {
        if (usedSlots + 1) * 10 > slots.count * 7 { rebuildTable() }
        putInSlot(id)
    }

    private mutating func putInSlot(_ id: NodeID) {
        let mask = slots.count - 1
        var slot = hash(self[id].parent, name(of: id)) & mask
        while slots[slot] != 0, slots[slot] != LedgerTree.tombstone { slot = (slot + 1) & mask }
        if slots[slot] == 0 { usedSlots += 1 }
        slots[slot] = id
    }

    private mutating func rebuildTable() {
        let present = slots.filter { $0 != 0 && $0 != LedgerTree.tombstone }
        var size = 1024
        while (present.count + 1) * 2 > size { size *= 2 }
        slots = [NodeID](repeating: 0, count: size)
        usedSlots = 0
        for id in present { putInSlot(id) }
    }
}
