import DFSClient
import DFSProtocol
import NIOCore
import Testing

/// Sessions whose connection is lost, at each point and with each way back.
@Suite struct SessionLossTests {
    private static let leased = "OK h=s1 size=10 ver=1 fid=7 lease=30000 token=00ff\n"
    private static let plain = "OK h=h1 size=10 ver=1 fid=7 lease=conn\n"

    /// A file server that answers by verb; the closure says what one verb does at its n-th time.
    private func withSession<Result: Sendable>(
        _ surroundings: Surroundings = Surroundings(),
        _ special: @escaping @Sendable (_ verb: String, _ time: Int) -> ScriptedServer.Answer?,
        _ body: (DFSClient, FileServerFixture) async throws -> Result
    ) async throws -> Result {
        let times = VerbCounts()
        return try await withFileServer(surroundings) { line, _ in
            let verb = String(line.split(separator: " ")[0])
            if let answer = special(verb, times.next(verb)) { return answer }
            return switch verb {
            case "OPEN": .send(line.contains("lease=") ? Self.leased : Self.plain)
            case "RESUME": .send(Self.leased)
            case "READ": .send("OK bytes=2 eof=no {2}\nab\n")
            case "WRITE": .send("OK bytes=2 size=10\n")
            case "APPEND": .send("OK bytes=2 size=12\n")
            case "TRUNCATE": .send("OK size=5\n")
            case "SYNC": .send("OK ver=2\n")
            case "CLOSE": .send("OK size=10 ver=2\n")
            case "RENEW": .send("OK lease=30000\n")
            default: .send("ERR internal \"the script has no \(verb)\"\n")
            }
        } _: { client, server in
            try await body(client, server)
        }
    }

    private let bytes = ByteBuffer(string: "ab")
    private let path: TreePath

    init() throws { path = try TreePath("/a") }

    // MARK: Resumed

    @Test(arguments: ["READ", "WRITE", "APPEND", "TRUNCATE", "SYNC", "RENEW"])
    func `with a lease, what was not answered is asked again in the resumed session`(
        verb: String
    ) async throws {
        let lines = try await withSession { seen, time in
            seen == verb && time == 1 ? .hangUp : nil
        } _: { client, server in
            let file = try await client.open(path, .readWrite, lease: .seconds(30))
            switch verb {
            case "READ": _ = try await file.read(at: 4, count: 2)
            case "WRITE": try await file.write(bytes, at: 4)
            case "APPEND": try await file.append(bytes)
            case "TRUNCATE": try await file.truncate(to: 5)
            case "SYNC": try await file.sync()
            default: try await file.renew()
            }
            return server.file.lines
        }

        #expect(lines.count == 4)
        #expect(lines[0].hasPrefix("OPEN /a rw lease=30000 op="))
        #expect(lines[1] == lines[3])
        #expect(lines[2] == "RESUME s1 token=00ff")
    }

    @Test func `an APPEND has a name of its own, and keeps it when it is repeated`() async throws {
        let lines = try await withSession { verb, time in
            verb == "APPEND" && time == 1 ? .hangUp : nil
        } _: { client, server in
            let file = try await client.open(path, .readWrite, lease: .seconds(30))
            try await file.append(bytes)
            try await file.append(bytes)
            return server.file.lines
        }

        let names = lines.filter { $0.hasPrefix("APPEND") }.map(FileServerFixture.name)
        #expect(names.count == 3)
        #expect(names[0] != nil)
        #expect(names[0] == names[1])
        #expect(names[1] != names[2])
    }

