import Crypto
import DFSClient
import DFSProtocol
import NIOCore
import Testing

/// Changes whose answer is lost on the way.
@Suite struct RepetitionTests {
    private static let changes: [@Sendable (DFSClient) async throws -> Void] = [
        { try await $0.makeDirectory(TreePath("/a")) },
        { try await $0.remove(TreePath("/a")) },
        { try await $0.rename(TreePath("/a"), to: TreePath("/b")) },
        { _ = try await $0.create(TreePath("/a")) },
    ]

    @Test(arguments: changes.indices)
    func `a change of names whose answer was lost is asked again by the same name`(
        index: Int
    ) async throws {
        let lines = try await withClient { _, count in
            count == 1 ? .hangUp : .send("OK path=/a server=m1 addr=127.0.0.1:9\n")
        } _: { client, server in
            try await Self.changes[index](client)
            return server.lines
        }

        #expect(lines.count == 2)
        #expect(lines.first == lines.last)
        #expect(FileServerFixture.name(lines[0])?.utf8.count == "op=".utf8.count + 32)
    }

    @Test func `two changes have two names`() async throws {
        let lines = try await withClient { _, _ in
            .send("OK\n")
        } _: { client, server in
            try await client.makeDirectory(TreePath("/a"))
            try await client.makeDirectory(TreePath("/a"))
            return server.lines
        }

        #expect(Set(lines.compactMap(FileServerFixture.name)).count == 2)
    }

    @Test func `a change that timed out on the server is asked again until its outcome is known`()
        async throws
    {
        let (failure, lines) = try await withClient { _, count in
            count < 3
                ? .send("ERR timeout path=/a \"the file server did not answer\"\n")
                : .send("ERR not-empty path=/a \"x\"\n")
        } _: { client, server in
            (await refusal { try await client.remove(TreePath("/a")) }, server.lines)
        }

        #expect(failure?.known == .notEmpty)
        #expect(failure?.isOutcomeUnknown == false)
        #expect(lines.count == 3)
        #expect(Set(lines).count == 1)
    }

    @Test func `a change that is never answered stays unknown at the deadline`() async throws {
        let (failure, lines) = try await withClient(
            of: { _, _ in .hangUp }, deadline: .seconds(2)
        ) { client, server in
            (await refusal { try await client.makeDirectory(TreePath("/a")) }, server.lines)
        }

        #expect(["connection-lost", "timeout"].contains(failure?.code))
        #expect(failure?.isOutcomeUnknown == true)
        #expect(Set(lines).count == 1)
    }

    @Test func `a change that may have been made is repeated to the same name server only`()
        async throws
    {
        let first = try await ScriptedServer.start { _, count in
            count < 3 ? .hangUp : .send("OK\n")
        }
        let second = try await ScriptedServer.start { _, _ in .send("ERR exists path=/a \"x\"\n") }
        let client = DFSClient(nameServers: [first.endpoint, second.endpoint])

        try await client.makeDirectory(TreePath("/a"))

        #expect(first.lines.count == 3)
        #expect(second.lines.isEmpty)
        await client.close()
        try await first.stop()
        try await second.stop()
    }

    @Test(arguments: ["io", "internal"])
    func `a change that failed on a disk may have been made`(code: String) async throws {
        let failure = try await withClient { _, _ in
            .send("ERR \(code) path=/a server=m1 \"m1 refused it\"\n")
        } _: { client, _ in
            await refusal { try await client.remove(TreePath("/a")) }
        }

        #expect(failure?.code == code)
        #expect(failure?.isOutcomeUnknown == true)
    }

    @Test func `an owner that is down says nothing of the attempt before`() async throws {
        let failure = try await withClient { _, count in
            count == 1 ? .hangUp : .send("ERR server-down path=/a server=m1 seen=9 \"x\"\n")
        } _: { client, _ in
            await refusal { try await client.remove(TreePath("/a")) }
        }

        #expect(failure?.known == .serverDown)
        #expect(failure?.isOutcomeUnknown == true)
    }

    // MARK: STORE

