import TestCluster

/// What the clients of one history do: who, on what, how often, and what happens to the server.
struct HistoryPlan: Sendable {
    /// What a client may ask for, as often as it stands here.
    enum Wish: Sendable, CaseIterable {
        case read, write, append, truncate, sync, stat, look, fetch, store
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
    var wishes: [Wish]

    /// The usual mixture: reads and writes of one file at the same time, and all else among them.
    init(seed: UInt64) {
        self.seed = seed
        var random = SeededRandom(seed: seed)
        paths = (0..<2).map { "/h\(seed)-\($0)" }
        let killCount = [0, 1, 0, 2].randomElement(using: &random) ?? 0
        kills = (0..<killCount).map { _ in Int.random(in: 4...40, using: &random) }
        wishes =
            Array(repeating: .read, count: 8) + Array(repeating: .write, count: 8)
            + Array(repeating: .append, count: 2) + Array(repeating: .fetch, count: 3)
            + [.truncate, .sync, .stat, .look, .store]
    }

    /// Reads and writes of one file only, each as long as the promise reaches.
    init(readingAndWriting seed: UInt64) {
        self.init(seed: seed)
        paths = ["/rw\(seed)"]
        kills = []
        lossRate = 0
        leaseRate = 0
        wishes = [.read, .write]
    }

    /// Appends to one file, and what tells where they went.
    init(appending seed: UInt64) {
        self.init(readingAndWriting: seed)
        paths = ["/ap\(seed)"]
        wishes = [.append, .append, .append, .stat]
    }

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
}