    @Test func `the cursor is where it was, whether the lost READ had moved it or not`()
        async throws
    {
        let lines = try await withSession { verb, time in
            verb == "READ" && time == 2 ? .hangUp : nil
        } _: { client, server in
            let file = try await client.open(path, .read, lease: .seconds(30))
            for _ in 0..<3 { _ = try await file.readNext(count: 2) }
            return server.file.lines
        }

        #expect(
            lines.dropFirst() == [
                "READ s1 2", "READ s1 2", "RESUME s1 token=00ff", "READ s1 2 2", "READ s1 4 2",
            ])
    }

    @Test func `a connection that is lost again while it is resumed is replaced again`()
        async throws
    {
        let lines = try await withSession { verb, time in
            verb == "READ" && time == 1 || verb == "RESUME" && time < 3 ? .hangUp : nil
        } _: { client, server in
            let file = try await client.open(path, .read, lease: .seconds(30))
            _ = try await file.read(at: 0, count: 2)
            return server.file.lines
        }

        #expect(lines.filter { $0.hasPrefix("RESUME") }.count == 3)
    }

    @Test func `an idle session is resumed as soon as its connection ends`() async throws {
        let lines = try await withSession { verb, _ in
            verb == "SYNC" ? .sendAndHangUp("OK ver=1\n") : nil
        } _: { client, server in
            let file = try await client.open(path, .readWrite, lease: .seconds(600))
            try await file.sync()
            _ = await server.file.lines(3)
            _ = try await file.read(at: 0, count: 2)
            return server.lines
        }

        #expect(lines.dropFirst() == ["SYNC s1", "RESUME s1 token=00ff", "READ s1 0 2"])
    }

    @Test func `calls that fail together resume the session once`() async throws {
        let lines = try await withSession { verb, time in
            verb == "READ" && time <= 4 ? (time == 4 ? .hangUp : .silence) : nil
        } _: { client, server in
            let file = try await client.open(path, .read, lease: .seconds(30))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 { group.addTask { _ = try await file.read(at: 0, count: 2) } }
                try await group.waitForAll()
            }
            return server.lines
        }

        #expect(lines.filter { $0.hasPrefix("RESUME") }.count == 1)
        #expect(lines.filter { $0.hasPrefix("READ") }.count == 8)
    }

    // MARK: Opened anew

    private static let endings: [String] = ["restarted", "lease-expired", "stale-handle", "conn"]

    private func lose<Result: Sendable>(
        _ ending: String, reopened: String, _ verb: String,
        _ body: (DFSClient, FileServerFixture, Duration?) async throws -> Result
    ) async throws -> Result {
        let surroundings = Surroundings(epochs: { ending == "restarted" ? $0 : 1 })
        return try await withSession(surroundings) { seen, time in
            if seen == verb, time == 1 { return .hangUp }
            if seen == "RESUME" { return .send("ERR \(ending) h=s1 \"over\"\n") }
            return seen == "OPEN" && time == 2 ? .send(reopened) : nil
        } _: { client, server in
            try await body(client, server, ending == "conn" ? nil : .seconds(30))
        }
    }

    @Test(arguments: endings)
    func `a session that only read goes on silently on a file that is as it was`(
        ending: String
    ) async throws {
        let (text, lines) = try await lose(ending, reopened: Self.plain, "READ") {
            client, server, lease in
            let file = try await client.open(path, .read, lease: lease)
            let piece = try await file.read(at: 0, count: 2)
            return (String(buffer: piece.bytes), server.lines)
        }

        #expect(text == "ab")
        #expect(lines.last == "READ h1 0 2")
        #expect(lines.count { $0.hasPrefix("OPEN /a r") } == 2)
        #expect(
            lines.contains { $0.hasPrefix("RESUME") }
                == ["lease-expired", "stale-handle"].contains(ending))
    }

    @Test(arguments: endings)
    func `a session that synced all it wrote goes on silently, but makes no file`(
        ending: String
    ) async throws {
        let reopened = "OK h=h1 size=10 ver=2 fid=7 lease=conn\n"
        let lines = try await lose(ending, reopened: reopened, "READ") { client, server, lease in
            let file = try await client.open(path, .create, lease: lease)
            try await file.write(bytes, at: 0)
            try await file.sync()
            _ = try await file.read(at: 0, count: 2)
            try await file.write(bytes, at: 0)
            return server.lines
        }

        #expect(lines.filter { $0.hasPrefix("OPEN") }.last?.hasPrefix("OPEN /a rw") == true)
        #expect(lines.last == "WRITE h1 0 {2}")
    }

    @Test(
        arguments: endings,
        [
            "OK h=h1 size=10 ver=1 fid=8 lease=conn\n", "OK h=h1 size=10 ver=2 fid=7 lease=conn\n",
            "OK h=h1 size=11 ver=1 fid=7 lease=conn\n", "ERR not-found path=/a \"gone\"\n",
        ])
    func `a file that is another one, or changed, or gone, is stale from then on`(
        ending: String, reopened: String
    ) async throws {
        let (failures, lines) = try await lose(ending, reopened: reopened, "READ") {
            client, server, lease in
            let file = try await client.open(path, .read, lease: lease)
            let failures = [
                await refusal { _ = try await file.read(at: 0, count: 2) },
                await refusal { _ = try await file.read(at: 0, count: 2) },
                await refusal { _ = try await file.close() },
            ]
            return (failures, server.lines)
        }

        #expect(failures.map { $0?.known } == [.staleFile, .staleFile, .staleFile])
        #expect(failures[0]?.isOutcomeUnknown == false)
        #expect(lines.count { $0.hasPrefix("READ") } == 1)
        // What was opened for the comparison is not left behind.
        #expect(lines.contains("CLOSE h1") == reopened.hasPrefix("OK"))
    }

    @Test(arguments: endings, ["WRITE", "APPEND", "TRUNCATE"])
    func `what wrote is not repeated in another session, and the caller is told`(
        ending: String, verb: String
    ) async throws {
        let (failure, lines) = try await lose(ending, reopened: Self.plain, verb) {
            client, server, lease in
            let file = try await client.open(path, .readWrite, lease: lease)
            let failure = await refusal {
                switch verb {
                case "WRITE": try await file.write(bytes, at: 0)
                case "APPEND": try await file.append(bytes)
                default: try await file.truncate(to: 5)
                }
            }
            return (failure, server.lines)
        }

        #expect(failure?.known == .staleFile)
        #expect(failure?.isOutcomeUnknown == true)
        #expect(failure?.earlierChanges == nil)
        #expect(lines.count { $0.hasPrefix(verb) } == 1)
        #expect(lines.count { $0.hasPrefix("OPEN") } == 1)
    }

    @Test(arguments: endings)
    func `answered bytes that were not synced make a lost session stale`(
        ending: String
    ) async throws {
        let failure = try await lose(ending, reopened: Self.plain, "READ") { client, _, lease in
            let file = try await client.open(path, .readWrite, lease: lease)
            try await file.write(bytes, at: 0)
            return await refusal { _ = try await file.read(at: 0, count: 2) }
        }

        #expect(failure?.known == .staleFile)
        #expect(failure?.isOutcomeUnknown == false)
        #expect(
            failure?.earlierChanges == (ending == "restarted" ? .standUnlessPowerFailed : .stand))
    }

    @Test(arguments: endings)
    func `a write after a lost one that was answered is not done, and the first one stands`(
        ending: String
    ) async throws {
        let (failures, lines) = try await lose(ending, reopened: Self.plain, "SYNC") {
            client, server, lease in
            let file = try await client.open(path, .readWrite, lease: lease)
            try await file.write(bytes, at: 0)
            let failures = [
                await refusal { try await file.sync() },
                await refusal { try await file.write(bytes, at: 2) },
            ]
            return (failures, server.lines)
        }

        #expect(failures.map { $0?.known } == [.staleFile, .staleFile])
        // The SYNC may have been done; the second WRITE was never sent.
        #expect(failures.map { $0?.isOutcomeUnknown } == [true, false])
        #expect(failures.allSatisfy { $0?.earlierChanges != nil })
        #expect(lines.count { $0.hasPrefix("WRITE") } == 1)
    }

    @Test func `a SYNC covers no write that was answered after it was sent`() async throws {
        let file = try await ScriptedServer.start(
            greeting: "OK DFS/1 role=file id=m1 epoch=1\n"
        ) { line, _ in
            switch line.split(separator: " ")[0] {
            case "OPEN": .send(Self.plain)
            case "WRITE": .silence
            // The second request, the WRITE, is answered behind it.
            case "SYNC": .send("OK ver=1\n@2 OK bytes=2 size=10\n")
            default: .hangUp
            }
        }
        let names = try await ScriptedServer.start { _, _ in
            .send("OK path=/a server=m1 addr=\(file.endpoint) state=up size=10 ver=1\n")
        }
        let client = DFSClient(nameServers: [names.endpoint])
        let session = try await client.open(path, .readWrite)

        async let size = session.write(bytes, at: 0)
        _ = await file.lines { $0.contains { $0.hasPrefix("WRITE") } }
        try await session.sync()
        _ = try await size
        let failure = await refusal { _ = try await session.read(at: 0, count: 2) }

        #expect(failure?.known == .staleFile)
        #expect(failure?.earlierChanges == .stand)
        #expect(file.lines.count { $0.hasPrefix("OPEN") } == 1)
        await client.close()
        try await names.stop()
        try await file.stop()
    }

    @Test(arguments: endings)
    func `a lock that is lost with its session is never taken for kept`(
        ending: String
    ) async throws {
        let (failure, lines) = try await lose(ending, reopened: Self.plain, "READ") {
            client, server, lease in
            let file = try await client.open(path, .read, lease: lease, lock: .shared)
            return (await refusal { _ = try await file.read(at: 0, count: 2) }, server.lines)
        }

        #expect(failure?.known == (ending == "lease-expired" ? .leaseExpired : .staleHandle))
        #expect(lines.count { $0.hasPrefix("OPEN") } == 1)
    }
}
