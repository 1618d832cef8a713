/// Keeps the smallest names of a directory behind a given one, however many it has.
///
/// A heap with the largest name that is kept at its top: a page of a large listing costs one look
/// at each name and the room of a page, and no sort of everything.
struct SmallestNames: Sendable {
    private let after: [UInt8]?
    private let limit: Int
    private var heap: [[UInt8]] = []
    /// Whether names were left out because others are smaller.
    private(set) var isCut = false

    /// Keeps nothing yet.
    ///
    /// - Parameters:
    ///   - after: Only names behind it are kept; nil for all.
    ///   - limit: Names kept at most, at least 1.
    init(after: [UInt8]?, limit: Int) {
        self.after = after
        self.limit = max(1, limit)
    }

    /// The names that are kept, in bytewise order.
    var sorted: [[UInt8]] { heap.sorted { $0.lexicographicallyPrecedes($1) } }

    /// Keeps a name if it belongs to the smallest.
    mutating func add(_ name: ArraySlice<UInt8>) {
        if let after, !after.lexicographicallyPrecedes(name) { return }
        if heap.count < limit {
            heap.append(Array(name))
            rise(heap.count - 1)
            return
        }
        isCut = true
        guard name.lexicographicallyPrecedes(heap[0]) else { return }
        heap[0] = Array(name)
        sink()
    }

    private mutating func rise(_ start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard heap[parent].lexicographicallyPrecedes(heap[index]) else { return }
            heap.swapAt(parent, index)
            index = parent
        }
    }

    private mutating func sink() {
        var index = 0
        while true {
            var largest = index
            for child in [2 * index + 1, 2 * index + 2]
            where child < heap.count && heap[largest].lexicographicallyPrecedes(heap[child]) {
                largest = child
            }
            if largest == index { return }
            heap.swapAt(largest, index)
            index = largest
        }
    }
}
