import DFSProtocol
import DFSTransport
import Dispatch
import NIOCore
import Testing

@testable import DFSClient

/// How long servers that are away are waited for, on a clock that is moved by hand.
///
/// What is asked gets many minutes for its work; a server that is away gets one deadline, of ten
/// seconds.
@Suite(.timeLimit(.minutes(2))) struct OutageTests {
    private static let work: Int64 = 1 << 33
    /// One deadline, and what the last attempt and its question to the name server take.
    private static let bound = Duration.seconds(25)
    private static let greeting = "OK DFS/1 role=file id=m1 epoch=1 max-data=1048576\n"

    /// A client, its servers and its clock.
    private struct World {
        let client: DFSClient
        let names: ScriptedServer
        let file: ScriptedServer
        let clock: HandClock

        /// Waits with the patience of a long transfer, as what belongs to one.
        func search() async -> DFSError? {
            let patience = client.patience(forWorkOn: OutageTests.work)
            return await refusal {
                _ = try await client.onOwner(
                    of: TreePath("/a"), at: nil, .always, patience, waits: true
                ) { (link) throws(ConnectionError) in
                    try await client.send(ClientRequest(.stat), to: link, until: patience)
                }
            }
        }
    }

    /// Runs a body with a name server that has every file on one file server, and knows it as up.
    ///
    /// - Parameter names: What the name server answers instead; nil for that.
    private func run<Result: Sendable>(
        _ clock: HandClock = HandClock(), deadline: Duration = .seconds(10),
        names: @escaping @Sendable (String) -> ScriptedServer.Answer? = { _ in nil },
        file: @escaping ScriptedServer.Script, _ body: (World) async throws -> Result
    ) async throws -> Result {
        let fileServer = try await ScriptedServer.start(greeting: Self.greeting, file)
        let address = fileServer.endpoint
        let nameServer = try await ScriptedServer.start { line, _ in
            if let answer = names(line) { return answer }
            switch line.split(separator: " ").first {
            case "LOCATE", "CREATE":
                return .send("OK path=/a server=m1 addr=\(address) state=up size=8 ver=1\n")
            case "SERVERS": return .send("* server id=m1 addr=\(address) state=up\nOK count=1\n")
            default: return .send("OK\n")
            }
        }
        var options = ClientOptions()
        options.deadline = deadline
        let client = DFSClient(
            nameServers: [nameServer.endpoint], options: options, clock: clock.waiting)
        let world = World(client: client, names: nameServer, file: fileServer, clock: clock)
        let result = try await body(world)
        await client.close()
        try await nameServer.stop()
        // A test may have stopped it before.
        try await fileServer.stop()
        return result
    }

    // MARK: One request

    @Test func `a server that is said to be down is waited for one deadline`() async throws {
        let (failure, passed) = try await run(
            names: { $0.hasPrefix("LOCATE") ? .send(TransferFixture.refusedAsDown) : nil },
            file: { _, _ in .silence }
        ) { world in
            (await world.search(), world.clock.passed)
        }

        #expect(failure?.known == .serverDown)
        #expect((Duration.seconds(10)...Self.bound).contains(passed))
    }

    @Test func `a server that is said to be up and can not be reached is waited for one deadline`()
        async throws
    {
        let (failure, passed) = try await run(file: { _, _ in .silence }) { world in
            try await world.file.stop()
            return (await world.search(), world.clock.passed)
        }

        #expect(failure?.code == "unreachable")
        #expect((Duration.seconds(10)...Self.bound).contains(passed))
    }

    @Test func `a server that is silent for another call is waited for one deadline`() async throws
    {
        let (failure, passed) = try await run(file: { _, _ in .silence }) { world in
            let (silences, other) = (world.client.silences, world.client.patience())
            // A call is known by its patience, for as long as that is there.
            defer { withExtendedLifetime(other) {} }
            silences.end(
                other, at: world.file.endpoint, .timedOut(.fetch), since: .now, heard: nil)
            #expect(silences.begin(other, at: world.file.endpoint) == nil)
            return (await world.search(), world.clock.passed)
        }

        #expect(failure?.known == .timeout)
        #expect(failure?.advice.contains("was not asked for this") == true)
        #expect((Duration.seconds(10)...Self.bound).contains(passed))
    }

    // MARK: A lost answer

    private static func store(_ client: DFSClient) async -> DFSError? {
        await refusal {
            var pieces = [ByteBuffer(string: "ab")]
            _ = try await client.store(TreePath("/a"), verifies: false) { pieces.popLast() }
        }
    }

    @Test func `a STORE is not repeated once its server may have forgotten it`() async throws {
        let clock = HandClock { clock, _ in clock.move(.seconds(60)) }
        let (failure, lines) = try await run(clock, deadline: .seconds(600)) { line, _ in
            line.hasPrefix("STORE") ? .hangUp : .send("ERR not-found path=/a\n")
        } _: { world in
            (await Self.store(world.client), world.file.lines)
        }

        #expect(failure?.code == "connection-lost")
        #expect(failure?.isOutcomeUnknown == true)
        #expect(failure?.isTargetUntouched == false)
        #expect(lines.count { $0.hasPrefix("STORE") } == 1)
    }

    @Test func `a STORE that is given up after its answer was lost may have been done`()
        async throws
    {
        let (pauses, paused) = AsyncStream.makeStream(of: Void.self)
        let clock = HandClock { _, _ in
            paused.yield()
            try await HandClock.forever()
        }
        let failure = try await run(clock, file: { _, _ in .hangUp }) { world in
            let storing = Task { await Self.store(world.client) }
            for await _ in pauses { break }
            storing.cancel()
            return await storing.value
        }

        #expect(failure?.known == .cancelled)
        #expect(failure?.isOutcomeUnknown == true)
        #expect(failure?.isTargetUntouched == false)
    }

    @Test func `a STORE that is hung up on each time ends in doubt after one deadline`()
        async throws
    {
        let (failure, lines, passed) = try await run(
            deadline: .seconds(40), file: { _, _ in .hangUp }
        ) { world in
            (await Self.store(world.client), world.file.lines, world.clock.passed)
        }

        #expect(failure?.isOutcomeUnknown == true)
        #expect(lines.count { $0.hasPrefix("STORE") } > 1)
        #expect((Duration.seconds(40)...Duration.seconds(56)).contains(passed))
    }

    // MARK: Sessions

    private static let leased: ScriptedServer.Script = { _, _ in .send(TransferFixture.leased) }

    private static func open(_ client: DFSClient) async throws -> RemoteFile {
        try await client.open(
            Opening(
                path: TreePath("/a"), mode: .readWrite, lease: .seconds(30), waitsForServer: true))
    }

    @Test func `a SYNC waits one deadline where the name server is away too`() async throws {
        let (failure, passed) = try await run(
            names: { $0.hasPrefix("SERVERS") ? .hangUp : nil }, file: Self.leased
        ) { world in
            let file = try await Self.open(world.client)
            try await world.file.stop()
            let patience = world.client.patience(forWorkOn: Self.work)
            let failure = await refusal {
                _ = try await file.session.perform(.init(.sync, .syncs), patience)
            }
            return (failure, world.clock.passed)
        }

        #expect(failure?.code == "unreachable")
        #expect((Duration.seconds(10)...Self.bound).contains(passed))
    }

    @Test func `a session's server that is said to be down is waited for one deadline`()
        async throws
    {
        let (failure, passed) = try await run(
            names: {
                $0.hasPrefix("SERVERS")
                    ? .send("* server id=m1 addr=127.0.0.1:1 state=down seen=3000\nOK count=1\n")
                    : nil
            }, file: Self.leased
        ) { world in
            let file = try await Self.open(world.client)
            try await world.file.stop()
            let patience = world.client.patience(forWorkOn: Self.work)
            let failure = await refusal {
                _ = try await file.session.perform(.init(.sync, .syncs), patience)
            }
            return (failure, world.clock.passed)
        }

        #expect(failure?.known == .serverDown)
        #expect(failure?.seenMilliseconds == 3000)
        #expect((Duration.seconds(10)...Self.bound).contains(passed))
    }

    @Test func `a CLOSE waits one deadline for a server that is away`() async throws {
        let (failure, passed) = try await run(file: Self.leased) { world in
            let file = try await Self.open(world.client)
            try await world.file.stop()
            let patience = world.client.patience(forWorkOn: Self.work)
            let failure = await refusal { _ = try await file.session.close(patience) }
            return (failure, world.clock.passed)
        }

        #expect(failure?.code == "unreachable")
        #expect((Duration.seconds(10)...Self.bound).contains(passed))
    }

    @Test func `a read from the cursor has its whole deadline from its turn on`() async throws {
        let isQueued = DispatchSemaphore(value: 0)
        let clock = HandClock { _, _ in
            // The only one who waits on the clock is who waits for the turn.
            isQueued.signal()
            try await HandClock.forever()
        }
        let counts = VerbCounts()
        let (first, second) = try await run(clock, deadline: .seconds(600)) { line, _ in
            guard line.hasPrefix("READ") else {
                return .send("OK h=h1 size=8 ver=1 fid=7 lease=conn\n")
            }
            if counts.next("READ") == 1 {
                isQueued.wait()
                clock.move(.seconds(600))
            }
            return .send("OK bytes=1 eof=no {1}\nx\n")
        } _: { world in
            let file = try await world.client.open(TreePath("/a"), .read)
            async let first = file.readNext(count: 1)
            _ = await world.file.lines { $0.contains { $0.hasPrefix("READ") } }
            async let second = file.readNext(count: 1)
            return (try await first.bytes.readableBytes, try await second.bytes.readableBytes)
        }

        #expect(first == 1)
        #expect(second == 1)
    }
}
