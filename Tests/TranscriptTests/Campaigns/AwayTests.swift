import Glibc
import TestCluster
import Testing

/// The folder of a running server goes away, or another takes its place, and comes back.
struct AwayTests {
    private static func kind(_ connection: WireConnection, _ request: String) throws -> String {
        String(try connection.request(request).last?.text.prefix { $0 != "\"" } ?? "")
    }

    /// Why the one file server has taken leave, as SERVERS tells it.
    private static func why(_ names: WireConnection) throws -> String? {
        try names.request("SERVERS").first?.line.text("why")
    }

    @Test func `a folder that is gone is told as a server that is away until it is back`()
        async throws
    {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            try cluster.startNameServer()
            let server = try cluster.startFileServer(
                "fs1", mount: "/m", files: ["a": "text", "d/b": "more"])
            let folder = String(decoding: server.exports[0].folder, as: UTF8.self)
            let client = try cluster.greeted(by: "fs1")
            let names = try cluster.greeted(by: "ns1")
            try client.expectOK("OPEN /m/a rw")

            try #require(rename(folder, folder + "-away") == 0)
            try cluster.awaitState(of: "fs1", "goodbye")

            #expect(try AwayTests.kind(names, "LOCATE /m/a").hasPrefix("ERR server-down "))
            #expect(try AwayTests.why(names) == "away")
            #expect(try names.request("LIST /m").count == 3)
            #expect(try AwayTests.kind(client, "FETCH /m/d/b") == "ERR io path=/m/d/b retry=1000 ")
            #expect(try AwayTests.kind(client, "OPEN /m/c create").hasPrefix("ERR io "))
            #expect(try client.expectOK("READ h1 0 9").payload == [UInt8]("text".utf8))

            // What stands there now is not ours: it is neither served nor written to.
            try FileSystem.makeFolders(folder)
            try FileSystem.write("strange", to: folder + "/a")
            #expect(try AwayTests.kind(client, "FETCH /m/a").hasPrefix("ERR io "))
            #expect(try AwayTests.kind(client, "STORE /m/a mine").hasPrefix("ERR io "))
            #expect(try FileSystem.names(in: [UInt8](folder.utf8)) == [[UInt8]("a".utf8)])

            try FileSystem.remove(folder)
            try FileSystem.write("longer", to: folder + "-away/a")
            try #require(rename(folder + "-away", folder) == 0)
            try cluster.awaitState(of: "fs1", "up")
            try Deadline().await("the change made meanwhile is known") {
                try AwayTests.kind(names, "LOCATE /m/a").contains(" size=6 ") ? true : nil
            }
            #expect(try client.expectOK("FETCH /m/d/b").payload == [UInt8]("more".utf8))
            try client.expectOK("STORE /m/c new")
            #expect(try AwayTests.why(names) == nil)
            #expect(try server.stop() == .exit(0))
            #expect(try AwayTests.why(names) == "stopped")
        }
    }

    @Test func `one folder of several that is gone leaves the server up for the others`()
        async throws
    {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            try cluster.startNameServer()
            let server = try cluster.startFileServer(
                "fs1",
                exports: [
                    .init(mount: "/one", files: ["a": "text"]),
                    .init(mount: "/two", files: ["b": "more"]),
                ])
            let folder = String(decoding: server.exports[0].folder, as: UTF8.self)
            let client = try cluster.greeted(by: "fs1")

            try #require(rename(folder, folder + "-away") == 0)
            try Deadline().await("the folder is missed") {
                try AwayTests.kind(client, "STAT /one/a").hasPrefix("ERR io ") ? true : nil
            }

            #expect(try client.expectOK("FETCH /two/b").payload == [UInt8]("more".utf8))
            try cluster.greeted(by: "ns1").expectOK("LOCATE /two/b")
            try #require(rename(folder + "-away", folder) == 0)
            try Deadline().await("the folder is served again") {
                try AwayTests.kind(client, "FETCH /one/a").hasPrefix("OK ") ? true : nil
            }
        }
    }
}