    private func store(_ client: DFSClient, ifVersion: Int64? = nil) async throws -> Int64 {
        var pieces = [ByteBuffer(string: "ab")]
        return try await client.store(TreePath("/a"), verifies: false, ifVersion: ifVersion) {
            pieces.popLast()
        }.version
    }

    private static func digest(of text: String) -> String {
        SHA256.hash(data: [UInt8](text.utf8)).map { byte in
            let digits = String(byte, radix: 16)
            return digits.utf8.count == 1 ? "0" + digits : digits
        }.joined()
    }

    @Test func `a STORE whose answer was lost is sent again by the same name`() async throws {
        let (version, lines) = try await withFileServer { _, count in
            count == 1 ? .hangUp : .send("OK size=2 ver=3 fid=7\n")
        } _: { client, server in
            (try await store(client), server.file.lines)
        }

        #expect(version == 3)
        #expect(lines.count == 2)
        #expect(Set(lines).count == 1)
        #expect(FileServerFixture.name(lines[0]) != nil)
    }

    @Test func `a STORE is not sent to a server that was restarted, but looked for there`()
        async throws
    {
        let (version, lines) = try await withFileServer(Surroundings(epochs: { $0 })) { line, _ in
            line.hasPrefix("STORE")
                ? .hangUp
                : .send("OK sha256=\(Self.digest(of: "ab")) size=2 ver=4 fid=7\n")
        } _: { client, server in
            (try await store(client), server.lines)
        }

        #expect(version == 4)
        #expect(lines == ["STORE /a op=OP {2}", "DIGEST /a"])
    }

    @Test func `a STORE that a restarted server may or may not have made is told`() async throws {
        let (failure, lines) = try await withFileServer(Surroundings(epochs: { $0 })) { line, _ in
            line.hasPrefix("STORE")
                ? .hangUp
                : .send("OK sha256=\(Self.digest(of: "other")) size=5 ver=4 fid=7\n")
        } _: { client, server in
            (await refusal { _ = try await store(client) }, server.lines)
        }

        #expect(failure?.code == "connection-lost")
        #expect(failure?.isOutcomeUnknown == true)
        #expect(lines.filter { $0.hasPrefix("STORE") }.count == 1)
    }

    @Test func `a STORE whose server is down after the answer was lost stays unknown`() async throws
    {
        // CREATE and the first LOCATE come before the STORE.
        let surroundings = Surroundings(
            names: { line, count in
                line.hasPrefix("LOCATE") && count > 2
                    ? .send("ERR server-down server=m1 seen=9 \"x\"\n") : nil
            }, deadline: .seconds(2))
        let failure = try await withFileServer(surroundings) { _, _ in
            .hangUp
        } _: { client, _ in
            await refusal { _ = try await store(client) }
        }

        #expect(failure?.known == .serverDown)
        #expect(failure?.isOutcomeUnknown == true)
    }

    @Test func `a version to be compared is sent, and another one is a conflict`() async throws {
        let (failure, lines) = try await withFileServer { _, _ in
            .send("ERR conflict path=/a ver=6 \"x\"\n")
        } _: { client, server in
            (await refusal { _ = try await store(client, ifVersion: 5) }, server.lines)
        }

        #expect(failure?.known == .conflict)
        #expect(failure?.currentVersion == 6)
        #expect(failure?.isOutcomeUnknown == false)
        #expect(lines == ["STORE /a if-ver=5 op=OP {2}"])
    }

    @Test func `a version can not be compared with more than one STORE takes`() async throws {
        let (failure, lines) = try await withFileServer { _, _ in
            .hangUp
        } _: { client, server in
            let failure = await refusal {
                var pieces = 2
                _ = try await client.store(TreePath("/a"), ifVersion: 5) {
                    pieces -= 1
                    return pieces < 0 ? nil : ByteBuffer(repeating: 0, count: 1_048_576)
                }
            }
            return (failure, server.lines)
        }

        #expect(failure?.known == .tooLarge)
        #expect(failure?.isTargetUntouched == true)
        #expect(lines.isEmpty)
    }
}
