import TestCluster

/// What the clients of one history do: who, on what, how often, and what happens to the server.
struct HistoryPlan: Sendable {
    /// What a client may ask for, as often as it stands here.
    enum Wish: Sendable, CaseIterable {
        case read, readOn, write, append, truncate, sync, stat, look, fetch, store
    }

    /// What a client may do between two rounds, as often as it stands here.
    enum Deed: Sendable {
        case nothing
        /// REMOVE.
        case remove
        /// RENAME to a name beside it, and back.
        case move
        /// KILL of a session that any client has.
        case kill
        /// CLOSE of its own one.
        case close
    }

    /// All choices derive from it; what the machine makes of them does not.
    let seed: UInt64
    /// Names in the tree, new for each history.
    var paths: [String]
    var clients = 4
    /// Rounds of requests that each client makes between two kills.
    var rounds = 10
    /// Requests of a client on one file that are on their way at once, at most.
    var most = 2
    /// Each stands for one kill -9: after how many answers it comes.
    var kills: [Int]
    /// One round of so many ends with a lost connection; 0 for never.
    var lossRate = 10
    /// One session of so many has a lease and is resumed by its token; 0 for none.
    var leaseRate = 2
    /// One lease of so many is so short that it may run out at any moment; 0 for none.
    var shortRate = 6
    /// One session of so many asks for a lock; 0 for none.
    var lockRate = 3
    /// One change of so many names the version that it knows, or one that was before; 0 for none.
    var conditionRate = 4
    /// Whether OPEN may make the file.
    var makesFiles = true
    var wishes: [Wish]
    var deeds: [Deed]

    /// The usual mixture: reads and writes of one file at the same time, and all else among them.
    init(seed: UInt64) {
        self.seed = seed
        var random = SeededRandom(seed: seed)
        paths = (0..<2).map { "/h\(seed)-\($0)" }
        let killCount = [0, 1, 0, 2].randomElement(using: &random) ?? 0
        kills = (0..<killCount).map { _ in Int.random(in: 4...40, using: &random) }
        wishes =
            Array(repeating: .read, count: 6) + Array(repeating: .write, count: 8)
            + [.readOn, .readOn, .readOn, .append, .append, .fetch, .fetch, .fetch]
            + [.truncate, .sync, .stat, .look, .store]
        deeds =
            Array(repeating: .nothing, count: 12) + [
                .close, .close, .kill, .remove, .remove, .move,
            ]
    }

    /// Reads and writes of one file only, each as long as the promise reaches.
    init(readingAndWriting seed: UInt64) {
        self.init(seed: seed)
        paths = ["/rw\(seed)"]
        kills = []
        (lossRate, leaseRate, shortRate, lockRate, conditionRate) = (0, 0, 0, 0, 0)
        makesFiles = false
        wishes = [.read, .write]
        deeds = [.nothing]
    }

    /// Appends to one file, and what tells where they went.
    init(appending seed: UInt64) {
        self.init(readingAndWriting: seed)
        paths = ["/ap\(seed)"]
        wishes = [.append, .append, .append, .stat]
    }

    /// The name that RENAME gives a file and takes from it again.
    static func beside(_ path: String) -> String { path + "-aside" }

    /// Words of the largest request: 64 KiB.
    static let mostWords = 65_536 / FileContent.wordBytes
    /// Writes begin below this word, and files are cut when appends have made them longer.
    static let startWords = 32_768 / FileContent.wordBytes
    /// What a file may grow to before nothing more is appended.
    static let fullWords = 4 * mostWords
}

extension SeededRandom {
    /// How many words a request moves: often the most that the promise reaches to.
    mutating func requestWords() -> Int {
        switch Int.random(in: 0..<8, using: &self) {
        case 0: Int.random(in: 1...8, using: &self)
        case 1..<4: Int.random(in: 1...HistoryPlan.mostWords, using: &self)
        default: HistoryPlan.mostWords
        }
    }

    /// Where a request begins: on a page's first word or on any other.
    mutating func requestOffset() -> Int {
        let page = FileState.pageWords
        if Bool.random(using: &self) {
            return Int.random(in: 0..<(HistoryPlan.startWords / page), using: &self) * page
        }
        return Int.random(in: 0..<HistoryPlan.startWords, using: &self)
    }

    /// One of so many; never for 0.
    mutating func happens(_ rate: Int) -> Bool {
        rate > 0 && Int.random(in: 0..<rate, using: &self) == 0
    }
}
