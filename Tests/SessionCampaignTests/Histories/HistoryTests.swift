import TestCluster
import Testing

/// Histories of real file servers: 200, or as many as `DFS_HISTORIES` says.
///
/// The long run:
///
///     DFS_HISTORIES=5000 swift test --filter SessionCampaignTests.HistoryTests
///
/// A history that has no order is printed with its seed. `DFS_SEED=<seed> DFS_HISTORIES=1` makes
/// the same clients ask for the same; what the machine does at the same time is another matter, so
/// a higher number repeats with the seeds that follow.
@Suite(.serialized) struct HistoryTests {
    /// Servers at once, each with histories of its own.
    private static let lanes = 2
    /// Histories that one cluster has, so that no folder becomes large.
    private static let batch = 100

    @Test func `every history of sessions has an order, over kills and lost connections`()
        async throws
    {
        let seed = SeededRandom.seed(20_261_123)
        let count = try CampaignSize.number("DFS_HISTORIES", usual: 200)

        let total = try await withThrowingTaskGroup(of: HistoryTotal.self) { group in
            for lane in 0..<HistoryTests.lanes {
                let seeds = stride(from: lane, to: count, by: HistoryTests.lanes).map {
                    seed &+ UInt64($0)
                }
                group.addTask { try await HistoryTests.run(seeds) }
            }
            return try await group.reduce(into: HistoryTotal()) { $0.add($1) }
        }

        print("DFS_SEED=\(seed): \(total)")
        #expect(total.faults.isEmpty, "\(total.faults.prefix(3).joined(separator: "\n\n"))")
        #expect(total.histories == count)
        #expect(count < 20 || total.kills > 0 && total.unanswered > 0 && total.losses > 0)
        #expect(count < 20 || total.resumed > 0 && total.kinds.isComplete)
    }

    private static func run(_ seeds: [UInt64]) async throws -> HistoryTotal {
        var total = HistoryTotal()
        for start in stride(from: 0, to: seeds.count, by: batch) {
            let part = Array(seeds[start..<min(start + batch, seeds.count)])
            let one = try await ClusterSlots.shared.run {
                let cluster = try Cluster()
                defer { cluster.shutDown() }
                let names = try cluster.startNameServer()
                let server = try cluster.startFileServer("fs1")
                var total = HistoryTotal()
                for seed in part {
                    do {
                        let plan = HistoryPlan(seed: seed)
                        total.add(try await HistoryRun(plan, on: server, names: names).run())
                    } catch {
                        throw TestFailure("DFS_SEED=\(seed): \(error)\n\(cluster.logEnds)")
                    }
                }
                return total
            }
            total.add(one)
            // A long run that is cut off has told what it found so far.
            if seeds.count > batch {
                print("so far: \(total)")
                for fault in one.faults { print(fault) }
            }
        }
        return total
    }

    /// The control: a server that leaves the order to the kernel is found out.
    @Test(arguments: ["reads and writes", "appends"])
    func `a server without order is found out by its`(kind: String) async throws {
        let seed = SeededRandom.seed(20_261_123)
        let faults = try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            let server = try cluster.addFileServer(
                "fs1", exports: [Cluster.Export()], program: .unorderedFileServer)
            try server.start()
            for number in UInt64(0)..<100 {
                let plan =
                    kind == "appends"
                    ? HistoryPlan(appending: seed &+ number)
                    : HistoryPlan(readingAndWriting: seed &+ number)
                let outcome = try await HistoryRun(plan, on: server).run()
                if !outcome.faults.isEmpty { return outcome.faults }
            }
            return []
        }

        #expect(faults.contains { $0.contains("no order of these operations") })
    }
}

/// What many histories came to.
struct HistoryTotal: Sendable, CustomStringConvertible {
    private(set) var histories = 0
    private(set) var faults: [String] = []
    private(set) var operations = 0
    private(set) var unanswered = 0
    private(set) var refused = 0
    private(set) var kills = 0
    private(set) var losses = 0
    private(set) var resumed = 0
    private(set) var states = 0
    private(set) var kinds = HistoryKinds()

    /// Counts one history in.
    mutating func add(_ outcome: HistoryRun.Outcome) {
        histories += 1
        faults += outcome.faults
        operations += outcome.operations
        unanswered += outcome.unanswered
        refused += outcome.record.refused
        kills += outcome.kills
        losses += outcome.record.losses
        resumed += outcome.record.resumed
        states = max(states, outcome.states)
        kinds.add(outcome.record.kinds)
    }

    /// Counts others in.
    mutating func add(_ other: HistoryTotal) {
        histories += other.histories
        faults += other.faults
        operations += other.operations
        unanswered += other.unanswered
        refused += other.refused
        kills += other.kills
        losses += other.losses
        resumed += other.resumed
        states = max(states, other.states)
        kinds.add(other.kinds)
    }

    var description: String {
        """
        \(histories) histories with \(operations) operations (\(unanswered) without an answer, \
        \(refused) refused), \(kills) kills, \(losses) lost connections, \(resumed) sessions \
        resumed, \(kinds), \(faults.count) faults; the largest search looked at \(states) states
        """
    }
}
