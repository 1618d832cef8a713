import DFSProtocol
import DFSTransport
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import DFSClient

/// What a client keeps, for how long, and what it lets go.
@Suite struct UpkeepTests {
    private let path: TreePath

    init() throws { path = try TreePath("/a") }

    private static let leased = "OK h=s1 size=10 ver=1 fid=7 lease=30000 token=00ff\n"

    // MARK: Connections

    @Test func `an address that drops everything is unreachable, and not silent`() async throws {
        let hole = try BlackHole()
        var options = ClientOptions()
        options.deadline = .seconds(2)
        options.connectTimeout = .seconds(5)
        let client = DFSClient(nameServers: [hole.endpoint], options: options)
        let address = hole.endpoint

        let names = await refusal { _ = try await client.servers() }
        let file = try await withClient(
            of: { _, _ in .send("OK path=/a server=m1 addr=\(address) state=up\n") },
            deadline: .seconds(2)
        ) { client, _ in
            await refusal { _ = try await client.fetch(path, offset: 0, count: 1) }
        }

        #expect(names?.code == "unreachable")
        #expect(names?.isUnanswered == false)
        #expect(file?.code == "unreachable")
        await client.close()
    }

    @Test func `a connection that ended while nobody waited for it is not used`() async throws {
        let isHeld = Atomic(true)
        let file = try await ScriptedServer.start(
            greetings: { number in
                let greeting = "OK DFS/1 role=file id=m1 epoch=1\n"
                guard number == 1 else { return greeting }
                while isHeld.load(ordering: .acquiring) { usleep(1000) }
                return greeting + "ERR draining fatal \"this server is stopping\"\n"
            }
        ) { _, _ in .send("OK count=0\n") }
        let address = file.endpoint
        try await withClient { _, _ in
            .send("* server id=m1 addr=\(address) state=up\nOK count=1\n")
        } _: { client, _ in
            let server = try await client.servers()[0]
            let first = Task { await refusal { _ = try await client.handles(on: server) } }
            while await !client.pool.isDialing(address) { await Task.yield() }
            first.cancel()
            #expect(await first.value?.known == .cancelled)
            isHeld.store(false, ordering: .releasing)
            while await client.pool.isDialing(address) { await Task.yield() }

            #expect(try await client.handles(on: server).isEmpty)
        }

        #expect(file.connections == 2)
        try await file.stop()
    }

    @Test func `a connection that was just given to somebody is not closed to save it`()
        async throws
    {
        let servers = [
            try await ScriptedServer.start { _, _ in .send("OK\n") },
            try await ScriptedServer.start { _, _ in .send("OK\n") },
        ]
        let group = MultiThreadedEventLoopGroup.singleton
        var options = ClientOptions()
        options.connections = 1
        let pool = ConnectionPool(group: group, options: options)
        let patience = Patience(.seconds(60))

        let first = try await pool.link(to: servers[0].endpoint, until: patience)
        _ = try await pool.link(to: servers[1].endpoint, until: patience)
        _ = try await first.send(ClientRequest(.ping), until: patience)
        // Used, it is the one that has done nothing for longest.
        let third = try await ScriptedServer.start { _, _ in .send("OK\n") }
        _ = try await pool.link(to: third.endpoint, until: patience)

        #expect(!first.isOpen)
        await pool.shutDown()
        for server in servers + [third] { try await server.stop() }
    }

    @Test func `what is asked of a client that was closed fails and does not hang`() async throws {
        let file = try await ScriptedServer.start(greeting: "OK DFS/1 role=file id=m1 epoch=1\n") {
            _, _ in .silence
        }
        let names = try await ScriptedServer.start { _, _ in .silence }
        let client = DFSClient(nameServers: [names.endpoint])
        let link = try await client.pool.link(to: file.endpoint, until: Patience(.seconds(60)))
        async let waiting = Self.failure(toSend: link)
        async let following = Self.failure(toFollow: link)
        _ = await file.lines(2)

        await client.close()
        let failures = [
            await waiting, await following, await Self.failure(toSend: link),
            await Self.failure(toFollow: link),
        ]

        for failure in failures {
            let isClosed = if case .closed? = failure { true } else { false }
            #expect(isClosed)
        }
        try await file.stop()
        try await names.stop()
    }

    private static func failure(toSend link: ServerLink) async -> ConnectionError? {
        do throws(ConnectionError) {
            _ = try await link.send(ClientRequest(.ping), until: Patience(.seconds(600)))
            return nil
        } catch {
            return error
        }
    }

    private static func failure(toFollow link: ServerLink) async -> ConnectionError? {
        do throws(ConnectionError) {
            _ = try await link.stream(ClientRequest(.follow, tagged: true)) { _ in true }
            return nil
        } catch {
            return error
        }
    }

    // MARK: Sessions

