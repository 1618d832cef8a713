import Crypto
import DFSClient
import DFSProtocol
import Glibc
import NIOCore
import Testing

import struct DFSClient.FileFacts

/// What is said of a file whose STORE or PULL was answered, and what failed came after.
@Suite struct StoreTests {
    private static func digest(of text: String) -> String {
        SHA256.hash(data: [UInt8](text.utf8)).map { byte in
            let digits = String(byte, radix: 16)
            return digits.utf8.count == 1 ? "0" + digits : digits
        }.joined()
    }

    private func store(_ client: DFSClient, _ content: String = "ab") async throws -> FileFacts {
        var pieces = [ByteBuffer(string: content)]
        return try await client.store(TreePath("/a")) { pieces.popLast() }
    }

    private static let sound = digest(of: "ab")

    /// What DIGEST answers after the STORE, and what becomes of it.
    private static let later: [(answer: String, code: String)] = [
        ("ERR io path=/a \"x\"\n", "io"), ("ERR not-found path=/a \"x\"\n", "not-found"),
        ("OK sha256=\(digest(of: "ax")) size=2 ver=3 fid=7\n", "corrupt"),
        ("OK sha256=\(sound) size=2 ver=4 fid=7\n", "stale-file"),
        ("OK sha256=\(digest(of: "ax")) size=2 ver=3 fid=8\n", "stale-file"),
        ("OK size=2 ver=3 fid=7\n", "protocol-violation"),
    ]

    @Test(arguments: later.indices)
    func `a file that was stored and could not be verified is told to be replaced`(
        index: Int
    ) async throws {
        let (answer, code) = Self.later[index]

        let failure = try await withFileServer { line, _ in
            .send(line.hasPrefix("STORE") ? "OK size=2 ver=3 fid=7\n" : answer)
        } _: { client, _ in
            await refusal { _ = try await store(client) }
        }

        #expect(failure?.code == code)
        #expect(failure?.isTargetReplaced == true)
        #expect(failure?.isOutcomeUnknown == true)
        #expect(failure?.isTargetUntouched == false)
    }

    @Test func `an answer to STORE that can not be read says that the file was replaced`()
        async throws
    {
        let failure = try await withFileServer { _, _ in
            .send("OK size=2\n")
        } _: { client, _ in
            await refusal { _ = try await store(client) }
        }

        #expect(failure?.code == "protocol-violation")
        #expect(failure?.isTargetReplaced == true)
    }

    @Test(arguments: ["io", "internal"])
    func `a STORE that could not be made durable is no success, though it stands there`(
        code: String
    ) async throws {
        let (failure, lines) = try await withFileServer { line, _ in
            .send(
                line.hasPrefix("STORE")
                    ? "ERR \(code) path=/a \"x\"\n"
                    : "OK sha256=\(Self.sound) size=2 ver=3 fid=7\n")
        } _: { client, server in
            (await refusal { _ = try await store(client) }, server.lines)
        }

        #expect(failure?.code == code)
        #expect(failure?.isOutcomeUnknown == true)
        #expect(failure?.isTargetUntouched == false)
        #expect(lines == ["STORE /a op=OP {2}"])
    }

    @Test func `a STORE that is refused replaced nothing`() async throws {
        let failure = try await withFileServer { _, _ in
            .send("ERR no-space \"x\"\n")
        } _: { client, _ in
            await refusal { _ = try await store(client) }
        }

        #expect(failure?.known == .noSpace)
        #expect(failure?.isTargetUntouched == true)
        #expect(failure?.isTargetReplaced == false)
        #expect(failure?.isOutcomeUnknown == false)
    }

    @Test func `a file that was replaced between FETCH and DIGEST is stale and not corrupt`()
        async throws
    {
        let failure = try await withFileServer { line, _ in
            .send(
                line.hasPrefix("FETCH")
                    ? "OK size=2 ver=1 fid=5 eof=yes {2}\nab\n"
                    : "OK sha256=\(Self.digest(of: "xy")) size=2 ver=1 fid=6\n")
        } _: { client, _ in
            await refusal { _ = try await client.fetch(TreePath("/a")) { _ in } }
        }

        #expect(failure?.known == .staleFile)
    }

    // MARK: Copies

    /// The source's digest first, the copy's second, and the source's again third.
    private func copied(
        _ contents: [String], versions: [Int] = [1, 1, 1]
    ) async throws -> Result<FileFacts, DFSError> {
        let verbs = VerbCounts()
        return try await withFileServer { line, _ in
            guard line.hasPrefix("DIGEST") else { return .send("OK size=2 ver=1 fid=9\n") }
            let number = verbs.next("DIGEST") - 1
            guard number < contents.count, number < versions.count else {
                return .send("ERR io path=/a \"x\"\n")
            }
            let fid = line == "DIGEST /b" ? 9 : 5
            return .send(
                "OK sha256=\(Self.digest(of: contents[number])) size=2 ver=\(versions[number]) "
                    + "fid=\(fid)\n")
        } _: { client, _ in
            do throws(DFSError) {
                return .success(
                    try await client.copy(
                        try DFSClientTests.path("/a"), to: try DFSClientTests.path("/b")))
            } catch {
                return .failure(error)
            }
        }
    }

    @Test func `a copy whose source was overwritten before it was made is a copy of that`()
        async throws
    {
        let facts = try await copied(["ab", "xy", "xy"], versions: [1, 1, 2]).get()

        #expect(facts.sha256 == Self.digest(of: "xy"))
    }

