import Crypto
import DFSClient
import DFSProtocol
import NIOCore
import Testing

@Suite(.timeLimit(.minutes(3))) struct TransferTests {
    /// A name server that says one file is on one file server, and that file server.
    private func withFile<Result: Sendable>(
        _ script: @escaping ScriptedServer.Script,
        _ body: (DFSClient) async throws -> Result
    ) async throws -> Result {
        let file = try await ScriptedServer.start(
            greeting: "OK DFS/1 role=file id=m1 epoch=1 max-line=65536 max-data=4\n", script)
        let address = file.endpoint
        let result = try await withClient { line, _ in
            if line.hasPrefix("LOCATE") {
                return .send("OK path=/a server=m1 addr=\(address) state=up size=10 ver=1\n")
            }
            return line.hasPrefix("CREATE")
                ? .send("ERR exists path=/a \"is there\"\n") : .send("OK\n")
        } _: { client, _ in
            try await body(client)
        }
        try await file.stop()
        return result
    }

    private static let content = [UInt8]("0123456789".utf8)

    private static func digest(of bytes: [UInt8]) -> String {
        let digits = SHA256.hash(data: bytes).map { String($0, radix: 16) }
        return digits.map { $0.utf8.count == 1 ? "0" + $0 : $0 }.joined()
    }

    /// Answers FETCH by range and DIGEST as a server that has `content` would.
    private static func honest(_ line: String) -> ScriptedServer.Answer {
        let words = line.split(separator: " ").map(String.init)
        switch words[0] {
        case "FETCH":
            let offset = Int(words[2]) ?? 0
            let count = min(Int(words[3]) ?? 0, content.count - offset)
            let piece = String(decoding: content[offset..<(offset + count)], as: UTF8.self)
            return .send("OK size=10 ver=1 fid=7 eof=no {\(count)}\n\(piece)\n")
        case "DIGEST":
            return .send("OK sha256=\(digest(of: content)) size=10 ver=1 fid=7\n")
        default: return .hangUp
        }
    }

    private func fetched(_ client: DFSClient) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        _ = try await client.fetch(TreePath("/a")) { bytes += Array($0.readableBytesView) }
        return bytes
    }

    @Test func `a file comes in pieces that the server takes, in order and verified`() async throws
    {
        let bytes = try await withFile { line, _ in
            Self.honest(line)
        } _: { client in
            try await fetched(client)
        }

        #expect(bytes == Self.content)
    }

    /// What a limit was asked for, and whether it says no after so many times.
    private actor Toll {
        struct Closed: Error {}
        private(set) var asked: [Int] = []
        let most: Int

        init(most: Int) { self.most = most }

        func pass(_ count: Int) throws {
            if asked.count == most { throw Closed() }
            asked.append(count)
        }
    }

    /// The piece that is asked for first is as long as the server lets it be.
    @Test(arguments: [(0, 0), (1, 4), (2, 8)])
    func `no piece is asked for before the limit lets it pass`(
        allowed: Int, bytes: Int
    ) async throws {
        let toll = Toll(most: allowed)
        let (received, fetches) = try await withPieces { client, file in
            var received = 0
            await #expect(throws: Toll.Closed.self) {
                _ = try await client.fetch(
                    TreePath("/a"), verifies: false, pace: { try await toll.pass($0) }
                ) { received += $0.readableBytes }
            }
            return (received, file.lines.filter { $0.hasPrefix("FETCH") })
        }

        #expect(fetches.count <= allowed)
        #expect(received <= bytes)
        #expect(await toll.asked.count == allowed)
    }

    @Test func `what a limit is asked for is what comes, none of it twice`() async throws {
        let toll = Toll(most: 10)
        let received = try await withPieces { client, _ in
            var received = 0
            _ = try await client.fetch(
                TreePath("/a"), verifies: false, pace: { try await toll.pass($0) }
            ) { received += $0.readableBytes }
            return received
        }

        #expect(received == 10)
        #expect(await toll.asked.sorted() == [2, 4, 4])
    }

    /// Runs a body with a client that asks for four bytes at a time, many at once.
    private func withPieces<Result: Sendable>(
        _ body: (DFSClient, ScriptedServer) async throws -> Result
    ) async throws -> Result {
        let file = try await ScriptedServer.start(
            greeting: "OK DFS/1 role=file id=m1 epoch=1 max-line=65536 max-data=1048576\n"
        ) { line, _ in Self.honest(line) }
        let address = file.endpoint
        let names = try await ScriptedServer.start { _, _ in
            .send("OK path=/a server=m1 addr=\(address) state=up size=10 ver=1\n")
        }
        var options = ClientOptions()
        options.pieceBytes = 4
        options.piecesInFlight = 4
        let client = DFSClient(nameServers: [names.endpoint], options: options)
        let result = try await body(client, file)
        await client.close()
        try await names.stop()
        try await file.stop()
        return result
    }

    @Test func `a file that changes while it is read is stale`() async throws {
        let failure = try await withFile { line, _ in
            line.hasPrefix("FETCH /a 8")
                ? .send("OK size=10 ver=2 fid=7 eof=yes {2}\n89\n")
                : Self.honest(line)
        } _: { client in
            await refusal { _ = try await fetched(client) }
        }

        #expect(failure?.known == .staleFile)
    }

    @Test(arguments: ["OK size=10 ver=1 {3}\n012\n", "OK size=10 ver=1\n", "OK ver=1 {4}\n0123\n"])
    func `a piece of another length than due is a violation`(answer: String) async throws {
        let failure = try await withFile { line, _ in
            line.hasPrefix("FETCH") ? .send(answer) : Self.honest(line)
        } _: { client in
            await refusal { _ = try await fetched(client) }
        }

        #expect(failure?.code == "protocol-violation")
    }

    @Test func `more bytes than were asked for are a violation`() async throws {
        let failure = try await withFile { line, _ in
            line.hasPrefix("FETCH") ? .send("OK size=10 ver=1 {5}\n01234\n") : Self.honest(line)
        } _: { client in
            await refusal { _ = try await fetched(client) }
        }

        #expect(failure?.code == "protocol-violation")
    }

    @Test func `a file whose digest differs is corrupt`() async throws {
        let failure = try await withFile { line, _ in
            line.hasPrefix("DIGEST")
                ? .send("OK sha256=\(Self.digest(of: [1])) size=10 ver=1 fid=7\n")
                : Self.honest(line)
        } _: { client in
            await refusal { _ = try await fetched(client) }
        }

        #expect(failure?.known == .corrupt)
        #expect(failure?.category == .integrity)
    }

    @Test func `a connection that is lost midway is replaced, and the file comes whole`()
        async throws
    {
        let bytes = try await withFile { line, count in
            count == 2 ? .hangUp : Self.honest(line)
        } _: { client in
            try await fetched(client)
        }

        #expect(bytes == Self.content)
    }

    @Test func `what is stored and then digests differently is corrupt`() async throws {
        let failure = try await withFile { line, _ in
            if line.hasPrefix("STORE") { return .send("OK size=2 ver=3 fid=7\n") }
            return .send("OK sha256=\(Self.digest(of: [1])) size=2 ver=3 fid=7\n")
        } _: { client in
            var pieces = [ByteBuffer(string: "ab")]
            return await refusal { _ = try await client.store(TreePath("/a")) { pieces.popLast() } }
        }

        #expect(failure?.known == .corrupt)
    }

    @Test(arguments: ["OK size=1 ver=1\n", "OK h= size=1 ver=1\n", "OK h=h1 ver=1\n"])
    func `a session without what a session needs is a violation`(answer: String) async throws {
        let failure = try await withFile { _, _ in
            .send(answer)
        } _: { client in
            await refusal { _ = try await client.open(TreePath("/a"), .read) }
        }

        #expect(failure?.code == "protocol-violation")
    }

    @Test func `a put to a server that is found down says so, and what it left`() async throws {
        let file = try await ScriptedServer.start(
            greeting: "OK DFS/1 role=file id=m1 epoch=1 max-line=65536 max-data=1048576\n"
        ) { line, _ in
            line.hasPrefix("OPEN")
                ? .send("OK h=s1 size=0 ver=1 lease=30000 token=00\n") : .silence
        }
        let names = try await ScriptedServer.start { line, _ in
            switch line.split(separator: " ")[0] {
            case "LOCATE": return .send("ERR not-found path=/a\n")
            case "CREATE":
                return .send("OK path=/a server=m1 addr=\(file.endpoint) state=up\n")
            case "SERVERS":
                return .send("* id=m1 addr=\(file.endpoint) state=down seen=3000\nOK count=1\n")
            default: return .send("ERR server-down server=m1 seen=3000\n")
            }
        }
        var options = ClientOptions()
        options.watchAfter = .zero
        options.deadline = .seconds(2)
        options.pieceBytes = 4
        let client = DFSClient(nameServers: [names.endpoint], options: options)
        var pieces = [ByteBuffer(string: "12345678")]

        let failure = await refusal {
            _ = try await client.store(TreePath("/a")) { pieces.popLast() }
        }

        #expect(failure?.known == .serverDown)
        #expect(failure?.path?.description == "/a")
        #expect(failure?.seenMilliseconds == 3000)
        #expect(failure?.isTargetUntouched == true)
        #expect(failure?.isOutcomeUnknown == false)
        #expect(failure?.leftover?.description.hasPrefix("/a.dfs-part-") == true)
        await client.close()
        try await file.stop()
        try await names.stop()
    }

    @Test func `bytes= that is not what came is a violation`() async throws {
        let failure = try await withFile { line, _ in
            line.hasPrefix("OPEN")
                ? .send("OK h=h1 size=4 ver=1\n") : .send("OK bytes=4 eof=yes {2}\nab\n")
        } _: { client in
            let file = try await client.open(TreePath("/a"), .read)
            return await refusal { _ = try await file.read(at: 0, count: 4) }
        }

        #expect(failure?.code == "protocol-violation")
    }

    @Test(arguments: ["OK bytes=2 eof=no {2}\nab\n", "OK bytes=0 eof=no {0}\n\n"])
    func `fewer bytes than were asked for are the end of the file or a violation`(
        answer: String
    ) async throws {
        let (failures, end) = try await withFile { line, count in
            if line.hasPrefix("OPEN") { return .send("OK h=h1 size=4 ver=1\n") }
            return count < 4
                ? .send(answer) : .send(answer.replacing("eof=no", with: "eof=yes"))
        } _: { client in
            let file = try await client.open(TreePath("/a"), .read)
            let failures = [
                await refusal { _ = try await file.read(at: 0, count: 4) },
                await refusal { _ = try await file.readNext(count: 4) },
            ]
            return (failures, try await file.read(at: 0, count: 4).isEnd)
        }

        #expect(failures.map { $0?.code } == ["protocol-violation", "protocol-violation"])
        #expect(end)
    }

    @Test func `a digest has the time of its file, however slowly the file is taken`() async throws
    {
        let (deadline, piece) = (Duration.seconds(10), 1_048_576)
        // 1 GiB: 64 seconds more.
        let facts = "size=1073741824 ver=1 fid=7"
        let file = try await ScriptedServer.start(
            greeting: "OK DFS/1 role=file id=m1 epoch=1 max-data=\(piece)\n"
        ) { line, _ in
            if line.hasPrefix("DIGEST") { return .silence }
            return line.hasPrefix("FETCH /a 0 ")
                ? .send(
                    "OK \(facts) eof=no {\(piece)}\n" + String(repeating: "x", count: piece) + "\n")
                : .send("ERR not-found path=/a \"x\"\n")
        }
        let address = file.endpoint
        let lines = try await withClient(
            of: { _, _ in .send("OK path=/a server=m1 addr=\(address) state=up \(facts)\n") },
            deadline: deadline
        ) { client, _ in
            let failure = await refusal {
                _ = try await client.fetch(TreePath("/a")) { _ in
                    // A reader that pauses for longer than the deadline.
                    try await Task.sleep(for: deadline + .seconds(1))
                }
            }
            #expect(failure?.known == .notFound)
            // What was asked before the second piece was.
            return file.lines.prefix { !$0.hasPrefix("FETCH /a \(piece) ") }
        }

        #expect(lines.contains("DIGEST /a"))
        #expect(!lines.contains { $0.hasPrefix("CANCEL") })
        try await file.stop()
    }
}
