import DFSClient
import DFSProtocol
import NIOCore
import Synchronization
import Testing

/// A client that claimed a name and failed to make its file, and large files that fail midway.
@Suite struct ClaimTests {
    /// A name server that grants each name once, and a file server beside it.
    private func withServers<Result: Sendable>(
        state: String = "up", isGranted: Bool = true,
        _ script: @escaping ScriptedServer.Script,
        _ body: (DFSClient, _ names: ScriptedServer, _ file: ScriptedServer) async throws -> Result
    ) async throws -> Result {
        let file = try await ScriptedServer.start(
            greeting: "OK DFS/1 role=file id=m1 epoch=1 max-data=1048576\n", script)
        let address = file.endpoint
        let claimed = Claimed()
        let result = try await withClient { line, _ in
            let words = line.split(separator: " ")
            switch words[0] {
            case "CREATE":
                let isNew = claimed.names.withLock { $0.insert(words[1]).inserted }
                return isNew && isGranted
                    ? .send("OK path=/a server=m1 addr=\(address) state=up\n")
                    : .send("ERR exists path=/a \"claimed\"\n")
            case "LOCATE": return .send("ERR not-found path=/a \"x\"\n")
            case "SERVERS":
                return .send("* id=m1 addr=\(address) state=\(state) seen=7\nOK count=1\n")
            default: return .send("OK\n")
            }
        } _: { client, names in
            try await body(client, names, file)
        }
        try await file.stop()
        return result
    }

    private final class Claimed: Sendable {
        let names = Mutex<Set<Substring>>([])
    }

    private func store(_ client: DFSClient) async throws {
        var pieces = [ByteBuffer(string: "ab")]
        _ = try await client.store(TreePath("/a"), verifies: false) { pieces.popLast() }
    }

    @Test func `a STORE that failed stands in nobody's way when it is tried again`() async throws {
        let (failure, lines) = try await withServers { _, count in
            .send(count == 1 ? "ERR no-space \"x\"\n" : "OK size=2 ver=0 fid=7\n")
        } _: { client, _, file in
            let failure = await refusal { try await store(client) }
            try await store(client)
            return (failure, file.lines)
        }

        #expect(failure?.known == .noSpace)
        #expect(lines.map { $0.prefix(8) } == ["STORE /a", "STORE /a"])
    }

    @Test(arguments: [OpenMode.create, .createNew])
    func `an OPEN that failed is tried again where the name was claimed`(
        mode: OpenMode
    ) async throws {
        let lines = try await withServers { _, count in
            .send(count == 1 ? "ERR too-many of=server \"x\"\n" : "OK h=h1 size=0 ver=0\n")
        } _: { client, _, file in
            let failure = await refusal { _ = try await client.open(TreePath("/a"), mode) }
            #expect(failure?.known == .tooMany)
            _ = try await client.open(TreePath("/a"), mode)
            return file.lines
        }

        #expect(lines.count == 2)
    }

    @Test func `a claimed file that is told of meanwhile is opened where it is`() async throws {
        let file = try await TransferFixture.run(
            names: {
                $0.verb == "LOCATE" && $0.time > 1
                    ? .send("OK path=/a server=m1 addr=\($0.address) state=up size=0 ver=0\n") : nil
            },
            file: {
                $0.verb == "OPEN" && $0.time == 1 ? .hangUp : nil
            }
        ) { fixture in
            try await fixture.client.open(TreePath("/a"), .create).path
        }

        #expect(file.description == "/a")
    }

    @Test func `a name that was claimed by hand is used`() async throws {
        let lines = try await withServers { _, _ in
            .send("OK size=2 ver=0 fid=7\n")
        } _: { client, _, file in
            _ = try await client.create(TreePath("/a"))
            try await store(client)
            return file.lines
        }

        #expect(lines.count == 1)
    }

    @Test func `the claim of a server that is down says so`() async throws {
        let failure = try await withServers(state: "down") { _, _ in
            .send("ERR no-space \"x\"\n")
        } _: { client, _, _ in
            _ = try await client.create(TreePath("/a"))
            return await refusal { try await store(client) }
        }

        #expect(failure?.known == .serverDown)
        #expect(failure?.server?.description == "m1")
        #expect(failure?.isTargetUntouched == true)
    }

    @Test func `somebody else's claim is not ours`() async throws {
        let failure = try await withServers(isGranted: false) { _, _ in
            .hangUp
        } _: { client, _, _ in
            await refusal { _ = try await client.open(TreePath("/a"), .createNew) }
        }

        #expect(failure?.known == .exists)
    }

    @Test func `a claim that was used is over`() async throws {
        let failure = try await withServers { _, _ in
            .send("OK h=h1 size=0 ver=0\n")
        } _: { client, _, _ in
            _ = try await client.open(TreePath("/a"), .createNew)
            return await refusal { _ = try await client.open(TreePath("/a"), .createNew) }
        }

        #expect(failure?.known == .exists)
    }

    // MARK: Parts

    private static let leased = "OK h=s1 size=0 ver=0 fid=7 lease=30000 token=00\n"

    @Test func `a large file that fails midway ends its session and removes its part`()
        async throws
    {
        let (failure, lines, asked) = try await withServers { line, _ in
            if line.hasPrefix("OPEN") { return .send(Self.leased) }
            return line.hasPrefix("WRITE")
                ? .send("ERR no-space \"x\"\n") : .send("ERR stale-file h=s1 \"x\"\n")
        } _: { client, names, file in
            let failure = await refusal {
                var pieces = [ByteBuffer(repeating: 0x78, count: 1_048_577)]
                _ = try await client.store(TreePath("/a")) { pieces.popLast() }
            }
            return (failure, file.lines, names.lines)
        }

        #expect(failure?.known == .noSpace)
        #expect(failure?.isTargetUntouched == true)
        #expect(failure?.leftover == nil)
        #expect(lines.last == "CLOSE s1")
        #expect(asked.last?.hasPrefix("REMOVE /a.dfs-part-") == true)
    }

    @Test func `beside a name of one byte another is claimed where the first is taken`()
        async throws
    {
        var above = ""
        while above.utf8.count < 4094 { above += "/" + String(repeating: "d", count: 88) }
        let path = above + "/x"
        let asked = try await withClient { line, _ in
            line.hasPrefix("CREATE")
                ? .send("ERR exists path=/x \"x\"\n") : .send("ERR not-found path=/x \"x\"\n")
        } _: { client, names in
            let failure = await refusal {
                var pieces = [ByteBuffer(repeating: 0x78, count: 1_048_577)]
                _ = try await client.store(TreePath(path)) { pieces.popLast() }
            }
            #expect(failure?.known == .exists)
            #expect(failure?.isTargetUntouched == true)
            return names.lines.filter { $0.hasPrefix("CREATE") }
        }

        #expect(asked.count == 8)
        #expect(!asked.contains { $0.hasPrefix("CREATE \(path) ") })
    }
}
