/// The bytes of all names in one block, reused by size so that renames and removals leave no holes.
struct CatalogueNames {
    private(set) var bytes: [UInt8] = []
    /// Free places by their size in units of 8 bytes, 1 to 32.
    private var free = [[UInt32]](repeating: [], count: 33)

    /// Copies a name of 1 to 255 bytes in; what is left of its last 8 bytes is zero.
    ///
    /// - Returns: Its place in units of 8 bytes; nil where 32 GiB of names are full.
    mutating func add(_ name: Span<UInt8>) -> UInt32? {
        let units = (name.count + 7) / 8
        if let place = free[units].popLast() {
            let start = Int(place) * 8
            for offset in 0..<name.count { bytes[start + offset] = name[offset] }
            for offset in name.count..<(units * 8) { bytes[start + offset] = 0 }
            return place
        }
        guard let place = UInt32(exactly: bytes.count / 8) else { return nil }
        bytes.makeRoom(for: units * 8)
        for offset in 0..<name.count { bytes.append(name[offset]) }
        for _ in name.count..<(units * 8) { bytes.append(0) }
        return place
    }

    /// Whether a name of that length stands at a place, compared eight bytes at a time.
    @inline(__always)
    func holds(_ name: Span<UInt8>, at place: UInt32) -> Bool {
        let left = bytes.span.bytes
        let right = name.bytes
        let start = Int(place) &* 8
        var index = 0
        while index &+ 8 <= right.byteCount {
            guard
                CatalogueNames.word(left, at: start &+ index)
                    == CatalogueNames.word(right, at: index)
            else { return false }
            index &+= 8
        }
        if index == right.byteCount { return true }
        return CatalogueNames.word(left, at: start &+ index)
            == CatalogueNames.tail(right, from: index)
    }

    /// Eight bytes as a number, the first one lowest.
    @inline(__always)
    static func word(_ bytes: RawSpan, at index: Int) -> UInt64 {
        // Bounds are checked; every pattern of bits is a number.
        UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
    }

    /// The last bytes, fewer than eight, as a number; 0 where there are none.
    @inline(__always)
    static func tail(_ bytes: RawSpan, from index: Int) -> UInt64 {
        let left = bytes.byteCount &- index
        if left == 0 { return 0 }
        if bytes.byteCount >= 8 {
            return word(bytes, at: bytes.byteCount &- 8)
                &>> UInt64(truncatingIfNeeded: 64 &- left &* 8)
        }
        var word: UInt64 = 0
        var offset = bytes.byteCount
        while offset > index {
            offset &-= 1
            word =
                word &<< 8
                | UInt64(bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self))
        }
        return word
    }

    /// Where the next `/` is at or behind a position; the end where there is none.
    @inline(__always)
    static func slash(_ bytes: RawSpan, from start: Int) -> Int {
        var index = start
        while index &+ 8 <= bytes.byteCount {
            let zeros = word(bytes, at: index) ^ 0x2F2F_2F2F_2F2F_2F2F
            let found = (zeros &- 0x0101_0101_0101_0101) & ~zeros & 0x8080_8080_8080_8080
            if found != 0 { return index &+ found.trailingZeroBitCount / 8 }
            index &+= 8
        }
        while index < bytes.byteCount {
            if bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt8.self) == 0x2F { break }
            index &+= 1
        }
        return index
    }

    /// Gives a place back.
    mutating func remove(_ place: UInt32, length: UInt8) {
        free[(Int(length) + 7) / 8].append(place)
    }
}
