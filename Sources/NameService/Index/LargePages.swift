import CProcessor

/// Room for what is looked up all over, in large pages where the machine has them.
///
/// With pages of 4 KiB a look-up among a million names waits for the page table as well, at nearly
/// each of its three steps: that was 15 % of a LOCATE in a pipeline.
extension Array where Element: BitwiseCopyable {
    /// Below this many bytes there is nothing to gain.
    private static var leastBytes: Int { 4 << 20 }

    /// An empty array with room for so many elements.
    init(roomFor count: Int) {
        self.init()
        reserveCapacity(count)
        let bytes = capacity * MemoryLayout<Element>.stride
        guard bytes >= Self.leastBytes else { return }
        // Before anything is written: memory that is in use stays in small pages for long.
        withUnsafeMutableBytes { dfs_prefer_large_pages($0.baseAddress, bytes) }
    }

    /// Makes room for more elements, twice as much as there was, where there is none left.
    @inline(__always)
    mutating func makeRoom(for more: Int) {
        if count + more > capacity { grow(to: Swift.max(count + more, capacity * 2)) }
    }

    @inline(never)
    private mutating func grow(to room: Int) {
        var larger = Self(roomFor: room)
        larger.append(contentsOf: self)
        self = larger
    }
}
