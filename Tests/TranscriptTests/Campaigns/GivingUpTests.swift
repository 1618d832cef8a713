import Glibc
import Synchronization
import TestCluster
import Testing

/// Work that takes long ends as soon as nobody waits for it: by CANCEL, a lost client, or a stop.
struct GivingUpTests {
    /// A source with one file of five bytes that answers FETCH as the test says, and never DIGEST.
    private struct Scene {
        let cluster: Cluster
        let server: ClusterServer
        let player: WireConnection
        let source: ScriptedPeer

        /// - Parameter fetched: What FETCH answers, without its tag.
        init(fetched: String) throws {
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
