/// The bytes of all names in one block, reused by size so that renames and removals leave no holes.
struct CatalogueNames {
    private(set) var bytes: [UInt8] = []
    /// Free places by their size in units of 8 bytes, 1 to 32.
    private var free = [[UInt32]](repeating: [], count: 33)

    /// Copies a name of 1 to 255 bytes in.
    ///
    /// - Returns: Its place in units of 8 bytes; nil where 32 GiB of names are full.
    mutating func add(_ name: Span<UInt8>) -> UInt32? {
        let units = (name.count + 7) / 8
        if let place = free[units].popLast() {
            let start = Int(place) * 8
            for offset in 0..<name.count { bytes[start + offset] = name[offset] }
            return place
        }
        guard let place = UInt32(exactly: bytes.count / 8) else { return nil }
        for offset in 0..<name.count { bytes.append(name[offset]) }
        for _ in name.count..<(units * 8) { bytes.append(0) }
        return place
    }

    /// Gives a place back.
    mutating func remove(_ place: UInt32, length: UInt8) {
        free[(Int(length) + 7) / 8].append(place)
    }

    /// Makes room for a number of names at once.
    mutating func reserve(_ count: Int) { bytes.reserveCapacity(count * 16) }
}
