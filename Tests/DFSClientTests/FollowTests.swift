import DFSClient
import DFSProtocol
import NIOCore
import Testing

/// Following a file as it grows, against a scripted server.
@Suite struct FollowTests {
    private static let opened = "OK h=h1 size=4 ver=1 fid=7 lease=conn\n"
    private let path: TreePath

    init() throws { path = try TreePath("/a") }

    /// Follows from an offset and gives what was seen, as text, and what it ended with.
    private func seen(
        _ client: DFSClient, at offset: Int64? = nil, most: Int = .max
    ) async -> (events: [String], failure: DFSError?) {
        var events: [String] = []
        do throws(DFSError) {
            for try await event in try await client.follow(path, at: offset) {
                switch event {
                case .bytes(let bytes, let place):
                    events.append("\(place): \(String(buffer: bytes))")
                case .truncated(let size): events.append("truncated to \(size)")
                case .end: events.append("end")
                }
                if events.count == most { break }
            }
            return (events, nil)
        } catch {
            return (events, error)
        }
    }

    @Test func `bytes, a cut and the end of a replaced file come in their order`() async throws {
        let (answer, lines) = try await withFileServer { line, _ in
            line.hasPrefix("OPEN")
                ? .send(Self.opened)
                : .send(
                    """
                    * offset=4 bytes=2 {2}
                    ab
                    * truncated size=1
                    * offset=1 bytes=3 {3}
                    c\nd
                    ERR stale-file path=/a "replaced"

                    """)
        } _: { client, server in
            (await seen(client), server.lines)
        }

        #expect(answer.events == ["4: ab", "truncated to 1", "1: c\nd", "end"])
        #expect(answer.failure == nil)
        #expect(lines.prefix(2) == ["OPEN /a r", "FOLLOW h1 4"])
    }

    @Test func `whoever has seen enough ends the request on the server`() async throws {
        let (events, lines) = try await withFileServer { line, _ in
            switch line.split(separator: " ")[0] {
            case "OPEN": .send(Self.opened)
            case "FOLLOW": .send("* offset=0 bytes=2 {2}\nab\n")
            default: .send("OK\n")
            }
        } _: { client, server in
            let events = await seen(client, at: 0, most: 1).events
            return (events, await server.file.lines(4).dropFirst(2))
        }

        #expect(events == ["0: ab"])
        // Nobody waits for either, so that they come in any order.
        #expect(lines.contains { $0.hasPrefix("CANCEL @") })
        #expect(lines.contains("CLOSE h1"))
    }

    @Test func `a cancelled task stops waiting for a file that does not grow`() async throws {
        let failure = try await withFileServer { line, _ in
            line.hasPrefix("OPEN") ? .send(Self.opened) : .silence
        } _: { client, server in
            let task = Task { await seen(client).failure }
            _ = await server.file.lines(2)
            task.cancel()
            return await task.value
        }

        #expect(failure?.known == .cancelled)
        #expect(failure?.category == .interrupted)
    }

    @Test func `a lost connection is replaced, and nothing is left out or seen twice`()
        async throws
    {
        let (events, lines) = try await withFileServer { line, count in
            switch line.split(separator: " ")[0] {
            // The file has grown and been synced meanwhile, and is the same one.
            case "OPEN":
                return .send(count == 1 ? Self.opened : "OK h=h1 size=9 ver=3 fid=7 lease=conn\n")
            default:
                return line.hasSuffix(" 4")
                    ? .sendAndHangUp("* offset=4 bytes=2 {2}\nab\n")
                    : .send("* offset=6 bytes=1 {1}\nc\nERR stale-file offset=7 \"x\"\n")
            }
        } _: { client, server in
            (await seen(client).events, server.lines)
        }

        #expect(events == ["4: ab", "6: c", "end"])
        #expect(lines.prefix(4) == ["OPEN /a r", "FOLLOW h1 4", "OPEN /a r", "FOLLOW h1 6"])
    }

    @Test(arguments: ["busy", "draining"])
    func `a server that can not follow just now is asked again`(code: String) async throws {
        let (events, lines) = try await withFileServer { line, count in
            if line.hasPrefix("OPEN") { return .send(Self.opened) }
            return .send(count == 2 ? "ERR \(code) \"x\"\n" : "ERR stale-file offset=4 \"x\"\n")
        } _: { client, server in
            (await seen(client).events, server.lines)
        }

        #expect(events == ["end"])
        #expect(lines.prefix(3) == ["OPEN /a r", "FOLLOW h1 4", "FOLLOW h1 4"])
    }

    @Test func `a server that never answers FOLLOW is given up at the deadline`() async throws {
        let failure = try await withFileServer(Surroundings(deadline: .seconds(2))) {
            line, _ in
            line.hasPrefix("OPEN") ? .send(Self.opened) : .hangUp
        } _: { client, _ in
            await seen(client).failure
        }

        #expect(["connection-lost", "timeout"].contains(failure?.code))
    }

    @Test func `a file that was replaced while the connection was lost is stale`() async throws {
        let (events, failure) = try await withFileServer { line, count in
            switch line.split(separator: " ")[0] {
            case "OPEN": .send(count == 1 ? Self.opened : "OK h=h1 size=4 ver=1 fid=8 lease=conn\n")
            case "FOLLOW": .hangUp
            default: .send("OK size=4 ver=1\n")
            }
        } _: { client, _ in
            await seen(client)
        }

        #expect(events.isEmpty)
        #expect(failure?.known == .staleFile)
    }

