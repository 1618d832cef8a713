import TestCluster
import Testing

/// Counts that a machine's load does not change, so that a slower path is seen as such.
struct SystemCallTests {
    /// How often a process has read and written, as the system counts it.
    private static func calls(_ process: ChildProcess) throws -> (reads: Int, writes: Int) {
        let text = String(
            decoding: try FileSystem.read("/proc/\(process.pid)/io"), as: UTF8.self)
        func value(_ key: String) throws -> Int {
            for line in text.split(separator: "\n") where line.hasPrefix(key) {
                if let value = Int(line.dropFirst(key.count)) { return value }
            }
            throw TestFailure("no \(key) in:\n\(text)")
        }
        return (try value("syscr: "), try value("syscw: "))
    }

    @Test func `sixteen LOCATE that come together cost one read and one write`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            try cluster.startNameServer()
            var export = Cluster.Export()
            export.files = [(Array("x".utf8), Array("five\n".utf8))]
            try cluster.startFileServer("fs1", exports: [export])
            try cluster.awaitFile(Array("/x".utf8), on: "fs1")
            let server = try cluster.nameServer.process
            let connection = try cluster.greeted(by: "ns1")
            let batch = String(repeating: "LOCATE /x\n", count: 16)
            func ask(_ times: Int) throws {
                for _ in 0..<times {
                    try connection.send(batch)
                    for _ in 0..<16 {
                        let line = try connection.readLine()
                        guard line.hasPrefix("OK path=/x ") else { throw TestFailure(line) }
                    }
                }
            }
            try ask(20)

            let before = try SystemCallTests.calls(server)
            try ask(1_000)
            let after = try SystemCallTests.calls(server)

            // Heartbeats and the catalogue read and write meanwhile, a few times a second.
            #expect((1_000..<1_500).contains(after.reads - before.reads))
            #expect((1_000..<1_500).contains(after.writes - before.writes))
        }
    }
}
