import DFSProtocol

/// Ends of claims in the order in which they come; every claim lasts equally long.
struct Claims {
    /// How long a claimed name waits for its file, in seconds.
    static let seconds: Int64 = 60
    /// Most claims at once: a client that only claims must not fill the tree.
    static let most = 100_000

    struct Claim: Equatable {
        var node: UInt32
        /// As it is kept, to tell a claim from a later one with the same number.
        var deadline: Int64
        var end: MonotonicTime
    }

    private var queue: [Claim] = []
    private var first = 0

    var count: Int { queue.count - first }
    var nextDeadline: MonotonicTime? { first < queue.count ? queue[first].end : nil }

    mutating func add(_ claim: Claim) { queue.append(claim) }

    /// Drops the ends of claims that were over before their time.
    ///
    /// One claim of each entry is open at most, and that is the last one.
    mutating func keep(where isOpen: (Claim) -> Bool) {
        var seen: Set<UInt32> = []
        let open = queue[first...].reversed().filter { isOpen($0) && seen.insert($0.node).inserted }
        queue = open.reversed()
        first = 0
    }

    /// Takes up claims that an earlier process gave; their time went on meanwhile.
    mutating func restore(_ deadlines: [UInt32: Int64], at now: Moment) {
        for (node, deadline) in deadlines {
            let left = min(max(0, deadline &- now.wall.seconds), Claims.seconds)
            queue.append(
                Claim(
                    node: node, deadline: deadline,
                    end: now.monotonic.advanced(milliseconds: left * 1000)))
        }
        queue.sort { ($0.end, $0.node) < ($1.end, $1.node) }
    }

    /// The claims whose time is over.
    mutating func expire(at now: MonotonicTime) -> [Claim] {
        var over: [Claim] = []
        while first < queue.count, queue[first].end <= now {
            over.append(queue[first])
            first += 1
        }
        if first > 1024, first * 2 > queue.count {
            queue.removeSubrange(..<first)
            first = 0
        }
        return over
    }
}
