import Glibc
import Synchronization
import TestCluster
import Testing

/// Work that takes long ends as soon as nobody waits for it: by CANCEL, a lost client, or a stop.
struct GivingUpTests {
    /// A source with one file of five bytes that answers FETCH as the test says, and never DIGEST.
    private struct Scene {
        /// SHA-256 of the five bytes.
        static let sha256 = "5e2617f28c6b18450cc9c52e2ccc82241a4bf35b614e4c7525efce477ba55907"
        let cluster: Cluster
        let server: ClusterServer
        let player: WireConnection
        let source: ScriptedPeer

        /// - Parameters:
        ///   - fetched: What FETCH answers, without its tag.
        ///   - mayDigest: Whether DIGEST may be answered by now.
        init(
            fetched: String, mayDigest: @escaping @Sendable () -> Bool = { false }
        ) throws {
            // The source never beats, and is up for as long as the slowest machine takes.
            cluster = try Cluster(pace: Pace(beat: 1000, suspect: 300_000, down: 600_000))
            try cluster.startNameServer()
            server = try cluster.startFileServer("fs1", mount: "/mine", files: ["old": "kept"])
            source = try ScriptedPeer(
                greeting: "OK DFS/1 role=file id=far epoch=1 auth=none max-line=65536 "
                    + "max-data=1048576\n",
                answer: { line in
                    let words = line.split(separator: " ")
                    guard words.count > 1 else { return "" }
                    switch words[1] {
                    case "STAT":
                        return "\(words[0]) OK type=file size=5 mtime=2026-11-01T08:30:00Z "
                            + "mode=0644 ver=1 fid=1 server=far state=up\n"
                    case "FETCH": return "\(words[0]) \(fetched)"
                    case "DIGEST":
                        // Without an answer the copy waits on.
                        let isAllowed = try? Deadline().await("a digest is allowed") {
                            mayDigest() ? true : nil
                        }
                        guard isAllowed == true else { return "" }
                        return "\(words[0]) OK sha256=\(Scene.sha256) size=5 ver=1\n"
                    default: return ""
                    }
                })
            player = try cluster.greeted(by: "ns1")
            try player.expectOK("HELLO 1 caps=push")
            try player.expectOK("REGISTER far /far addr=\(source.endpoint) epoch=1")
            try player.expectOK(
                "REPORT far inventory=end",
                payload: [UInt8]("+ /far/a size=5 mtime=2026-11-01T08:30:00Z ver=1 fid=1\n".utf8))
        }

        /// Waits until the export holds a file that is not complete, or none.
        func awaitTemporary(_ isThere: Bool) throws {
            try Deadline().await("a temporary file is \(isThere ? "there" : "gone")") {
                let names = try FileSystem.names(in: server.exports[0].folder)
                let hasOne = names.contains { $0.starts(with: [UInt8](".dfs-tmp-".utf8)) }
                return hasOne == isThere ? true : nil
            }
        }
    }

    /// All five bytes; what is missing then is the digest, which may take an hour.
    private static let whole = "OK size=5 ver=1 eof=yes {5}\nfive!\n"

    @Test func `a stop waits for no copy from another server`() async throws {
        try await ClusterSlots.shared.run {
            let scene = try Scene(fetched: GivingUpTests.whole)
            defer { scene.cluster.shutDown() }
            let client = try scene.cluster.greeted(by: "fs1")
            try client.send("@1 PULL /mine/copy source=/far/a\n")
            try scene.awaitTemporary(true)

            #expect(try scene.server.stop() == .exit(0))

            #expect(try client.readAnswer().text.hasPrefix("@1 ERR draining "))
            try scene.awaitTemporary(false)
        }
    }

    @Test func `cancel and a lost client end a copy and leave no trace`() async throws {
        try await ClusterSlots.shared.run {
            let scene = try Scene(fetched: GivingUpTests.whole)
            defer { scene.cluster.shutDown() }
            let client = try scene.cluster.greeted(by: "fs1")
            try client.send("@1 PULL /mine/copy source=/far/a\n")
            try scene.awaitTemporary(true)

            try client.send("CANCEL @1\n")
            #expect(try client.readAnswer().text.hasPrefix("@1 ERR cancelled "))
            #expect(try client.readAnswer().text == "OK")
            try scene.awaitTemporary(false)

            try client.send("@2 PULL /mine/copy source=/far/a\n")
            try scene.awaitTemporary(true)
            client.reset()
            try scene.awaitTemporary(false)
        }
    }

