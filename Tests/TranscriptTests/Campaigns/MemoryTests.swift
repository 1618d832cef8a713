import DFSProtocol
import TestCluster
import Testing

/// What peers that are slow, silent or greedy may cost: bounded memory, and nobody else's time.
struct MemoryTests {
    private static let mebibyte = 1_048_576

    /// Starts one file server with a file of 1 MiB, and a name server with some hundred files.
    private static func cluster() throws -> Cluster {
        let cluster = try Cluster()
        try cluster.startNameServer()
        var export = Cluster.Export()
        export.files = (0..<500).map { number in
            (Array("file-\(number)-\(String(repeating: "x", count: 200))".utf8), [])
        }
        export.files.append((Array("large".utf8), Array(repeating: 0x61, count: mebibyte)))
        try cluster.startFileServer("fs1", exports: [export])
        return cluster
    }

    private static func resident(_ cluster: Cluster, _ id: String) throws -> Int {
        guard let bytes = try cluster[id].process.residentBytes else {
            throw TestFailure("\(id) has ended:\n\(try cluster[id].logEnd)")
        }
        return bytes
    }

    /// A request is answered at once, whatever the others do.
    private static func expectPrompt(_ cluster: Cluster, _ id: String) throws {
        let connection = try cluster.greeted(by: id, patience: .seconds(5))
        try connection.expectOK("PING")
    }

    /// Asks for a lot and reads nothing until the server takes no more requests.
    @Test(arguments: [("ns1", "LIST /"), ("fs1", "FETCH /large")])
    func `a peer that reads nothing costs a bounded amount and delays nobody`(
        server: String, request: String
    ) async throws {
        try await ClusterSlots.shared.run {
            let cluster = try MemoryTests.cluster()
            defer { cluster.shutDown() }
            let before = try MemoryTests.resident(cluster, server)
            let requests = Array(String(repeating: request + "\n", count: 1_000_000).utf8)

            var greedy: [WireConnection] = []
            for _ in 0..<4 {
                let connection = try cluster.greeted(by: server)
                let sent = try connection.sendUnread(requests, quiet: .milliseconds(500))
                #expect(sent < requests.count, "the server read all of it")
                greedy.append(connection)
            }
            for _ in 0..<20 { try MemoryTests.expectPrompt(cluster, server) }

            let grown = try MemoryTests.resident(cluster, server) - before
            // Each holds the unsent limit of 8 MiB, one answer more, and what is read ahead.
            #expect(grown < 4 * 24 * MemoryTests.mebibyte, "\(server): \(grown) bytes for 4 peers")
            greedy.forEach { $0.close() }
        }
    }

    @Test(arguments: ["ns1", "fs1"])
    func `five hundred idle peers, and two hundred in the middle of a line, cost little`(
        _ server: String
    ) async throws {
        try await ClusterSlots.shared.run {
            let cluster = try MemoryTests.cluster()
            defer { cluster.shutDown() }
            let before = try MemoryTests.resident(cluster, server)

            let idle = try (0..<500).map { _ in try cluster.greeted(by: server) }
            let half = try (0..<200).map { _ in
                let connection = try cluster.greeted(by: server)
                try connection.send(Array(repeating: 0x61, count: 60_000))
                return connection
            }
            try MemoryTests.expectPrompt(cluster, server)

            let grown = try MemoryTests.resident(cluster, server) - before
            #expect(
                grown < 500 * 65_536 + 200 * 524_288,
                "\(grown) bytes for \(idle.count) idle and \(half.count) unfinished peers")
        }
    }

    @Test func `payloads that are announced and never come cost nothing`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try MemoryTests.cluster()
            defer { cluster.shutDown() }
            let before = try MemoryTests.resident(cluster, "fs1")

            let liars = try (0..<200).map { number in
                let connection = try cluster.greeted(by: "fs1")
                try connection.send("STORE /lie\(number) {1048576}\nx")
                return connection
            }
            try MemoryTests.expectPrompt(cluster, "fs1")

            let grown = try MemoryTests.resident(cluster, "fs1") - before
            #expect(grown < 32 * MemoryTests.mebibyte, "\(grown) bytes for \(liars.count) lies")
        }
    }

    @Test(arguments: ["ns1", "fs1"])
    func `a line that stands still is given up`(_ server: String) async throws {
        try await ClusterSlots.shared.run {
            let cluster = try MemoryTests.cluster()
            defer { cluster.shutDown() }
            let connection = try cluster.greeted(by: server, patience: .seconds(60))

            try connection.send("PING half a line")

            let rest = String(decoding: try connection.readToEnd(), as: UTF8.self)
            #expect(rest.isEmpty || rest.hasPrefix("ERR "), "\(rest)")
        }
    }

    @Test(arguments: ["ns1", "fs1"])
    func `random bytes crash nobody`(_ server: String) async throws {
        let seed = SeededRandom.seed(2026)
        try await ClusterSlots.shared.run {
            var random = SeededRandom(seed: seed)
            let cluster = try MemoryTests.cluster()
            defer { cluster.shutDown() }
            let verbs = Verb.allCases.map(\.rawValue)
            let words = [
                "/", "/large", "/a b", "\"", "\\", "{3}", "{", "}", "@1", "=", "h1", "0", "-1",
                "\n",
                "\r\n", "9223372036854775807", "limit=", "caps=push", "\"\\x00\"", "fs1", "\u{0}",
                "r",
            ]

            for round in 0..<150 {
                let connection = try cluster.greeted(by: server)
                var bytes: [UInt8] = []
                for _ in 0..<Int.random(in: 1...60, using: &random) {
                    switch Int.random(in: 0...3, using: &random) {
                    case 0: bytes.append(UInt8.random(in: 0...255, using: &random))
                    case 1: bytes += Array((verbs.randomElement(using: &random) ?? "").utf8)
                    case 2: bytes += Array((words.randomElement(using: &random) ?? "").utf8)
                    default: bytes.append(Bool.random(using: &random) ? 0x20 : 0x0A)
                    }
                }
                // A stranger may have been refused before all was sent.
                _ = try? connection.send(bytes)
                connection.halfClose()
                let answers = try connection.readToEnd()
                #expect(
                    StrangeNameTests.isPlain(answers), "seed \(seed), round \(round): \(server)")
            }

            try MemoryTests.expectPrompt(cluster, server)
            #expect(try cluster[server].process.ending == nil, "seed \(seed)")
        }
    }
}

extension StrangeNameTests {
    /// Whether answers without payloads have no raw control byte.
    static func isPlain(_ bytes: [UInt8]) -> Bool {
        bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x0A }
    }
}
