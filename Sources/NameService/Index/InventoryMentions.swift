/// Which nodes a running inventory has mentioned: one bit a node.
struct InventoryMentions {
    private var bits: [UInt64] = []
    /// Directories renamed meanwhile; what is below may have been scanned at its old place.
    private(set) var moved: Set<UInt32> = []

    mutating func mention(_ node: UInt32) {
        let index = Int(node >> 6)
        if index >= bits.count {
            bits.append(contentsOf: repeatElement(0, count: index + 1 - bits.count))
        }
        bits[index] |= 1 << UInt64(node & 63)
    }

    mutating func spare(_ directory: UInt32) { moved.insert(directory) }

    mutating func forget(_ node: UInt32) {
        let index = Int(node >> 6)
        if index < bits.count { bits[index] &= ~(1 << UInt64(node & 63)) }
        if !moved.isEmpty { moved.remove(node) }
    }

    func contains(_ node: UInt32) -> Bool {
        let index = Int(node >> 6)
        return index < bits.count && bits[index] & (1 << UInt64(node & 63)) != 0
    }
}
