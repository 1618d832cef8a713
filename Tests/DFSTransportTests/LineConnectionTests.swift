import DFSProtocol
import NIOCore
import NIOPosix
import Testing

@testable import DFSTransport

struct LineConnectionTests {
    private static let group = MultiThreadedEventLoopGroup.singleton
    private static let patience = Duration.seconds(20)
    private static let greeting = "OK DFS/1 role=file id=x epoch=1\n"

    private func connected(
        to server: FakeServer, trace: (@Sendable (TraceLine) -> Void)? = nil,
        notices: (@Sendable (ReplyLine) -> Void)? = nil
    ) async throws -> LineConnection {
        try await LineConnection.open(
            to: server.endpoint, timeout: Self.patience, on: Self.group, trace: trace,
            notices: notices)
    }

    private func failure(
        of request: ClientRequest, on connection: LineConnection, timeout: Duration = patience
    ) async -> ConnectionError? {
        do throws(ConnectionError) {
            _ = try await connection.send(request, timeout: timeout)
            return nil
        } catch {
            return error
        }
    }

    @Test func `an answer has items, a final line and a payload`() async throws {
        let server = try await FakeServer.start(greeting: Self.greeting) { line in
            line.hasPrefix("READ h1") ? "* a=1 {2}\nxy\n* b=2\nOK bytes=3 {3}\nq\nr\n" : "OK\n"
        }
        let connection = try await connected(to: server)
        var request = ClientRequest(.read)
        request.operand("h1")
        request.operand(3)
        request.maximumPayload = 3

        let reply = try await connection.send(request, timeout: Self.patience)

        #expect(connection.greeting.text("id") == "x")
        #expect(reply.items.map { $0.payload.map { String(buffer: $0) } } == ["xy", nil])
        #expect(try reply.final.number("bytes") == 3)
        #expect(reply.payload == ByteBuffer(string: "q\nr"))
        await server.stop()
    }

    @Test func `tagged answers find who asked in any order`() async throws {
        let server = try await FakeServer.start(greeting: Self.greeting) { line in
            // The first request is answered together with the second one, and after it.
            line.hasPrefix("@1 ") ? "" : "@2 OK second\n@1 OK first\n"
        }
        let connection = try await connected(to: server)

        async let first = connection.send(
            ClientRequest(.ping, tagged: true), timeout: Self.patience)
        async let second = connection.send(
            ClientRequest(.ping, tagged: true), timeout: Self.patience)
        let words = try await [first, second].map { $0.final.operands }

        #expect(Set(words) == [[[UInt8]("first".utf8)], [[UInt8]("second".utf8)]])
        await server.stop()
    }

    @Test func `a refusal keeps its code, also one that is not known here`() async throws {
        let server = try await FakeServer.start(greeting: Self.greeting) { _ in
            "ERR brand-new retry=5 \"try later\"\n"
        }
        let connection = try await connected(to: server)

        let error = await failure(of: ClientRequest(.ping), on: connection)

        guard case .refused(let refusal)? = error else { throw UnexpectedOutcome() }
        #expect(refusal.code == "brand-new")
        #expect(refusal.known == nil)
        #expect(try refusal.line.number("retry") == 5)
        #expect(refusal.advice == "try later")
        #expect(connection.isOpen)
        await server.stop()
    }

    @Test(arguments: [
        "OK bytes=4 {4}\nabcd\n", "@9 OK\n", "nonsense\n", "OK {x}\n", "OK {99999999999}\n",
        "OK \"unclosed\n",
    ])
    func `a server that breaks the protocol is left`(answer: String) async throws {
        let server = try await FakeServer.start(greeting: Self.greeting) { _ in answer }
        let connection = try await connected(to: server)
        var request = ClientRequest(.ping)
        request.maximumPayload = 3

        let error = await failure(of: request, on: connection)

        guard case .violation? = error else { throw UnexpectedOutcome() }
        let later = await failure(of: request, on: connection)
        guard case .violation? = later else { throw UnexpectedOutcome() }
        await server.stop()
    }

    @Test func `a line without end is a violation and not a memory`() async throws {
        let server = try await FakeServer.start(greeting: Self.greeting) { _ in
            "OK " + String(repeating: "x", count: 300_000)
        }
        let connection = try await connected(to: server)

        let error = await failure(of: ClientRequest(.ping), on: connection)

        guard case .violation? = error else { throw UnexpectedOutcome() }
        await server.stop()
    }

    @Test func `something that is no dfs server is told apart`() async throws {
        let server = try await FakeServer.start(greeting: "SSH-2.0-OpenSSH_9.2\n") { _ in "" }

        do {
            _ = try await connected(to: server)
            throw UnexpectedOutcome()
        } catch ConnectionError.violation(let reason) {
            #expect(!reason.isEmpty)
        }
        await server.stop()
    }

    @Test func `a full server's refusal takes the place of the greeting`() async throws {
        let server = try await FakeServer.start(greeting: "ERR too-many fatal \"full\"\n") { _ in ""
        }

        do {
            _ = try await connected(to: server)
            throw UnexpectedOutcome()
        } catch ConnectionError.refused(let refusal) {
            #expect(refusal.known == .tooMany)
        }
        await server.stop()
    }

