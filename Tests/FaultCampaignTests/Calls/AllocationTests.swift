import Glibc
import TestCluster
import Testing

/// What a request costs the name server in memory, counted at malloc in the process that runs.
struct AllocationTests {
    /// A name server with a thousand files, and how often it has asked for memory.
    private final class World {
        let cluster: Cluster
        private let counter: String
        private let owner: WireConnection
        private let client: WireConnection

        init() throws {
            cluster = try Cluster()
            counter = "\(cluster.folder)/allocations"
            try FileSystem.write([UInt8](repeating: 0, count: 8), to: Array(counter.utf8))
            var launch = ClusterServer.Launch()
            launch.environment = [
                "LD_PRELOAD=\(try Executable.folder)/libFaultShim.so", "DFS_ALLOCATIONS=\(counter)",
            ]
            try cluster.startNameServer(launch: launch)
            owner = try cluster.greeted(by: "ns1")
            try owner.expectOK("HELLO 1 caps=push")
            try owner.expectOK("REGISTER fs1 /d addr=127.0.0.1:7499 epoch=1")
            let lines = (0..<1000).map { "+ /d/f\($0) size=5 mtime=2026-11-22T08:30:00Z ver=0\n" }
            try owner.expectOK(
                "REPORT fs1 inventory=end gen=1", payload: Array(lines.joined().utf8))
            client = try cluster.greeted(by: "ns1")
        }

        var allocations: UInt64 {
            get throws {
                let bytes = try FileSystem.read(counter)
                return bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
            }
        }

        /// Asks a thousand times in each of ten bursts.
        ///
        /// - Returns: How often memory was asked for meanwhile.
        func cost(of verb: String) throws -> UInt64 {
            let burst = (0..<1000).map { "\(verb) /d/f\($0)\n" }.joined()
            // What grows once, grows now.
            try ask(burst)
            let before = try allocations
            for _ in 0..<10 { try ask(burst) }
            return try allocations - before
        }

        private func ask(_ burst: String) throws {
            try client.send(burst)
            for _ in 0..<1000 {
                let answer = try client.readLine()
                guard answer.hasPrefix("OK ") else { throw TestFailure(answer) }
            }
        }
    }

    /// A request costs none; a read and its answers cost some, whatever is in them.
    ///
    /// A burst is one or a few reads.
    @Test func `LOCATE asks for no memory; a verb that does shows that this can be seen`()
        async throws
    {
        try await ClusterSlots.shared.run {
            let world = try World()
            defer { world.cluster.shutDown() }

            let located = try world.cost(of: "LOCATE")
            let described = try world.cost(of: "STAT")

            #expect(located < 1000, "10,000 LOCATEs asked \(located) times for memory")
            #expect(described > 10_000, "10,000 STATs asked \(described) times: nothing is counted")
        }
    }
}