    @Test func `a copy that differs from a source that is as it was is corrupt`() async throws {
        let result = try await copied(["ab", "xy", "ab"])

        guard case .failure(let failure) = result else { throw Unexpected() }
        #expect(failure.known == .corrupt)
        #expect(failure.isTargetReplaced)
        #expect(failure.isOutcomeUnknown)
    }

    @Test func `a copy whose source keeps changing is stale`() async throws {
        let result = try await copied(["ab", "xy", "uv"], versions: [1, 1, 3])

        guard case .failure(let failure) = result else { throw Unexpected() }
        #expect(failure.known == .staleFile)
        #expect(failure.isTargetReplaced)
    }

    @Test func `a copy that was changed at once is stale`() async throws {
        let result = try await copied(["ab", "ab"], versions: [1, 2])

        guard case .failure(let failure) = result else { throw Unexpected() }
        #expect(failure.known == .staleFile)
        #expect(failure.path?.description == "/b")
    }

    @Test func `a copy whose digest can not be had is told to be there`() async throws {
        let result = try await copied(["ab"])

        guard case .failure(let failure) = result else { throw Unexpected() }
        #expect(failure.known == .io)
        #expect(failure.isTargetReplaced)
    }

    /// A disk that is slower than the deadline: the server answers the source's digest after it.
    @Test func `a copy has its whole deadline after a long digest of its source`() async throws {
        let deadline = Duration.seconds(2)
        let sound = Self.sound
        let file = try await ScriptedServer.start(
            greeting: "OK DFS/1 role=file id=m1 epoch=1 max-data=1048576\n"
        ) { line, _ in
            let end = ContinuousClock.now + deadline + .milliseconds(100)
            while line == "DIGEST /a", .now < end { usleep(10_000) }
            return .send(
                line.hasPrefix("DIGEST")
                    ? "OK sha256=\(sound) size=2 ver=1 fid=5\n" : "OK size=2 ver=1 fid=5\n")
        }
        let address = file.endpoint
        let facts = try await withClient(
            of: { line, _ in
                line.hasPrefix("CREATE")
                    ? .send("ERR exists path=/b \"x\"\n")
                    : .send("OK path=/a server=m1 addr=\(address) state=up size=9000000000000\n")
            }, deadline: deadline
        ) { client, _ in
            try await client.copy(TreePath("/a"), to: TreePath("/b"))
        }

        #expect(facts.sha256 == sound)
        try await file.stop()
    }

    private struct Unexpected: Error {}

    // MARK: Pieces

    @Test func `pieces larger than a mebibyte are taken where they were asked for`() async throws {
        let count = 1_500_000
        let file = try await ScriptedServer.start(
            greeting: "OK DFS/1 role=file id=m1 epoch=1 max-data=4194304\n"
        ) { _, _ in
            .send(
                "OK size=\(count) ver=1 eof=yes {\(count)}\n"
                    + String(repeating: "x", count: count) + "\n")
        }
        let names = try await ScriptedServer.start { _, _ in
            .send("OK path=/a server=m1 addr=\(file.endpoint) state=up size=\(count) ver=1\n")
        }
        var options = ClientOptions()
        options.pieceBytes = 2_097_152
        let client = DFSClient(nameServers: [names.endpoint], options: options)

        let (bytes, _) = try await client.fetch(try TreePath("/a"), offset: 0, count: 2_000_000)

        #expect(bytes.readableBytes == count)
        await client.close()
        try await file.stop()
        try await names.stop()
    }

    private static let session = "OK h=h1 size=0 ver=0 fid=7 lease=conn\n"

    @Test(arguments: [1, 2, 3])
    func `a write of several pieces tells how much stands when one fails`(failing: Int) async throws
    {
        let file = try await ScriptedServer.start(
            greeting: "OK DFS/1 role=file id=m1 epoch=1 max-data=4\n"
        ) { line, _ in
            if line.hasPrefix("OPEN") { return .send(Self.session) }
            return line.hasPrefix("WRITE h1 \((failing - 1) * 4) ")
                ? .send("ERR conflict path=/a ver=2 \"x\"\n") : .send("OK bytes=4 size=12\n")
        }
        let names = try await ScriptedServer.start { _, _ in
            .send("OK path=/a server=m1 addr=\(file.endpoint) state=up size=0 ver=0\n")
        }
        let client = DFSClient(nameServers: [names.endpoint])
        let session = try await client.open(try TreePath("/a"), .readWrite)

        let failure = await refusal {
            try await session.write(ByteBuffer(string: "0123456789ab"), at: 0, ifVersion: 0)
        }

        #expect(failure?.known == .conflict)
        #expect(failure?.writtenBytes == Int64(failing - 1) * 4)
        #expect(failure?.isOutcomeUnknown == (failing > 1))
        await client.close()
        try await file.stop()
        try await names.stop()
    }

    @Test func `a write beyond the largest offset is not begun`() async throws {
        let (failure, lines) = try await withFileServer { _, _ in
            .send(Self.session)
        } _: { client, server in
            let session = try await client.open(TreePath("/a"), .readWrite)
            let failure = await refusal {
                try await session.write(ByteBuffer(string: "ab"), at: .max - 1)
            }
            return (failure, server.lines)
        }

        #expect(failure?.known == .range)
        #expect(lines.count == 1)
    }
}

/// A path of a test's own source.
func path(_ text: String) throws(DFSError) -> TreePath {
    do throws(RequestError) {
        return try TreePath(text)
    } catch {
        throw DFSError(error.code, error.advice)
    }
}