    @Test func `a half-close ends no copy, for its answer is still wanted`() async throws {
        try await ClusterSlots.shared.run {
            let isHalfClosed = Atomic(false)
            let scene = try Scene(fetched: GivingUpTests.whole) {
                isHalfClosed.load(ordering: .acquiring)
            }
            defer { scene.cluster.shutDown() }
            let client = try scene.cluster.greeted(by: "fs1")
            try client.send("PULL /mine/copy source=/far/a\n")
            try scene.awaitTemporary(true)

            client.halfClose()
            isHalfClosed.store(true, ordering: .releasing)

            #expect(try client.readAnswer().text.hasPrefix("OK size=5 ver="))
            try client.expectClosed()
        }
    }

    @Test func `the end of a connection ends a copy also behind its half-close`() async throws {
        try await ClusterSlots.shared.run {
            let scene = try Scene(fetched: GivingUpTests.whole)
            defer { scene.cluster.shutDown() }
            let client = try scene.cluster.greeted(by: "fs1")
            try client.send("PULL /mine/copy source=/far/a\n")
            try scene.awaitTemporary(true)

            client.halfClose()
            client.reset()

            try scene.awaitTemporary(false)
        }
    }

    @Test func `the system asks a silent peer's system whether it is still there`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            let server = try cluster.startFileServer("fs1", files: ["a": "x"])
            let client = try cluster.greeted(by: "fs1")
            try client.expectOK("PING")

            // The kernel's own list of connections: 02 is a timer that keeps one alive.
            let port = String(try server.endpoint.port, radix: 16, uppercase: true)
            let end = ":" + String(repeating: "0", count: 4 - port.count) + port
            try Deadline().await("a keepalive timer runs") {
                let table = String(decoding: try FileSystem.read("/proc/net/tcp"), as: UTF8.self)
                for row in table.split(separator: "\n") {
                    let columns: [Substring] = row.split(separator: " ")
                    guard columns.count > 5, columns[1].hasSuffix(end) else { continue }
                    if columns[3] == "01", columns[5].hasPrefix("02:") { return true }
                }
                return nil
            }
        }
    }

    @Test func `a stop refuses at once who waits for a lock or follows a file`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            let server = try cluster.startFileServer("fs1", files: ["a": "x"])
            let holder = try cluster.greeted(by: "fs1")
            let waiting = try cluster.greeted(by: "fs1")
            let tagged = try cluster.greeted(by: "fs1")
            try holder.expectOK("OPEN /a rw lock=exclusive")
            try holder.expectOK("WRITE h1 0 y")
            try holder.send("@1 FOLLOW h1 0\n")
            #expect(try holder.readAnswer().text.hasPrefix("@1 * offset=0 "))
            try waiting.send("OPEN /a rw lock=exclusive wait=60000\n")
            try tagged.expectOK("OPEN /a r")
            try tagged.send("@1 OPEN /a r lock=shared wait=60000\n@2 READ h1 0 1 as=text\n")
            #expect(try tagged.readAnswer().text.hasPrefix("@2 OK "))

            #expect(try server.stop() == .exit(0))

            #expect(try holder.readAnswer().text.hasPrefix("@1 ERR draining "))
            #expect(try waiting.readAnswer().text.hasPrefix("ERR draining "))
            #expect(try tagged.readAnswer().text.hasPrefix("@1 ERR draining "))
            for connection in [holder, waiting, tagged] { try connection.expectClosed() }
        }
    }

    @Test func `no more is written than the source has announced`() async throws {
        try await ClusterSlots.shared.run {
            let scene = try Scene(fetched: "OK size=5 ver=1 eof=no {9}\nfar more.\n")
            defer { scene.cluster.shutDown() }
            let client = try scene.cluster.greeted(by: "fs1")

            let answer = try client.request("PULL /mine/copy source=/far/a").last

            #expect(answer?.line.kind == .error(code: "busy", isFatal: false))
            try scene.awaitTemporary(false)
        }
    }

    @Test func `a digest that nobody waits for makes room for the next one`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            let server = try cluster.startFileServer("fs1", files: ["huge": "", "small": "x"])
            let folder = String(decoding: server.exports[0].folder, as: UTF8.self)
            // Zero bytes that no disk holds: hours of reading.
            try #require(truncate(folder + "/huge", 1 << 42) == 0)
            let client = try cluster.greeted(by: "fs1")
            let other = try cluster.greeted(by: "fs1")

            try client.send("@1 DIGEST /huge\n")
            try other.send("@1 DIGEST /huge\n")
            try client.send("CANCEL @1\n")
            #expect(try client.readAnswer().text.hasPrefix("@1 ERR cancelled "))
            #expect(try client.readAnswer().text == "OK")
            other.reset()

            try client.expectOK("DIGEST /small")
            #expect(try server.stop() == .exit(0))
        }
    }
}