    @Test func `a session that is over leaves nothing at its connection`() async throws {
        try await withFileServer { line, _ in
            .send(line.hasPrefix("OPEN") ? Self.leased : "OK size=10 ver=1\n")
        } _: { client, _ in
            let first = try await client.open(path, .read, lease: .seconds(30))
            let link = try #require(first.session.lastSeat?.link)
            #expect(link.watchers == 1)
            _ = try await first.close()
            #expect(link.watchers == 0)

            var second: RemoteFile? = try await client.open(path, .read, lease: .seconds(30))
            #expect(second?.session.lastSeat?.link === link)
            #expect(link.watchers == 1)
            second = nil
            while link.watchers > 0 { await Task.yield() }
        }
    }

    @Test func `a session that can not come back any more is not asked for without end`()
        async throws
    {
        try await withFileServer { line, _ in
            line.hasPrefix("OPEN")
                ? .send("OK h=s1 size=10 ver=1 fid=7 lease=60 token=00ff\n")
                : .send("OK lease=60\n")
        } _: { client, server in
            let file = try await client.open(path, .read, lease: .milliseconds(60))
            _ = await server.file.lines { $0.contains { $0.hasPrefix("RENEW") } }
            #expect(file.session.state.withLock { $0.keeper != nil })

            await client.close()

            while file.session.state.withLock({ $0.keeper != nil }) { await Task.yield() }
            let failure = await refusal { _ = try await file.read(at: 0, count: 1) }
            #expect(failure?.code == "connection-lost")
        }
    }

    @Test func `a busy server is asked to renew all the same`() async throws {
        let lines = try await withFileServer { line, _ in
            switch line.split(separator: " ")[0] {
            case "OPEN": .send("OK h=s1 size=10 ver=1 fid=7 lease=60 token=00ff\n")
            case "RENEW": .send("OK lease=60\n")
            default: .send("ERR busy retry=1 \"x\"\n")
            }
        } _: { client, server in
            let file = try await client.open(path, .read, lease: .milliseconds(60))
            // As fast as it goes: the last request is never a third of the lease ago.
            while !server.file.lines.contains("RENEW s1") {
                let failure = await refusal { _ = try await file.read(at: 0, count: 1) }
                #expect(failure?.known == .busy)
            }
            return server.lines
        }

        #expect(lines.contains("RENEW s1"))
    }

    @Test func `a reader whose turn does not come can be given up`() async throws {
        let failures = try await withFileServer { line, _ in
            line.hasPrefix("OPEN") ? .send(Self.leased) : .silence
        } _: { client, server in
            let file = try await client.open(path, .read)
            let first = Task { await refusal { _ = try await file.readNext(count: 1) } }
            _ = await server.file.lines(2)
            let second = Task { await refusal { _ = try await file.readNext(count: 1) } }
            second.cancel()
            let failure = await second.value
            first.cancel()
            return [failure, await first.value]
        }

        #expect(failures.map { $0?.known } == [.cancelled, .cancelled])
    }

    @Test func `turns come in order, and one that is not taken goes to the next`() async throws {
        let turns = Turns()
        let long = Patience(.seconds(600))
        #expect(await turns.begin(until: long))
        let impatient = await turns.begin(until: Patience(.milliseconds(1)))
        async let next = turns.begin(until: long)
        turns.end()

        #expect(!impatient)
        #expect(await next)
        turns.end()
        #expect(await turns.begin(until: long))
    }

    // MARK: What servers tell

    @Test func `addresses of servers that are not there any more are forgotten`() async throws {
        try await withClient { line, _ in
            line.hasPrefix("SERVERS")
                ? .send("* server id=m1 addr=127.0.0.1:9 state=up\nOK count=1\n")
                : .send("OK path=/a server=gone addr=127.0.0.1:9 state=up\n")
        } _: { client, _ in
            _ = try await client.locate(path)
            #expect(client.addresses.withLock { $0.keys.map(\.text) } == ["gone"])
            _ = try await client.servers()
            #expect(client.addresses.withLock { $0.keys.map(\.text) } == ["m1"])

            client.addresses.withLock { known in
                for number in 0..<65_536 {
                    guard let id = ServerID("invented\(number)") else { continue }
                    known[id] = Endpoint(host: "127.0.0.1", port: 9)
                }
            }
            _ = try await client.locate(path)
            #expect(client.addresses.withLock { $0.keys.map(\.text) } == ["gone"])
        }
    }

    @Test func `a silence is told from when it began`() throws {
        let silences = Silences()
        let endpoint = Endpoint(host: "127.0.0.1", port: 1)
        let (one, other) = (Patience(.seconds(600)), Patience(.seconds(600)))

        #expect(silences.begin(one, at: endpoint) == nil)
        silences.end(
            one, at: endpoint, .notGreeted(endpoint), since: .now - .seconds(3), heard: nil)
        #expect(silences.begin(one, at: endpoint) == nil)

        let silence = try #require(silences.begin(other, at: endpoint))
        #expect(silence >= .seconds(3))
        #expect(silence < .seconds(600))
    }
}
