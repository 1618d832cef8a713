import DFSClient
import DFSProtocol
import Testing

/// Listing, ending and taking over the sessions of a server.
@Suite struct HandlesTests {
    private static let items =
        "* handle h=h1 path=/a mode=r owner=anonymous client=me age=5 idle=3 lease=conn lock=none bytes=0\n"
        + "* handle h=s1 path=/a mode=rw owner=anonymous client=\"\" age=90 idle=80 lease=29000 "
        + "lock=exclusive\nOK count=2\n"

    @Test func `each session is told with its lock and what is left of its lease`() async throws {
        let sessions = try await withFileServer { _, _ in
            .send(Self.items)
        } _: { client, _ in
            try await client.handles(on: try await client.servers()[0])
        }

        #expect(sessions.map(\.lock) == [nil, .exclusive])
        #expect(sessions.map(\.leaseMilliseconds) == [nil, 29000])
        #expect(sessions.map(\.clientName) == ["me", nil])
        #expect(sessions.map(\.idleMilliseconds) == [3, 80])
        #expect(sessions.map(\.mode) == ["r", "rw"])
    }

    @Test func `every server answers with its sessions or with why it can not`() async throws {
        func server(
            _ id: String, _ script: @escaping ScriptedServer.Script
        ) async throws -> ScriptedServer {
            try await .start(greeting: "OK DFS/1 role=file id=\(id) epoch=1\n", script)
        }
        let good = try await server("good") { _, _ in .send(Self.items) }
        let bad = try await server("bad") { _, _ in .send("* handle path=/a\nOK\n") }
        let refusing = try await server("refusing") { _, _ in .send("ERR busy retry=9 \"x\"\n") }
        let silent = try await server("silent") { _, _ in .silence }
        let gone = try await server("gone") { _, _ in .silence }
        try await gone.stop()
        let places = [
            ("bad", bad.endpoint, "up"), ("down", gone.endpoint, "down"),
            ("gone", gone.endpoint, "up"), ("good", good.endpoint, "up"),
            ("refusing", refusing.endpoint, "suspect"), ("silent", silent.endpoint, "up"),
        ]
        let lines = places.map { "* server id=\($0) addr=\($1) state=\($2) seen=7\n" }

        let answers = try await withClient(
            of: { _, _ in .send(lines.joined() + "OK count=6\n") }, deadline: .seconds(2)
        ) { client, _ in
            try await client.handles()
        }

        #expect(answers.map(\.server.id.text) == places.map(\.0))
        let told = answers.map { answer in
            switch answer.result {
            case .success(let sessions): "\(sessions.count)"
            case .failure(let error): "\(error.code) of \(error.server?.text ?? "nobody")"
            }
        }
        #expect(
            told == [
                "protocol-violation of bad", "server-down of down", "unreachable of gone", "2",
                "busy of refusing", "timeout of silent",
            ])
        for server in [good, bad, refusing, silent] { try await server.stop() }
    }

    @Test func `a caller who gives up gets no half of an answer`() async throws {
        let failure = try await withFileServer { _, _ in
            .silence
        } _: { client, server in
            let task = Task { await refusal { _ = try await client.handles() } }
            _ = await server.file.lines(1)
            task.cancel()
            return await task.value
        }

        #expect(failure?.known == .cancelled)
    }

    @Test(arguments: [
        "* handle path=/a\nOK\n", "* handle h=h1 path=a\nOK\n", "* handle h=h1 path=/a age=x\nOK\n",
        "* handle h=h1 path=/a lease=0\nOK\n",
    ])
    func `a session that can not be right is a violation`(answer: String) async throws {
        let failure = try await withFileServer { _, _ in
            .send(answer)
        } _: { client, _ in
            await refusal { _ = try await client.handles(on: try await client.servers()[0]) }
        }

        #expect(failure?.code == "protocol-violation")
    }

    @Test func `a session is killed by the name that was listed`() async throws {
        let (failure, lines) = try await withFileServer { line, _ in
            line == "KILL s1" ? .send("OK\n") : .send("ERR stale-handle h=h9 \"x\"\n")
        } _: { client, server in
            let info = try await client.servers()[0]
            try await client.kill([UInt8]("s1".utf8), on: info)
            let failure = await refusal { try await client.kill([UInt8]("h9".utf8), on: info) }
            return (failure, server.lines)
        }

        #expect(failure?.known == .staleHandle)
        #expect(failure?.missingSession == [UInt8]("h9".utf8))
        #expect(failure?.advice.hasPrefix("m1 has no session h9") == true)
        #expect(lines == ["KILL s1", "KILL h9"])
    }

    @Test func `a session is taken over with its token, and goes on as its own`() async throws {
        let (file, lines) = try await withFileServer { line, _ in
            switch line.split(separator: " ")[0] {
            case "HANDLES": .send(Self.items)
            default: .send("OK h=s1 size=10 ver=1 fid=7 lease=30000\n")
            }
        } _: { client, server in
            let info = try await client.servers()[0]
            let file = try await client.resume(
                [UInt8]("s1".utf8), token: [UInt8]("00ff".utf8), on: info)
            return ((file.path.description, file.mode, file.lock, file.token), server.lines)
        }

        #expect(lines == ["HANDLES", "RESUME s1 token=00ff"])
        #expect(file.0 == "/a")
        #expect(file.1 == .readWrite)
        #expect(file.2 == .exclusive)
        #expect(file.3 == [UInt8]("00ff".utf8))
    }

    @Test func `a session that nobody has can not be taken over`() async throws {
        let failure = try await withFileServer { _, _ in
            .send("OK count=0\n")
        } _: { client, _ in
            await refusal {
                _ = try await client.resume(
                    [UInt8]("s1".utf8), token: [], on: try await client.servers()[0])
            }
        }

        #expect(failure?.known == .staleHandle)
        #expect(failure?.missingSession == [UInt8]("s1".utf8))
    }

    // MARK: Pages

    private static func page(
        _ line: String, _ pages: [(sessions: [String], after: String?)]
    ) -> ScriptedServer.Answer {
        let asked = line.split(separator: " ").dropFirst().first.map { $0.dropFirst(6) }
        let index = asked.flatMap { after in pages.firstIndex { $0.after == String(after) } }
        let page = pages[index.map { $0 + 1 } ?? 0]
        let items = page.sessions.map { "* handle h=\($0) path=/a mode=r\n" }.joined()
        return .send(items + "OK" + (page.after.map { " more=yes after=\($0)" } ?? "") + "\n")
    }

    @Test func `sessions come page after page, as the server says where the next one begins`()
        async throws
    {
        let (handles, killed, lines) = try await withFileServer { line, _ in
            line.hasPrefix("KILL")
                ? .send("OK\n")
                : Self.page(line, [(["h1", "s1"], "c1"), (["s2"], "c2"), (["s3"], nil)])
        } _: { client, server in
            let info = try await client.servers()[0]
            let handles = try await client.handles(on: info).map(\.handle)
            let all = try await client.handles()[0].result.get().map(\.handle)
            return (handles, all, server.lines)
        }

        #expect(handles == ["h1", "s1", "s2", "s3"].map { [UInt8]($0.utf8) })
        #expect(killed == handles)
        let asked = ["HANDLES", "HANDLES after=c1", "HANDLES after=c2"]
        #expect(lines == asked + asked)
    }

    @Test func `a session on a later page is found to be resumed`() async throws {
        let lines = try await withFileServer { line, _ in
            line.hasPrefix("RESUME")
                ? .send("OK h=s9 size=10 ver=1 fid=7 lease=30000\n")
                : Self.page(line, [(["h1"], "c1"), (["s9"], nil)])
        } _: { client, server in
            let info = try await client.servers()[0]
            let file = try await client.resume([UInt8]("s9".utf8), token: [0x30], on: info)
            return withExtendedLifetime(file) { server.lines }
        }

        #expect(lines == ["HANDLES", "HANDLES after=c1", "RESUME s9 token=0"])
    }

    @Test(arguments: [
        "OK more=yes after=c1\n", "* handle h=h1 path=/a\nOK more=yes\n",
        "* handle h=h1 path=/a\nOK more=yes after=c1\n",
    ])
    func `pages without an end are a violation`(answer: String) async throws {
        let failure = try await withFileServer { _, _ in
            .send(
                answer.contains("after=c1") && answer.hasPrefix("*")
                    ? String(repeating: "* handle h=h1 path=/a\n", count: 10_000) + answer
                    : answer)
        } _: { client, _ in
            await refusal { _ = try await client.handles(on: try await client.servers()[0]) }
        }

        #expect(failure?.code == "protocol-violation")
        #expect(failure?.server?.text == "m1")
    }

    @Test func `a session that was taken over asks for its whole lease when it is opened anew`()
        async throws
    {
        let verbs = VerbCounts()
        let lines = try await withFileServer(Surroundings(epochs: { $0 })) { line, _ in
            let verb = String(line.split(separator: " ")[0])
            switch (verb, verbs.next(verb)) {
            case ("HANDLES", _):
                return .send("* handle h=s1 path=/a mode=r lease=40 lock=none\nOK\n")
            case ("READ", 1): return .hangUp
            case ("READ", _): return .send("OK bytes=2 eof=no {2}\nab\n")
            default: return .send("OK h=s1 size=10 ver=1 fid=7 lease=30000 token=00\n")
            }
        } _: { client, server in
            let info = try await client.servers()[0]
            let file = try await client.resume(
                [UInt8]("s1".utf8), token: [UInt8]("00".utf8), on: info)
            _ = try await file.read(at: 0, count: 2)
            return server.lines
        }

        // 40 ms are what was left of it.
        #expect(lines.filter { $0.hasPrefix("OPEN") } == ["OPEN /a r lease=30000 op=OP"])
    }
}
