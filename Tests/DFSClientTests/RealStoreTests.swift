import DFSClient
import DFSProtocol
import DFSTransport
import NIOCore
import TestCluster
import Testing

import struct DFSClient.FileFacts

/// Large files put on real servers.
@Suite(.serialized)
struct RealStoreTests {
    /// One byte more than one STORE takes.
    private static let large = 1_048_577

    private func store(
        _ path: TreePath, mode: FileMode? = nil, _ client: DFSClient
    ) async throws -> FileFacts {
        var pieces = [ByteBuffer(repeating: 0x78, count: RealStoreTests.large)]
        return try await client.store(path, mode: mode) { pieces.popLast() }
    }

    /// The permission bits as the disk has them.
    private func bits(_ path: TreePath, _ client: DFSClient) async throws -> UInt16? {
        let file = try await client.open(path, .read)
        let bits = try await file.status().entry.mode?.bits
        try await file.close()
        return bits
    }

    @Test func `a large file that replaces a private one is private too`() async throws {
        try await withRealCluster { _, client in
            let client = try client()
            let path = try TreePath("/A/F1")
            let file = try await client.open(path, .readWrite)
            try await file.setAttributes(mode: FileMode(bits: 0o600))
            try await file.close()

            let facts = try await store(path, client)

            #expect(facts.size == Int64(RealStoreTests.large))
            #expect(try await bits(path, client) == 0o600)
            _ = try await store(path, mode: FileMode(bits: 0o640), client)
            #expect(try await bits(path, client) == 0o640)
            let new = try TreePath("/A/new")
            _ = try await store(new, client)
            #expect(try await bits(new, client) == 0o644)
        }
    }

    @Test(arguments: [
        String(repeating: "\u{20AC}", count: 85), "a" + String(repeating: "\u{1F600}", count: 63),
        String(repeating: "x", count: 255),
    ])
    func `a large file may have the longest name`(name: String) async throws {
        try await withRealCluster { _, client in
            let client = try client()
            let path = try TreePath("/A/" + name)

            _ = try await store(path, client)

            var names: [TreePath] = []
            for try await entry in client.list(try TreePath("/A")) { names.append(entry.path) }
            #expect(names.sorted() == [try TreePath("/A/F1"), path].sorted())
        }
    }

    @Test func `what failed while it was put leaves neither a session nor a part`() async throws {
        try await withRealCluster { cluster, client in
            let client = try client()
            struct Full: Error {}
            var pieces = 2

            await #expect(throws: Full.self) {
                _ = try await client.store(try TreePath("/A/big")) {
                    pieces -= 1
                    if pieces < 0 { throw Full() }
                    return ByteBuffer(repeating: 0x78, count: RealStoreTests.large)
                }
            }

            let server = try #require(try await client.servers().first)
            #expect(try await client.handles(on: server).isEmpty)
            let left = try FileSystem.files(below: try cluster["m1"].exports[0].folder)
            #expect(left.filter { String(decoding: $0, as: UTF8.self).contains("big") }.isEmpty)
        }
    }

    @Test func `a store and a digest tell one identity`() async throws {
        try await withRealCluster { _, client in
            let client = try client()
            let path = try TreePath("/A/F2")
            var pieces = [ByteBuffer(string: "small\n")]

            let stored = try await client.store(path, verifies: false) { pieces.popLast() }
            let copied = try await client.copy(path, to: try TreePath("/A/F3"))

            #expect(stored.fileID > 0)
            #expect(try await client.digest(of: path).facts.fileID == stored.fileID)
            #expect(copied.fileID > 0)
            #expect(copied.fileID != stored.fileID)
        }
    }

    // MARK: Servers that go while a file is put

    /// A client that writes one piece after another.
    private func client(
        of cluster: Cluster, trace: (@Sendable (Endpoint, TraceLine) -> Void)? = nil
    ) throws -> DFSClient {
        var options = ClientOptions()
        options.deadline = .seconds(30)
        options.piecesInFlight = 1
        options.watchAfter = .milliseconds(100)
        options.trace = trace
        return DFSClient(nameServers: [try cluster["ns1"].endpoint], options: options)
    }

    /// Puts a file of three pieces, and does something once the first one was surely answered.
    private func put(
        _ path: TreePath, _ client: DFSClient, afterFirst: () throws -> Void
    ) async throws -> FileFacts {
        var pieces = 0
        return try await client.store(path) {
            pieces += 1
            // The second one was taken from here once the first was written.
            if pieces == 3 { try afterFirst() }
            return pieces > 3 ? nil : ByteBuffer(repeating: 0x78, count: 1_048_576)
        }
    }

    private func partsLeft(_ cluster: Cluster) throws -> [String] {
        try FileSystem.files(below: try cluster["m1"].exports[0].folder)
            .map { String(decoding: $0, as: UTF8.self) }.filter { $0.contains("part") }
    }

    @Test func `a large file is stored though its server is down for a moment`() async throws {
        try await withRealCluster { cluster, _ in
            let client = try client(of: cluster) { _, line in
                guard String(decoding: line.line, as: UTF8.self).contains("state=down") else {
                    return
                }
                // Twice does no harm; where the process is gone the test fails by itself.
                try? cluster["m1"].resume()
            }

            let facts = try await put(TreePath("/A/big"), client) { try cluster["m1"].pause() }

            #expect(facts.size == 3 * 1_048_576)
            #expect(try partsLeft(cluster).isEmpty)
            await client.close()
        }
    }

    @Test func `a large file is stored though the name server is killed meanwhile`() async throws {
        try await withRealCluster { cluster, _ in
            let client = try client(of: cluster)

            let facts = try await put(TreePath("/A/big"), client) {
                try cluster["ns1"].kill()
                try cluster["ns1"].start()
            }

            #expect(facts.size == 3 * 1_048_576)
            #expect(try partsLeft(cluster).isEmpty)
            await client.close()
        }
    }

    @Test func `a large file whose server is killed is not stored, and no part of it stays`()
        async throws
    {
        try await withRealCluster { cluster, _ in
            let client = try client(of: cluster)
            let path = try TreePath("/A/big")

            let failure = await refusal {
                _ = try await put(path, client) {
                    try cluster["m1"].kill()
                    try cluster["m1"].start()
                }
            }

            #expect(failure?.code == "connection-lost")
            #expect(failure?.path == path)
            #expect(failure?.isTargetUntouched == true)
            #expect(failure?.leftover == nil)
            #expect(try partsLeft(cluster).isEmpty)
            await client.close()
        }
    }
}
