import DFSClient
import DFSProtocol
import NIOCore
import TestCluster
import Testing

/// Sessions with real servers that are killed, started again and paused.
@Suite(.serialized)
struct RealServerTests {
    private func text(_ file: RemoteFile) async throws -> String {
        String(buffer: try await file.read(at: 0, count: 100).bytes)
    }

    private let line = ByteBuffer(string: "one more\n")

    @Test func `a reader goes on over kill -9 of its server, a writer that synced too`()
        async throws
    {
        try await withRealCluster { cluster, client in
            let client = try client()
            let path = try TreePath("/A/F1")
            let reader = try await client.open(path, .read)
            let first = try await reader.readNext(count: 6)

            try cluster["m1"].kill()
            try cluster["m1"].start()
            let rest = try await reader.readNext(count: 100)

            #expect(String(buffer: first.bytes) + String(buffer: rest.bytes) == "first line\n")
            let writer = try await client.open(path, .readWrite)
            try await writer.append(line)
            try await writer.sync()
            try cluster["m1"].kill()
            try cluster["m1"].start()
            try await writer.append(line)
            #expect(try await text(writer) == "first line\none more\none more\n")
            _ = try await writer.close()
        }
    }

    @Test func `a writer that had not synced is told after kill -9, and the bytes are there`()
        async throws
    {
        try await withRealCluster { cluster, client in
            let client = try client()
            let path = try TreePath("/A/F1")
            let writer = try await client.open(path, .readWrite)
            try await writer.append(line)

            try cluster["m1"].kill()
            try cluster["m1"].start()
            let failure = await refusal { try await writer.append(line) }

            #expect(failure?.known == .staleFile)
            let reader = try await client.open(path, .read)
            #expect(try await text(reader) == "first line\none more\n")
        }
    }

    @Test func `a file that was changed while its server was down is told to its reader`()
        async throws
    {
        try await withRealCluster { cluster, client in
            let client = try client()
            let reader = try await client.open(try TreePath("/A/F1"), .read)
            let server = try cluster["m1"]

            try server.kill()
            try FileSystem.write(
                [UInt8]("other".utf8), to: server.exports[0].folder + [UInt8]("/F1".utf8))
            try server.start()
            let failure = await refusal { _ = try await text(reader) }

            #expect(failure?.known == .staleFile)
        }
    }

    @Test func `a server that stands still for a moment costs time only`() async throws {
        try await withRealCluster { cluster, client in
            let file = try await client().open(try TreePath("/A/F1"), .readWrite)
            try cluster["m1"].pause()
            async let answer = file.append(line)
            try cluster["m1"].resume()

            #expect(try await answer == 20)
        }
    }

    @Test func `a leased session survives its connection, with its lock and what it wrote`()
        async throws
    {
        try await withRealCluster { _, client in
            let (one, other) = (try client(), try client())
            let path = try TreePath("/A/F1")
            let file = try await one.open(
                path, .readWrite, lease: .seconds(60), lock: .exclusive)
            try await file.append(line)

            await one.closeConnections()
            let refused = await refusal {
                _ = try await other.open(path, .read, lock: .shared)
            }
            try await file.append(line)

            #expect(refused?.known == .locked)
            #expect(refused?.holder?.handle == file.handle)
            #expect(try await text(file) == "first line\none more\none more\n")
            _ = try await file.close()
            _ = try await other.open(path, .read, lock: .shared).close()
        }
    }

    @Test func `whoever waits for a lock gets it when the holder closes`() async throws {
        try await withRealCluster { _, client in
            let (one, other) = (try client(), try client())
            let path = try TreePath("/A/F1")
            let holder = try await one.open(path, .readWrite, lock: .exclusive)
            async let waiting = other.open(path, .read, lock: .shared, wait: .seconds(30))

            _ = try await holder.close()
            let next = try await waiting

            #expect(next.lock == .shared)
            _ = try await next.close()
        }
    }

