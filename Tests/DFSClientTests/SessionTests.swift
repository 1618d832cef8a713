import DFSClient
import DFSProtocol
import NIOCore
import Testing

/// What a session asks for and is told, refusals among it.
@Suite struct SessionTests {
    private static let leased = "OK h=s1 size=10 ver=1 fid=7 lease=30000 token=00ff\n"
    private let path: TreePath

    init() throws { path = try TreePath("/a") }

    @Test func `everything that is asked of a session is sent, and what is granted is told`()
        async throws
    {
        let (granted, lines) = try await withFileServer { _, _ in
            .send(Self.leased)
        } _: { client, server in
            let file = try await client.open(
                path, .readWrite, permissions: FileMode(bits: 0o600), lease: .seconds(40),
                lock: .exclusive, wait: .milliseconds(250), ifVersion: 3)
            return ((file.lease, file.token, file.lock, file.handle), server.lines)
        }

        #expect(
            lines == [
                "OPEN /a rw mode=0600 lease=40000 lock=exclusive wait=250 if-ver=3 op=OP"
            ])
        #expect(granted.0 == .seconds(30))
        #expect(granted.1 == [UInt8]("00ff".utf8))
        #expect(granted.2 == .exclusive)
        #expect(granted.3 == [UInt8]("s1".utf8))
    }

    @Test func `a plain session is asked for as it is typed`() async throws {
        let (lease, lines) = try await withFileServer { _, _ in
            .send("OK h=h1 size=10 ver=1 fid=7 lease=conn\n")
        } _: { client, server in
            (try await client.open(path, .read).lease, server.lines)
        }

        #expect(lease == nil)
        #expect(lines == ["OPEN /a r"])
    }

    @Test func `a lock that is refused says who has it, which, and for how long`() async throws {
        let failure = try await withFileServer { _, _ in
            .send(
                "ERR locked path=/a h=c7.h1 client=editor lock=exclusive lease=900 retry=900 \"x\"\n"
            )
        } _: { client, _ in
            await refusal { _ = try await client.open(path, .read, lock: .shared) }
        }

        #expect(failure?.known == .locked)
        #expect(failure?.category == .temporary)
        #expect(failure?.retryMilliseconds == 900)
        #expect(failure?.holder?.handle == [UInt8]("c7.h1".utf8))
        #expect(failure?.holder?.clientName == "editor")
        #expect(failure?.holder?.lock == .exclusive)
        #expect(failure?.holder?.leaseMilliseconds == 900)
    }

    @Test func `an OPEN whose answer was lost is found again by its name, and resumed`()
        async throws
    {
        let (text, lines) = try await withFileServer { line, count in
            if count == 1 { return .hangUp }
            return line.hasPrefix("READ")
                ? .send("OK bytes=2 eof=no {2}\nab\n") : .send(Self.leased)
        } _: { client, server in
            let file = try await client.open(path, .read, lease: .seconds(30))
            let piece = try await file.read(at: 0, count: 2)
            return (String(buffer: piece.bytes), server.file.lines)
        }

        #expect(text == "ab")
        #expect(lines[0] == lines[1])
        #expect(lines.dropFirst(2) == ["RESUME s1 token=00ff", "READ s1 0 2"])
    }

    @Test func `a session that was killed or resumed elsewhere is not taken back`() async throws {
        let (failures, lines) = try await withFileServer { line, _ in
            line.hasPrefix("OPEN")
                ? .send(Self.leased) : .send("ERR stale-handle h=s1 \"resumed elsewhere\"\n")
        } _: { client, server in
            let file = try await client.open(path, .read, lease: .seconds(30))
            let failures = [
                await refusal { _ = try await file.read(at: 0, count: 2) },
                await refusal { _ = try await file.read(at: 0, count: 2) },
            ]
            return (failures, server.lines)
        }

        #expect(failures.map { $0?.known } == [.staleHandle, .staleHandle])
        #expect(lines == ["OPEN /a r lease=30000 op=OP", "READ s1 0 2"])
    }

    @Test func `a token that the server does not know ends the session`() async throws {
        let (failures, lines) = try await withFileServer { line, _ in
            if line.hasPrefix("OPEN") { return .send(Self.leased) }
            return line.hasPrefix("READ") ? .hangUp : .send("ERR denied h=s1 \"another token\"\n")
        } _: { client, server in
            let file = try await client.open(path, .read, lease: .seconds(30))
            let failures = [
                await refusal { _ = try await file.read(at: 0, count: 2) },
                await refusal { _ = try await file.read(at: 0, count: 2) },
            ]
            return (failures, server.lines)
        }

        #expect(failures.map { $0?.known } == [.denied, .denied])
        #expect(lines.count == 3)
    }

    @Test func `a lease that ended while the connection stood is opened anew`() async throws {
        let (text, lines) = try await withFileServer { line, count in
            switch line.split(separator: " ")[0] {
            case "OPEN":
                return .send(
                    count == 1 ? Self.leased : "OK h=s2 size=10 ver=1 fid=7 lease=30000 token=01\n")
            case "READ":
                return line.contains("s2")
                    ? .send("OK bytes=2 eof=no {2}\nab\n") : .send("ERR lease-expired h=s1 \"x\"\n")
            default: return .send("ERR lease-expired h=s1 \"x\"\n")
            }
        } _: { client, server in
            let file = try await client.open(path, .read, lease: .seconds(30))
            let piece = try await file.read(at: 0, count: 2)
            return (String(buffer: piece.bytes), server.lines)
        }

        #expect(text == "ab")
        #expect(lines.last == "READ s2 0 2")
    }

    @Test func `a lease is renewed at a third of it while nothing else is asked`() async throws {
        let lines = try await withFileServer { line, _ in
            .send(
                line.hasPrefix("OPEN")
                    ? "OK h=s1 size=10 ver=1 fid=7 lease=60 token=00ff\n" : "OK lease=60\n")
        } _: { client, server in
            let file = try await client.open(path, .read, lease: .milliseconds(60))
            let lines = await server.file.lines(4)
            return withExtendedLifetime(file) { lines }
        }

        #expect(lines.dropFirst().prefix(3) == ["RENEW s1", "RENEW s1", "RENEW s1"])
    }

    @Test func `a version to be compared travels with a WRITE`() async throws {
        let (failure, lines) = try await withFileServer { line, _ in
            line.hasPrefix("OPEN")
                ? .send(Self.leased) : .send("ERR conflict path=/a ver=6 \"x\"\n")
        } _: { client, server in
            let file = try await client.open(path, .readWrite, lease: .seconds(30))
            let failure = await refusal {
                try await file.write(ByteBuffer(string: "ab"), at: 0, ifVersion: 5)
            }
            return (failure, server.lines)
        }

        #expect(failure?.known == .conflict)
        #expect(failure?.isOutcomeUnknown == false)
        #expect(lines.last == "WRITE s1 0 if-ver=5 {2}")
    }

    @Test(arguments: ["io", "internal", "cancelled", "no-space", "quota"])
    func `a change that a server can not account for may have been made`(
        code: String
    ) async throws {
        let failures = try await withFileServer { line, _ in
            switch line.split(separator: " ")[0] {
            case "OPEN": .send("OK h=h1 size=10 ver=1 fid=7 lease=conn\n")
            case "WRITE": .send("ERR \(code) path=/a \"x\"\n")
            default: .hangUp
            }
        } _: { client, _ in
            let file = try await client.open(path, .readWrite)
            return [
                await refusal { try await file.write(ByteBuffer(string: "ab"), at: 0) },
                await refusal { _ = try await file.read(at: 0, count: 1) },
            ]
        }

        #expect(failures[0]?.code == code)
        #expect(failures[0]?.isOutcomeUnknown == true)
        // Nobody knows what the file holds: it is not opened anew as if nothing had been written.
        #expect(failures[1]?.known == .staleFile)
    }

    // MARK: The end

    @Test func `a CLOSE whose answer was lost is asked again, of the same run of the server`()
        async throws
    {
        let (result, lines) = try await withFileServer { line, count in
            switch line.split(separator: " ")[0] {
            case "OPEN": return .send(Self.leased)
            case "RESUME": return .send("ERR stale-handle h=s1 \"closed\"\n")
            default: return count == 2 ? .hangUp : .send("OK size=10 ver=9\n")
            }
        } _: { client, server in
            let file = try await client.open(path, .readWrite, lease: .seconds(30))
            return (try await file.close().version, server.lines)
        }

        #expect(result == 9)
        #expect(lines.dropFirst() == ["CLOSE s1", "RESUME s1 token=00ff", "CLOSE s1"])
    }

    @Test(arguments: [false, true])
    func `a CLOSE that is lost with its session is told where something was written`(
        isDirty: Bool
    ) async throws {
        let failure = try await withFileServer { line, _ in
            switch line.split(separator: " ")[0] {
            case "OPEN": return .send("OK h=h1 size=10 ver=1 fid=7 lease=conn\n")
            case "WRITE": return .send("OK bytes=2 size=10\n")
            default: return .hangUp
            }
        } _: { client, _ in
            let file = try await client.open(path, .readWrite)
            if isDirty { try await file.write(ByteBuffer(string: "ab"), at: 0) }
            return await refusal { _ = try await file.close() }
        }

        #expect(failure?.code == (isDirty ? "connection-lost" : nil))
        #expect(failure?.isOutcomeUnknown == (isDirty ? true : nil))
    }

    @Test func `a session that was closed is over`() async throws {
        let failures = try await withFileServer { line, _ in
            line.hasPrefix("OPEN") ? .send(Self.leased) : .send("OK size=10 ver=1\n")
        } _: { client, _ in
            let file = try await client.open(path, .read, lease: .seconds(30))
            _ = try await file.close()
            return [
                await refusal { _ = try await file.read(at: 0, count: 1) },
                await refusal { _ = try await file.close() },
            ]
        }

        #expect(failures.map { $0?.known } == [.staleHandle, .staleHandle])
    }
}
