import DFSProtocol

/// Points in time, each with what is due then; the earliest one is at hand at once.
///
/// Nothing is taken out before its time: the owner drops what has lost its meaning when it comes
/// up, and calls `keep` where too much of it has gathered.
struct DeadlineHeap<Key: Comparable & Sendable>: Sendable {
    private struct Entry: Comparable, Sendable {
        let at: MonotonicTime
        let key: Key

        static func < (left: Entry, right: Entry) -> Bool {
            left.at == right.at ? left.key < right.key : left.at < right.at
        }
    }

    /// A binary heap: no entry is later than the two below it.
    private var entries: [Entry] = []

    /// The earliest point; nil where there is none.
    var first: MonotonicTime? { entries.first?.at }
    var count: Int { entries.count }

    /// Adds a point; costs the logarithm of their number.
    mutating func insert(_ key: Key, at time: MonotonicTime) {
        entries.append(Entry(at: time, key: key))
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child] < entries[parent] else { return }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    /// Takes the earliest entry out if its time has come; entries of one time leave in key order.
    mutating func removeFirst(until now: MonotonicTime) -> Key? {
        guard let first = entries.first, first.at <= now else { return nil }
        entries.swapAt(0, entries.count - 1)
        entries.removeLast()
        sink(0)
        return first.key
    }

    /// Takes the earliest entry out, whenever its time is.
    mutating func removeFirst() -> Key? {
        first.flatMap { removeFirst(until: $0) }
    }

    /// Drops every entry whose key the owner does not want any more; costs their number.
    mutating func keep(_ isWanted: (Key) -> Bool) {
        entries.removeAll { !isWanted($0.key) }
        for index in stride(from: entries.count / 2 - 1, through: 0, by: -1) { sink(index) }
    }

    private mutating func sink(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < entries.count && entries[child] < entries[least] {
                least = child
            }
            guard least != parent else { return }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}
