import TestCluster
import Testing

/// kill -9 of any process at any moment under load: the system comes back by itself, and no OK was
/// a lie.
struct CrashTests {
    private static let pace = Pace(beat: 200, suspect: 800, down: 1200)

    /// Kills that one run makes; the moments are counted in acknowledged requests, from a seed.
    private static let kills = 15

    @Test func `what was acknowledged outlives kill -9 of any process at any moment`() async throws
    {
        let seed = SeededRandom.seed(20_261_122)
        try await ClusterSlots.shared.run {
            var random = SeededRandom(seed: seed)
            let cluster = try Cluster(pace: CrashTests.pace)
            defer { cluster.shutDown() }
            try cluster.startNameServer()
            try cluster.startFileServer("m1", mount: "/m1", files: ["first": ""])
            try cluster.startFileServer("m2", mount: "/m2", files: ["first": ""])
            let load = CrashLoad(cluster, seed: seed)
            try load.start()

            do {
                for _ in 0..<CrashTests.kills {
                    try load.awaitProgress(Int.random(in: 5...120, using: &random))
                    let victim = ["ns1", "m1", "m2"].randomElement(using: &random) ?? "ns1"
                    try cluster[victim].kill()
                    if Bool.random(using: &random) {
                        try load.awaitProgress(Int.random(in: 1...20, using: &random))
                    }
                    try cluster[victim].start()
                }
                try load.awaitProgress(50)
            } catch {
                load.stop()
                throw TestFailure("seed \(seed): \(error)\n\(cluster.logEnds)")
            }
            let records = try load.finish()

            for id in ["m1", "m2"] { try cluster.awaitState(of: id, "up") }
            let lies = try records.flatMap { try $0.lies(in: cluster) }
            #expect(
                lies.isEmpty,
                "DFS_SEED=\(seed): \(lies.joined(separator: "\n"))\n\(cluster.logEnds)")
            #expect(records.reduce(0) { $0 + $1.acknowledged } > CrashTests.kills)
        }
    }

    @Test func `the check finds a lie`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            try cluster.startNameServer()
            try cluster.startFileServer("m1", mount: "/m1", files: ["a": "one"])
            var record = CrashRecord(server: "m1")

            record.files["/m1/a"] = [Array("two".utf8)]
            record.files["/m1/none"] = [Array("three".utf8)]
            record.directories["/m1/dir"] = [true]

            #expect(try record.lies(in: cluster).count == 3)
        }
    }
}
