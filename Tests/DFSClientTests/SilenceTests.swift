import DFSClient
import DFSProtocol
import NIOCore
import Synchronization
import Testing

/// Every operation against servers that accept and then say nothing, or begin to and stop.
@Suite(.serialized, .timeLimit(.minutes(3))) struct SilenceTests {
    enum Silence: CaseIterable, Sendable {
        case beforeGreeting, afterGreeting, inPayload, inLine, butForPing

        var answer: ScriptedServer.Answer {
            switch self {
            case .inPayload: .send("OK size=6 ver=1 fid=7 bytes=6 eof=yes {60000}\nabc")
            case .inLine: .send("OK size=6 ver=")
            default: .silence
            }
        }
    }

    /// One call of the public interface.
    struct Operation: Sendable {
        let name: String
        /// Whether it may have been done where its answer does not come.
        let isUnknown: Bool
        let run: @Sendable (DFSClient) async throws -> Void

        init(
            _ name: String, isUnknown: Bool = false,
            _ run: @escaping @Sendable (DFSClient) async throws -> Void
        ) {
            self.name = name
            self.isUnknown = isUnknown
            self.run = run
        }
    }

    private static func store(_ client: DFSClient, _ count: Int) async throws {
        var pieces = [ByteBuffer(repeating: 120, count: count)]
        _ = try await client.store(TreePath("/a")) { pieces.popLast() }
    }

    /// What only the name server is asked for.
    private static let names: [Operation] = [
        .init("LOCATE") { _ = try await $0.locate(TreePath("/a")) },
        .init("LIST") { _ = try await $0.list(.root).all() },
        .init("FIND") { _ = try await $0.find(.root).all() },
        .init("STAT") { _ = try await $0.stat(TreePath("/a")) },
        .init("DU") { _ = try await $0.diskUsage(.root) },
        .init("SERVERS") { _ = try await $0.servers() },
        .init("SERVERS") { _ = try await $0.handles() },
        .init("STATUS") { _ = try await $0.status() },
        .init("MKDIR", isUnknown: true) { try await $0.makeDirectory(TreePath("/d")) },
        .init("REMOVE", isUnknown: true) { try await $0.remove(TreePath("/a")) },
        .init("RENAME", isUnknown: true) {
            try await $0.rename(TreePath("/a"), to: TreePath("/b"))
        },
        .init("CREATE", isUnknown: true) { _ = try await $0.create(TreePath("/b")) },
        .init("LOCATE") { _ = try await $0.fetch(TreePath("/a")) { _ in } },
        .init("LOCATE") { _ = try await $0.open(TreePath("/a"), .read) },
        .init("LOCATE") { _ = try await $0.copy(TreePath("/a"), to: TreePath("/b")) },
    ]

    /// What a file server is asked for, without a session.
    private static let files: [Operation] = [
        .init("FETCH") { _ = try await $0.fetch(TreePath("/a"), verifies: false) { _ in } },
        .init("") { _ = try await $0.fetch(TreePath("/a")) { _ in } },
        .init("FETCH") { _ = try await $0.fetch(TreePath("/a"), offset: 0, count: 6) },
        .init("DIGEST") { _ = try await $0.digest(of: TreePath("/a")) },
        .init("DIGEST") { _ = try await $0.copy(TreePath("/a"), to: TreePath("/b")) },
        .init("STORE", isUnknown: true) { try await store($0, 5) },
        // Nothing has its name before the end; the mode of what is there is asked for first.
        .init("STAT") { try await store($0, 3_000_000) },
        .init("OPEN") { _ = try await $0.open(TreePath("/a"), .read) },
        .init("OPEN") { _ = try await $0.open(TreePath("/a"), .readWrite) },
        .init("OPEN", isUnknown: true) { _ = try await $0.open(TreePath("/a"), .create) },
        .init("OPEN", isUnknown: true) { _ = try await $0.open(TreePath("/a"), .createNew) },
        .init("OPEN") { _ = try await $0.follow(TreePath("/a")) },
        .init("HANDLES") { _ = try await $0.handles(on: try await $0.servers()[0]) },
        .init("HANDLES") { _ = try await $0.handles()[0].result.get() },
        .init("STATUS") { _ = try await $0.status(of: try await $0.servers()[0]) },
        .init("KILL", isUnknown: true) {
            try await $0.kill([UInt8]("h1".utf8), on: try await $0.servers()[0])
        },
    ]

    /// What is asked of a session that is open.
    private static let sessions: [(String, Bool, @Sendable (RemoteFile) async throws -> Void)] = [
        ("READ", false, { _ = try await $0.read(at: 0, count: 6) }),
        ("READ", false, { _ = try await $0.readNext(count: 6) }),
        ("WRITE", true, { try await $0.write(ByteBuffer(string: "ab"), at: 0) }),
        ("APPEND", true, { try await $0.append(ByteBuffer(string: "ab")) }),
        ("TRUNCATE", true, { try await $0.truncate(to: 5) }),
        ("SYNC", true, { try await $0.sync() }),
        ("STAT", false, { _ = try await $0.status() }),
        ("SETATTR", true, { try await $0.setAttributes(mode: FileMode(bits: 0o600)) }),
        ("CLOSE", true, { try await $0.close() }),
    ]

    private static func client(_ endpoint: Endpoint) -> DFSClient {
        var options = ClientOptions()
        options.deadline = .seconds(1)
        return DFSClient(nameServers: [endpoint], options: options)
    }

    /// Runs every operation with a client of its own, side by side, and gives how each failed.
    private static func failures(
        of operations: [Operation], _ names: Endpoint
    ) async -> [(Operation, DFSError?)] {
        await withTaskGroup(of: (Operation, DFSError?).self) { group in
            for operation in operations {
                group.addTask {
                    let client = Self.client(names)
                    let failure = await refusal { try await operation.run(client) }
                    await client.close()
                    return (operation, failure)
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }

    private static func check(
        _ failures: [(Operation, DFSError?)], _ silence: Silence, _ server: String
    ) {
        for (operation, failure) in failures {
            let comment = Comment(rawValue: "\(operation.name): \(failure.map { "\($0)" } ?? "-")")
            #expect(failure?.known == .timeout, comment)
            let advice = failure?.advice ?? ""
            #expect(advice.contains(server), comment)
            guard silence != .beforeGreeting else {
                #expect(failure?.isOutcomeUnknown == false, comment)
                continue
            }
            #expect(advice.contains("did not answer \(operation.name)"), comment)
            #expect(failure?.isOutcomeUnknown == operation.isUnknown, comment)
            #expect(
                advice.contains(
                    operation.isUnknown ? "whether it happened is not known" : "nothing was changed"
                ), comment)
        }
    }

    @Test(arguments: Silence.allCases)
    func `a name server that falls silent ends every call at its deadline`(
        silence: Silence
    ) async throws {
        let names = try await ScriptedServer.start(
            greeting: silence == .beforeGreeting ? "" : "OK DFS/1 role=name id=fake\n"
        ) { line, _ in
            silence == .butForPing && line.hasPrefix("PING") ? .send("OK\n") : silence.answer
        }

        let failures = await Self.failures(of: Self.names, names.endpoint)

        Self.check(failures, silence, "the name server at \(names.endpoint)")
        try await names.stop()
    }

    /// A name server that has every file on one file server, and knows it as up.
    private static func names(of file: ScriptedServer) async throws -> ScriptedServer {
        let address = file.endpoint
        return try await ScriptedServer.start { line, _ in
            switch line.split(separator: " ")[0] {
            case "LOCATE", "CREATE":
                .send("OK path=/a server=m1 addr=\(address) state=up size=6 ver=1\n")
            case "SERVERS": .send("* server id=m1 addr=\(address) state=up\nOK count=1\n")
            default: .send("OK\n")
            }
        }
    }

    @Test(arguments: Silence.allCases)
    func `a file server that falls silent ends every call at its deadline`(
        silence: Silence
    ) async throws {
        let file = try await ScriptedServer.start(
            greeting: silence == .beforeGreeting ? "" : "OK DFS/1 role=file id=m1 epoch=1\n"
        ) { line, _ in
            silence == .butForPing && line.hasPrefix("PING") ? .send("OK\n") : silence.answer
        }
        let names = try await Self.names(of: file)

        let failures = await Self.failures(of: Self.files, names.endpoint)

        Self.check(failures, silence, "file server m1 at \(file.endpoint)")
        try await names.stop()
        try await file.stop()
    }

    @Test(arguments: Silence.allCases.filter { $0 != .beforeGreeting })
    func `a session whose server falls silent ends every call at its deadline`(
        silence: Silence
    ) async throws {
        let file = try await ScriptedServer.start(
            greeting: "OK DFS/1 role=file id=m1 epoch=1\n"
        ) { line, _ in
            if line.hasPrefix("OPEN") { return .send("OK h=h1 size=6 ver=1 fid=7 lease=conn\n") }
            return silence == .butForPing && line.hasPrefix("PING") ? .send("OK\n") : silence.answer
        }
        let names = try await Self.names(of: file)
        let operations = Self.sessions.map { name, isUnknown, run in
            Operation(name, isUnknown: isUnknown) {
                try await run(try await $0.open(TreePath("/a"), .readWrite))
            }
        }

        let failures = await Self.failures(of: operations, names.endpoint)

        Self.check(failures, silence, "file server m1 at \(file.endpoint)")
        try await names.stop()
        try await file.stop()
    }

    @Test func `a server that lost a whole deadline is waited for by one call at a time`()
        async throws
    {
        let file = try await ScriptedServer.start(
            greeting: "OK DFS/1 role=file id=m1 epoch=1\n"
        ) { _, _ in .silence }
        let names = try await Self.names(of: file)
        let client = Self.client(names.endpoint)
        let fetch = { @Sendable in
            await refusal { _ = try await client.fetch(TreePath("/a"), offset: 0, count: 1) }
        }

        let first = await fetch()
        async let waiting = fetch()
        _ = await file.lines { $0.count { $0.hasPrefix("FETCH") } == 2 }
        let others = [await fetch(), await fetch()]
        let probe = await waiting

        #expect(first?.advice.contains("did not answer FETCH") == true)
        #expect(probe?.advice.contains("did not answer FETCH") == true)
        for other in others {
            #expect(other?.known == .timeout)
            #expect(other?.server?.text == "m1")
            #expect(other?.advice.contains("was not asked") == true)
            #expect(other?.isOutcomeUnknown == false)
        }
        #expect(file.lines.count { $0.hasPrefix("FETCH") } == 2)
        await client.close()
        try await names.stop()
        try await file.stop()
    }

    @Test func `the first answer ends a server's silence`() async throws {
        let file = try await ScriptedServer.start(
            greeting: "OK DFS/1 role=file id=m1 epoch=1\n"
        ) { line, count in
            guard line.hasPrefix("FETCH") else { return .send("OK\n") }
            return count == 1 ? .silence : .send("OK size=6 ver=1 fid=7 eof=no {1}\nx\n")
        }
        let names = try await Self.names(of: file)
        let client = Self.client(names.endpoint)

        let first = await refusal {
            _ = try await client.fetch(TreePath("/a"), offset: 0, count: 1)
        }
        for _ in 0..<3 { _ = try await client.fetch(TreePath("/a"), offset: 0, count: 1) }

        #expect(first?.known == .timeout)
        await client.close()
        try await names.stop()
        try await file.stop()
    }

    @Test func `a file whose pieces come but never its digest is given up`() async throws {
        let file = try await ScriptedServer.start(
            greeting: "OK DFS/1 role=file id=m1 epoch=1\n"
        ) { line, _ in
            line.hasPrefix("FETCH")
                ? .send("OK size=6 ver=1 fid=7 eof=yes {6}\nabcdef\n") : .silence
        }
        let names = try await Self.names(of: file)
        let client = Self.client(names.endpoint)

        let failure = await refusal { _ = try await client.fetch(TreePath("/a")) { _ in } }

        #expect(failure?.advice.contains("did not answer DIGEST") == true)
        await client.close()
        try await names.stop()
        try await file.stop()
    }

    @Test func `an answer that is lost midway again and again is given up`() async throws {
        let file = try await ScriptedServer.start(
            greeting: "OK DFS/1 role=file id=m1 epoch=1\n"
        ) { _, _ in .sendAndHangUp("OK size=6 ver=1 fid=7 eof=yes {6}\nabc") }
        let names = try await Self.names(of: file)
        var options = ClientOptions()
        options.deadline = .seconds(600)
        let client = DFSClient(nameServers: [names.endpoint], options: options)

        let failure = await refusal {
            _ = try await client.fetch(TreePath("/a"), offset: 0, count: 6)
        }

        #expect(failure?.code == "connection-lost")
        #expect(failure?.isOutcomeUnknown == false)
        #expect(file.lines.count { $0.hasPrefix("FETCH") } == 8)
        await client.close()
        try await names.stop()
        try await file.stop()
    }

    @Test func `a name server that answers others is not silent, however long one thing takes`()
        async throws
    {
        let names = try await ScriptedServer.start { line, _ in
            line.hasPrefix("REMOVE")
                ? .silence : .send("OK path=/a server=m1 addr=127.0.0.1:9 state=up\n")
        }
        var options = ClientOptions()
        options.deadline = .seconds(2)
        let client = DFSClient(nameServers: [names.endpoint], options: options)
        _ = try await client.locate(TreePath("/a"))
        let isOver = Atomic(false)

        async let slow = refusal {
            try await client.remove(TreePath("/a"))
        }
        async let others: Void = {
            while !isOver.load(ordering: .relaxed) { _ = try await client.locate(TreePath("/a")) }
        }()
        let failure = await slow
        isOver.store(true, ordering: .relaxed)
        try await others
        // Another that takes long is the one that would wait for a silent server.
        let second = Task { await refusal { try await client.remove(TreePath("/a")) } }
        _ = await names.lines { $0.count { $0.hasPrefix("REMOVE") } == 2 }
        _ = try await client.locate(TreePath("/a"))

        #expect(failure?.known == .timeout)
        second.cancel()
        #expect(await second.value?.known == .cancelled)
        await client.close()
        try await names.stop()
    }
}
