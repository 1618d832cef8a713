/// Finds a node by its parent and name: open addressing, linear probing, no tombstones.
///
/// A slot holds 32 bits of the hash above the node's number plus one; 0 is empty. The hash bits
/// also say where the slot belongs, so that growing and closing gaps read no names.
struct CatalogueTable {
    private(set) var slots: [UInt64]
    private(set) var mask: Int
    private var count = 0
    /// Secret of this process, so that no peer can choose names that collide.
    let seed: UInt64

    init(seed: UInt64, capacity: Int = 1024) {
        self.seed = seed
        var size = 1024
        while size * 3 / 4 < capacity { size *= 2 }
        slots = CatalogueTable.empty(size)
        mask = size - 1
    }

    private static func empty(_ size: Int) -> [UInt64] {
        var slots = [UInt64](roomFor: size)
        slots.append(contentsOf: repeatElement(0, count: size))
        return slots
    }

    /// 32 bits over parent and name, eight bytes at a time.
    @inline(__always)
    func hash(parent: UInt32, _ name: Span<UInt8>) -> UInt64 {
        let bytes = name.bytes
        var state = seed ^ (UInt64(parent) &* 0x9E37_79B9_7F4A_7C15)
        var index = 0
        while index &+ 8 <= bytes.byteCount {
            state = CatalogueTable.fold(
                state ^ CatalogueNames.word(bytes, at: index), 0xA076_1D64_78BD_642F)
            index &+= 8
        }
        state = CatalogueTable.fold(
            state ^ CatalogueNames.tail(bytes, from: index),
            0xE703_7ED1_A0B4_28DB ^ UInt64(truncatingIfNeeded: bytes.byteCount))
        return state & 0xFFFF_FFFF
    }

    @inline(__always)
    private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }

    /// The first node in the way of a hash whose own hash is the same; mostly the one sought.
    @inline(__always)
    func first(hash: UInt64) -> UInt32 {
        var index = Int(hash) & mask
        while true {
            let slot = slots[index]
            if slot == 0 { return Catalogue.none }
            if slot >> 32 == hash { return UInt32(truncatingIfNeeded: slot) &- 1 }
            index = (index + 1) & mask
        }
    }

    /// Adds a node that is not there.
    mutating func insert(_ number: UInt32, hash: UInt64) {
        if (count + 1) * 4 > slots.count * 3 { grow() }
        place(hash << 32 | (UInt64(number) + 1))
        count += 1
    }

    private mutating func place(_ slot: UInt64) {
        var index = Int(slot >> 32) & mask
        while slots[index] != 0 { index = (index + 1) & mask }
        slots[index] = slot
    }

    private mutating func grow() {
        let old = slots
        slots = CatalogueTable.empty(old.count * 2)
        mask = slots.count - 1
        for slot in old where slot != 0 { place(slot) }
    }

    /// Takes a node out and closes the gap, so that every probe still ends at the first empty slot.
    mutating func remove(_ number: UInt32, hash: UInt64) {
        let wanted = hash << 32 | (UInt64(number) + 1)
        var hole = Int(hash) & mask
        while slots[hole] != wanted {
            if slots[hole] == 0 { return }
            hole = (hole + 1) & mask
        }
        count -= 1
        var index = hole
        while true {
            index = (index + 1) & mask
            let slot = slots[index]
            if slot == 0 { break }
            let home = Int(slot >> 32) & mask
            // The slot may move back into the hole unless its home lies between hole and index.
            if (index - home) & mask >= (index - hole) & mask {
                slots[hole] = slot
                hole = index
            }
        }
        slots[hole] = 0
    }
}
