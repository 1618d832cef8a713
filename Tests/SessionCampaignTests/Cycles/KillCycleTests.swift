import TestCluster
import Testing

/// kill -9 of a file server again and again: 25 cycles, or as many as `DFS_KILLS` says.
///
/// Its clients know of each request what became of it. In every other cycle the name server is
/// killed too, by turns alone and together with the file server. The long run:
///
///     DFS_KILLS=500 swift test --filter SessionCampaignTests.KillCycleTests
@Suite(.serialized) struct KillCycleTests {
    private static let pace = Pace(beat: 200, suspect: 800, down: 1200)

    @Test func `kills lose nothing that was acknowledged, and apply nothing twice`() async throws {
        let seed = SeededRandom.seed(20_261_124)
        let count = try CampaignSize.number("DFS_KILLS", usual: 25)
        try await ClusterSlots.shared.run {
            let cluster = try Cluster(pace: KillCycleTests.pace)
            defer { cluster.shutDown() }
            let names = try cluster.startNameServer()
            let server = try cluster.startFileServer("fs1")

            let record: CycleRecord
            do {
                record = try await CycleLoad().run(clients: 4) { number in
                    CycleClient(number, server: server, nameServer: names, seed: seed)
                } while: { load in
                    var random = SeededRandom(seed: seed)
                    for cycle in 0..<count {
                        try load.awaitProgress(Int.random(in: 5...60, using: &random))
                        let isTogether = cycle % 4 == 3
                        if isTogether || cycle % 4 == 1 { try names.kill() }
                        if !isTogether, cycle % 4 == 1 {
                            try names.start()
                            try load.awaitProgress(Int.random(in: 5...20, using: &random))
                        }
                        try server.kill()
                        if isTogether { try names.start() }
                        try server.start()
                    }
                    try load.awaitProgress(50)
                }
            } catch {
                throw TestFailure("DFS_SEED=\(seed): \(error)\n\(cluster.logEnds)")
            }

            let lies = try record.lies(of: server) + record.lies(ofNames: names)
            print(
                """
                DFS_SEED=\(seed): \(count) kills of the file server and \(count / 2) of the name \
                server, \(record.acknowledged) requests acknowledged, \
                \(record.repeated) repeated with op=, \(record.applied) found applied after a \
                restart and \(record.notApplied) not, \(record.remade) files removed and made \
                again, \(record.identitiesLost) identities lost, \
                \(lies.count) lies
                """)
            #expect(
                lies.isEmpty,
                "DFS_SEED=\(seed): \(lies.prefix(20).joined(separator: "\n"))\n\(cluster.logEnds)")
            #expect(record.identitiesLost == 0)
            #expect(record.acknowledged > 20 * count)
            #expect(record.remade > 0 || count < 20)
            #expect(record.repeated > 0 && record.applied + record.notApplied > 0)
        }
    }

    /// The control: without `op=` a repeated append stands there twice, and that is found.
    @Test func `a client that repeats without op= is found to append twice`() async throws {
        let seed = SeededRandom.seed(20_261_124)
        let lies = try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            let server = try cluster.startFileServer("fs1")
            let record = try await CycleLoad().run(clients: 2) { number in
                CycleClient(
                    number, server: server, nameServer: nil, seed: seed, repeating: .blindly)
            } while: { load in
                try load.awaitProgress(400)
            }
            return try record.lies(of: server)
        }

        #expect(lies.contains { $0.contains("has 2 times") })
        #expect(lies.allSatisfy { $0.contains("-log has") })
    }

    @Test func `what is lost, double, strange or elsewhere in a log is told`() {
        let (one, two, three) = (record("one"), record("two"), record("three"))
        func differences(_ contents: [UInt8]) -> [String] {
            CycleRecord.differences(of: "/log", contents, from: [one, two])
        }

        #expect(differences(one + two) == [])
        #expect(differences(one).map { $0.prefix(18) } == ["/log has lost two "])
        #expect(differences(one + one + two).map { $0.prefix(19) } == ["/log has 2 times on"])
        #expect(
            differences(one + two + three).map { $0.prefix(32) } == [
                "/log has what was not appended: "
            ])
        #expect(differences(two + one) == ["/log has its records in another order"])
        #expect(differences(one + two.dropLast()).count == 2)
    }

    private func record(_ text: String) -> [UInt8] {
        [UInt8](text.utf8)
            + Array(repeating: 0x20, count: CycleRecord.recordBytes - text.utf8.count)
    }

    @Test func `a stored file that is not what was acknowledged is told`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            let server = try cluster.startFileServer("fs1", files: ["a": "one", "b": "two"])
            var record = CycleRecord()
            record.files["/a"] = [UInt8]("one".utf8)
            record.files["/b"] = [UInt8]("three".utf8)
            record.files["/c"] = [UInt8]("four".utf8)
            record.files["/d"] = .some(nil)

            #expect(
                try record.lies(of: server) == [
                    "/b holds two and not three", "/c holds nothing and not four",
                ])
        }
    }
}
