import Glibc
import TestCluster
import Testing

/// What thousands of connections cost that are there and ask for nothing.
struct IdleConnectionTests {
    private static let most = 10_000

    /// As many connections as this process and a server that inherits its limit can have, each
    /// with an open file.
    private static func count() -> Int {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let descriptors = Int(clamping: limit.rlim_max)
        return min(most, max(100, (descriptors - 2_000) / 2))
    }

    private static func resident(_ cluster: Cluster) throws -> Int {
        guard let bytes = try cluster["fs1"].process.residentBytes else {
            throw TestFailure("fs1 has ended:\n\(try cluster["fs1"].logEnd)")
        }
        return bytes
    }

    private static func started() throws -> Cluster {
        let cluster = try Cluster()
        try cluster.startNameServer()
        var export = Cluster.Export()
        export.files = [(Array("x".utf8), Array("five\n".utf8))]
        try cluster.startFileServer("fs1", exports: [export])
        return cluster
    }

    @Test func `ten thousand connections with an open file each cost at most 400 MiB`()
        async throws
    {
        try await ClusterSlots.shared.run {
            let count = IdleConnectionTests.count()
            let cluster = try IdleConnectionTests.started()
            defer { cluster.shutDown() }
            let before = try IdleConnectionTests.resident(cluster)

            var idle: [WireConnection] = []
            for _ in 0..<count {
                let connection = try cluster.greeted(by: "fs1")
                try connection.expectOK("OPEN /x rw")
                idle.append(connection)
            }
            let newcomer = try cluster.greeted(by: "fs1", patience: .seconds(5))
            try newcomer.expectOK("STAT /x")

            let grown = try IdleConnectionTests.resident(cluster) - before
            #expect(
                grown / count < 400 * 1_048_576 / IdleConnectionTests.most,
                "\(grown) bytes for \(idle.count) connections")
        }
    }

    /// The memory into which a large request was read is given back.
    @Test func `a connection that has spoken costs no more than one that has not`() async throws {
        try await ClusterSlots.shared.run {
            let count = min(2_000, IdleConnectionTests.count())
            let cluster = try IdleConnectionTests.started()
            defer { cluster.shutDown() }
            let long = String(repeating: "x", count: 60_000)
            let first = try cluster.greeted(by: "fs1")
            try first.expectOK("PING \(long)")
            let idle = try (0..<count).map { _ in try cluster.greeted(by: "fs1") }
            let silent = try IdleConnectionTests.resident(cluster)

            for connection in idle {
                for word in ["a", long, "b"] { try connection.expectOK("PING \(word)") }
            }

            let grown = try IdleConnectionTests.resident(cluster) - silent
            #expect(grown / count < 2_048, "\(grown) bytes for \(count) connections")
        }
    }
}