    @Test(arguments: [
        "* offset=5 bytes=1 {1}\nx\n", "* offset=4 bytes=2 {1}\nx\n", "* offset=4 bytes=0\n",
        "* truncated\n", "* bytes=1 {1}\nx\n", "OK\n",
    ])
    func `items that can not be right are a violation`(answer: String) async throws {
        let (events, failure) = try await withFileServer { line, _ in
            switch line.split(separator: " ")[0] {
            case "OPEN": .send(Self.opened)
            case "FOLLOW": .send(answer)
            default: .send("OK\n")
            }
        } _: { client, _ in
            await seen(client)
        }

        #expect(events.isEmpty)
        #expect(failure?.code == "protocol-violation")
    }

    @Test func `a session that is killed ends what follows it`() async throws {
        let failure = try await withFileServer { line, _ in
            line.hasPrefix("OPEN") ? .send(Self.opened) : .send("ERR stale-handle h=h1 \"x\"\n")
        } _: { client, _ in
            await seen(client).failure
        }

        #expect(failure?.known == .staleHandle)
    }

    @Test func `a server that sends cuts without end is held back too`() async throws {
        let cuts = String(repeating: "* truncated size=4\n", count: 20_000)
        let lines = try await withFileServer { line, _ in
            switch line.split(separator: " ")[0] {
            case "OPEN": .send(Self.opened)
            case "FOLLOW": .send(cuts)
            default: .send("OK\n")
            }
        } _: { client, server in
            var iterator = try await client.follow(path).makeAsyncIterator()
            let first = try await iterator.next()
            #expect(first == .truncated(size: 4))
            // One was read, and the rest fills the queue.
            return await server.file.lines { $0.contains { $0.hasPrefix("CANCEL") } }
        }

        #expect(
            lines.prefix(3).map { $0.split(separator: " ")[0] } == ["OPEN", "FOLLOW", "CANCEL"])
    }

    @Test func `a reader that is slow has the server ask again, and loses nothing`() async throws {
        // Each FOLLOW is answered with 1 MiB more than is kept here for a reader.
        let piece = String(repeating: "x", count: 1_048_576)
        let (count, follows) = try await withFileServer { line, _ in
            switch line.split(separator: " ")[0] {
            case "OPEN": return .send("OK h=h1 size=0 ver=1 fid=7 lease=conn\n")
            case "FOLLOW":
                let start = Int64(line.split(separator: " ")[2]) ?? 0
                var text = ""
                for number in 0..<5 {
                    let offset = start + Int64(number) * 1_048_576
                    text += "* offset=\(offset) bytes=1048576 {1048576}\n\(piece)\n"
                }
                return .send(text)
            default: return .send("OK\n")
            }
        } _: { client, server in
            var count: Int64 = 0
            for try await event in try await client.follow(path, at: 0) {
                guard case .bytes(let bytes, let place) = event, place == count else { break }
                count += Int64(bytes.readableBytes)
                if count == 6 * 1_048_576 { break }
                // The queue fills before the first piece is gone on from.
                if count == 1_048_576 { _ = await server.file.lines(3) }
            }
            return (count, server.lines.filter { $0.hasPrefix("FOLLOW") })
        }

        #expect(count == 6 * 1_048_576)
        #expect(follows.count == 2)
    }

    @Test func `items of a later version are passed over`() async throws {
        let answer = try await withFileServer { line, _ in
            line.hasPrefix("OPEN")
                ? .send(Self.opened)
                : .send(
                    "* moved to=/b\n* offset=4 bytes=2 {2}\nab\nERR stale-file path=/a \"x\"\n")
        } _: { client, _ in
            await seen(client)
        }

        #expect(answer.events == ["4: ab", "end"])
        #expect(answer.failure == nil)
    }

    @Test func `a file that has not grown for long is followed over a second loss`() async throws {
        // The first loss comes at once; the second after three signs of life, of which two come in
        // one deadline.
        let verbs = VerbCounts()
        let answer = try await withFileServer(Surroundings(deadline: .seconds(2))) { line, _ in
            let verb = String(line.split(separator: " ")[0])
            switch (verb, verbs.next(verb)) {
            case ("OPEN", _): return .send(Self.opened)
            case ("FOLLOW", 1): return .hangUp
            case ("FOLLOW", 2): return .silence
            case ("FOLLOW", _): return .send("ERR stale-file path=/a \"x\"\n")
            case ("PING", 3): return .hangUp
            default: return .send("OK\n")
            }
        } _: { client, _ in
            await seen(client)
        }

        #expect(answer.events == ["end"])
        #expect(answer.failure == nil)
    }

    @Test func `what was never followed ends its session when it is forgotten`() async throws {
        let lines = try await withFileServer { line, _ in
            .send(line.hasPrefix("OPEN") ? Self.opened : "OK size=4 ver=1\n")
        } _: { client, server in
            _ = try await client.follow(path)
            return await server.file.lines(2)
        }

        #expect(lines == ["OPEN /a r", "CLOSE h1"])
    }
}