    @Test func `a session is taken over with its token, and the first holder is told`()
        async throws
    {
        try await withRealCluster { _, client in
            let (one, other) = (try client(), try client())
            let file = try await one.open(
                try TreePath("/A/F1"), .readWrite, lease: .seconds(60))
            let token = try #require(file.token)
            let server = try #require(try await other.servers().first)

            let wrong = await refusal {
                _ = try await other.resume(
                    file.handle, token: [UInt8](repeating: 0x30, count: 32), on: server)
            }
            let taken = try await other.resume(file.handle, token: token, on: server)
            let failure = await refusal { _ = try await text(file) }

            #expect(wrong?.known == .denied)
            #expect(failure?.known == .staleHandle)
            #expect(try await text(taken) == "first line\n")
            _ = try await taken.close()
        }
    }

    @Test func `a session is listed with its lock, and can be killed`() async throws {
        try await withRealCluster { _, client in
            let (one, other) = (try client(), try client())
            let file = try await one.open(
                try TreePath("/A/F1"), .read, lease: .seconds(60), lock: .shared)
            let server = try #require(try await other.servers().first)
            let info = try #require(try await other.handles(on: server).first)

            try await other.kill(info.handle, on: server)
            let failure = await refusal { _ = try await text(file) }

            #expect(info.path.description == "/A/F1")
            #expect(info.lock == .shared)
            #expect((info.leaseMilliseconds ?? 0) > 0)
            #expect(failure?.known == .staleHandle)
            #expect(try await other.handles(on: server).isEmpty)
        }
    }

    @Test func `a version that is not there any more keeps STORE, WRITE and OPEN from happening`()
        async throws
    {
        try await withRealCluster { _, client in
            let client = try client()
            let path = try TreePath("/A/F1")
            let old = try await client.open(path, .readWrite)
            var pieces = [ByteBuffer(string: "new\n")]
            let stored = try await client.store(path, ifVersion: old.facts.version) {
                pieces.popLast()
            }

            let failures = [
                await refusal {
                    var pieces = [ByteBuffer(string: "lost\n")]
                    _ = try await client.store(path, ifVersion: old.facts.version) {
                        pieces.popLast()
                    }
                },
                await refusal {
                    _ = try await client.open(path, .read, ifVersion: old.facts.version)
                },
            ]

            #expect(failures.map { $0?.known } == [.conflict, .conflict])
            let file = try await client.open(path, .readWrite, ifVersion: stored.version)
            let refused = await refusal {
                try await file.write(line, at: 0, ifVersion: stored.version + 1)
            }
            #expect(refused?.known == .conflict)
            #expect(try await text(file) == "new\n")
        }
    }

    @Test func `a follower sees what others append, over kill -9 of the server, to the end`()
        async throws
    {
        try await withRealCluster { cluster, client in
            let (one, other) = (try client(), try client())
            let path = try TreePath("/A/F1")
            var events = try await one.follow(path, at: 6).makeAsyncIterator()
            var seen = ""
            func read(to end: String) async throws {
                while !seen.hasSuffix(end), case .bytes(let bytes, _) = try await events.next() {
                    seen += String(buffer: bytes)
                }
            }
            try await read(to: "line\n")

            let writer = try await other.open(path, .readWrite)
            try await writer.append(line)
            _ = try await writer.close()
            try await read(to: "more\n")
            try cluster["m1"].kill()
            try cluster["m1"].start()
            let second = try await other.open(path, .readWrite)
            try await second.append(ByteBuffer(string: "last\n"))
            _ = try await second.close()
            try await read(to: "last\n")
            var pieces = [ByteBuffer(string: "replaced\n")]
            _ = try await other.store(path) { pieces.popLast() }
            let ending = try await events.next()

            #expect(seen == "line\none more\nlast\n")
            #expect(ending == .end)
        }
    }
}
