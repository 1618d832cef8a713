import Synchronization
import TestCluster

/// What the clients of one history share: a clock of events, numbers, and the server's end.
final class HistoryScene: Sendable {
    /// A session that others may KILL.
    struct Target: Sendable {
        let session: Int
        let handle: String
    }

    let plan: HistoryPlan
    let server: ClusterServer
    /// Nil where nothing is renamed or removed.
    let nameServer: ClusterServer?
    private let events = Atomic(0)
    private let answers = Atomic(0)
    private let isDown = Atomic(false)
    private let killAfter = Atomic(Int.max)
    /// By file, those of before a restart too.
    private let targets: Mutex<[[Target]]>

    /// Never the same for two operations of this test process, so that words tell their writer.
    private static let operations = Atomic<UInt32>(0)

    init(_ plan: HistoryPlan, _ server: ClusterServer, _ nameServer: ClusterServer?) {
        self.plan = plan
        self.server = server
        self.nameServer = nameServer
        targets = Mutex(Array(repeating: [], count: plan.paths.count))
    }

    /// The time, which no two events share.
    func tick() -> Int { events.add(1, ordering: .sequentiallyConsistent).newValue }

    /// The number of a new operation or session.
    static func nextNumber() -> UInt32 {
        operations.add(1, ordering: .relaxed).newValue
    }

    /// Lets every client know of a session that has a lease: its handle is good everywhere.
    func noteTarget(_ target: Target, in file: Int) {
        targets.withLock { $0[file].append(target) }
    }

    /// One of the last sessions of a file; nil where there was none.
    func target(in file: Int, _ random: inout SeededRandom) -> Target? {
        targets.withLock { $0[file].suffix(3) }.randomElement(using: &random)
    }

    /// Lets the server be killed as soon as that many more answers have come.
    func planKill(after count: Int) {
        answers.store(0, ordering: .sequentiallyConsistent)
        killAfter.store(count, ordering: .sequentiallyConsistent)
    }

    /// Counts an answer; the client that gets the planned one kills the server.
    func noteAnswer() throws {
        let count = answers.add(1, ordering: .sequentiallyConsistent).newValue
        if count == killAfter.load(ordering: .sequentiallyConsistent) { try kill() }
    }

    /// Whether the server was or is being killed: a connection that ends then is no fault.
    var isKilled: Bool { isDown.load(ordering: .sequentiallyConsistent) }

    func kill() throws {
        isDown.store(true, ordering: .sequentiallyConsistent)
        try server.kill()
    }

    /// Starts the server again after a kill.
    func restart() throws {
        try server.start()
        killAfter.store(.max, ordering: .sequentiallyConsistent)
        isDown.store(false, ordering: .sequentiallyConsistent)
    }
}