    @Test func `a server that never greets is given up`() async throws {
        let server = try await FakeServer.start(greeting: "") { _ in "" }

        await #expect(throws: ConnectionError.self) {
            _ = try await LineConnection.open(
                to: server.endpoint, timeout: .milliseconds(50), on: Self.group)
        }
        await server.stop()
    }

    @Test func `an address without a server is unreachable`() async throws {
        let unused = try BoundPort()

        do {
            _ = try await LineConnection.open(
                to: unused.endpoint, timeout: Self.patience, on: Self.group)
            throw UnexpectedOutcome()
        } catch ConnectionError.unreachable(let endpoint, let reason) {
            #expect(endpoint == unused.endpoint)
            #expect(reason.contains("refused"))
        }
    }

    @Test func `an untagged request that is given up ends the connection`() async throws {
        let server = try await FakeServer.start(greeting: Self.greeting) { _ in "" }
        let connection = try await connected(to: server)

        let error = await failure(
            of: ClientRequest(.ping), on: connection, timeout: .milliseconds(50))

        guard case .timedOut? = error else { throw UnexpectedOutcome() }
        let later = await failure(of: ClientRequest(.ping), on: connection)
        guard case .closed? = later else { throw UnexpectedOutcome() }
        await server.stop()
    }

    @Test func `a tagged request that is given up is cancelled and the connection lives`()
        async throws
    {
        let server = try await FakeServer.start(greeting: Self.greeting) { line in
            if line == "@2 CANCEL @1" { return "@1 ERR cancelled \"x\"\n@2 OK\n" }
            return line == "PING" ? "OK pong\n" : ""
        }
        let connection = try await connected(to: server)

        let error = await failure(
            of: ClientRequest(.ping, tagged: true), on: connection, timeout: .milliseconds(50))
        let pong = try await connection.send(ClientRequest(.ping), timeout: Self.patience)

        guard case .timedOut? = error else { throw UnexpectedOutcome() }
        #expect(pong.final.operands == [[UInt8]("pong".utf8)])
        await server.stop()
    }

    @Test func `a cancelled task stops waiting`() async throws {
        let server = try await FakeServer.start(greeting: Self.greeting) { _ in "" }
        let connection = try await connected(to: server)
        let task = Task {
            await failure(of: ClientRequest(.ping, tagged: true), on: connection)
        }

        task.cancel()

        guard case .cancelled? = await task.value else { throw UnexpectedOutcome() }
        await server.stop()
    }

    @Test func `a server that goes away fails what waits`() async throws {
        let server = try await FakeServer.start(greeting: Self.greeting) { line in
            line == "PING" ? nil : ""
        }
        let connection = try await connected(to: server)

        let error = await failure(of: ClientRequest(.ping), on: connection)

        guard case .closed? = error else { throw UnexpectedOutcome() }
        await server.stop()
    }

    @Test func `notices and every line reach who listens`() async throws {
        let server = try await FakeServer.start(greeting: Self.greeting) { line in
            line.hasPrefix("PING") ? "! change seq=1 path=/a\nOK\n" : ""
        }
        let heard = Recorder<String>()
        let connection = try await connected(
            to: server,
            trace: { heard.add("\($0.sender) \(String(decoding: $0.line, as: UTF8.self))") },
            notices: { heard.add("notice \($0.text("path") ?? "")") })

        var request = ClientRequest(.ping)
        request.payload = ByteBuffer(string: "ab")
        _ = try await connection.send(request, timeout: Self.patience)

        #expect(
            heard.all == [
                "server OK DFS/1 role=file id=x epoch=1", "client PING {2}",
                "server ! change seq=1 path=/a", "notice /a", "server OK",
            ])
        await server.stop()
    }

    @Test func `a real server answers a real client`() async throws {
        let server = try await LineServer.start(
            at: Endpoint(host: "127.0.0.1", port: 0), on: Self.group
        ) { _ in ScriptedResponder() }
        let connection = try await LineConnection.open(
            to: server.endpoint, timeout: Self.patience, on: Self.group)
        var stat = ClientRequest(.stat)
        stat.operand("/a")
        let request = stat

        let replies = try await withThrowingTaskGroup(of: String?.self) { tasks in
            for _ in 0..<200 {
                tasks.addTask {
                    try await connection.send(request, timeout: Self.patience).final.text("type")
                }
            }
            return try await tasks.reduce(into: []) { $0.append($1) }
        }

        #expect(replies == Array(repeating: "file", count: 200))
        await server.shutDown()
        let error = await failure(of: stat, on: connection)
        #expect(error != nil)
    }

    @Test func `an address in use is refused with the system's words`() async throws {
        let server = try await LineServer.start(
            at: Endpoint(host: "127.0.0.1", port: 0), on: Self.group
        ) { _ in ScriptedResponder() }

        do {
            _ = try await LineServer.start(at: server.endpoint, on: Self.group) { _ in
                ScriptedResponder()
            }
            throw UnexpectedOutcome()
        } catch ConnectionError.unreachable(_, let reason) {
            #expect(reason.contains("Address already in use"))
        }
        await server.shutDown()
    }
}

/// Thrown where a test got something else than it is about.
struct UnexpectedOutcome: Error {}
