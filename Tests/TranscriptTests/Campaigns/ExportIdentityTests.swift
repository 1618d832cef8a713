import Glibc
import TestCluster
import Testing

/// A file server whose disk is not mounted when it starts: its files are away, not removed.
struct ExportIdentityTests {
    /// A name server and a file server with two files, stopped, as a shutdown leaves them.
    private static func stoppedCluster() throws -> (Cluster, server: ClusterServer, folder: String)
    {
        let cluster = try Cluster()
        try cluster.startNameServer()
        let server = try cluster.startFileServer(
            "m1", mount: "/m1", files: ["a": "one", "d/b": "two"])
        #expect(try server.stop() == .exit(0))
        return (cluster, server, String(decoding: server.exports[0].folder, as: UTF8.self))
    }

    /// Puts an empty folder in the place of one, as an unmounted disk leaves its mount point.
    private static func unmount(_ folder: String) throws {
        try #require(rename(folder, folder + "-disk") == 0)
        try FileSystem.makeFolders(folder)
    }

    private static func mount(_ folder: String) throws {
        try FileSystem.remove(folder)
        try #require(rename(folder + "-disk", folder) == 0)
    }

    /// Starts a server that must refuse, with a sentence at the end of its log.
    private static func expectRefusal(
        _ server: ClusterServer, _ sentence: String, status: Int32 = 1,
        at location: SourceLocation = #_sourceLocation
    ) throws {
        #expect(throws: TestFailure.self, sourceLocation: location) { try server.start() }
        #expect(try server.process.wait() == .exit(status), sourceLocation: location)
        #expect(server.logEnd.contains(sentence), sourceLocation: location)
    }

    @Test func `a disk that is not mounted at a start is an outage`() async throws {
        try await ClusterSlots.shared.run {
            let (cluster, server, folder) = try ExportIdentityTests.stoppedCluster()
            defer { cluster.shutDown() }
            try ExportIdentityTests.unmount(folder)

            try ExportIdentityTests.expectRefusal(
                server, "at /m1 is not the folder that was served there before")

            #expect(server.logEnd.contains("start once with --new-export /m1"))
            #expect(try FileSystem.names(in: [UInt8](folder.utf8)) == [])
            let connection = try cluster.greeted(by: "ns1")
            let names = try connection.request("LIST /m1").compactMap { $0.line.text("name") }
            #expect(names == ["a", "d"])
            for path in ["/m1/a", "/m1/d/b"] {
                let kind = try connection.request("LOCATE \(path)").last?.line.kind
                #expect(kind == .error(code: "server-down", isFatal: false))
            }

            try ExportIdentityTests.mount(folder)
            try server.start()
            try cluster.awaitState(of: "m1", "up")
            for path in ["/m1/a", "/m1/d/b"] { try cluster.awaitFile([UInt8](path.utf8), on: "m1") }
        }
    }

    @Test func `a folder that is said to be new is taken, and is the one from then on`()
        async throws
    {
        try await ClusterSlots.shared.run {
            let (cluster, server, folder) = try ExportIdentityTests.stoppedCluster()
            defer { cluster.shutDown() }
            try ExportIdentityTests.unmount(folder)
            let renewed = try cluster.addFileServer(
                "m1", exports: [.init(mount: "/m1", folder: [UInt8](folder.utf8))],
                options: ["--new-export", "/m1"])
            try FileSystem.write("three", to: folder + "/c")

            try renewed.start()
            try cluster.awaitFile([UInt8]("/m1/c".utf8), on: "m1")
            try cluster.awaitNoFile([UInt8]("/m1/a".utf8))
            #expect(try renewed.stop() == .exit(0))

            try server.start()
            try cluster.awaitState(of: "m1", "up")
            #expect(try server.stop() == .exit(0))
            try #require(rename(folder, folder + "-new") == 0)
            try #require(rename(folder + "-disk", folder) == 0)
            try ExportIdentityTests.expectRefusal(server, "it has another ledger")
        }
    }

    /// The control: what happens to who forgets what he served.
    @Test func `without the memory of the folder its files would be forgotten`() async throws {
        try await ClusterSlots.shared.run {
            let (cluster, server, folder) = try ExportIdentityTests.stoppedCluster()
            defer { cluster.shutDown() }
            try ExportIdentityTests.unmount(folder)

            try FileSystem.write("three", to: folder + "/c")

            try FileSystem.remove(server.stateFolder + "/exports")
            try server.start()

            try cluster.awaitNoFile([UInt8]("/m1/a".utf8))
        }
    }

    @Test(arguments: [
        "nonsense\n", "/m1 /folder\n", "/m1 /folder -1\n", "relative /folder 1\n", "/m1 /folder 1",
    ])
    func `a damaged memory is told, not guessed at`(text: String) async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            let server = try cluster.addFileServer("m1", exports: [.init(mount: "/m1")])
            try FileSystem.makeFolders(server.stateFolder)
            try FileSystem.write(text, to: server.stateFolder + "/exports")

            try ExportIdentityTests.expectRefusal(server, "/exports is damaged (")

            try FileSystem.remove(server.stateFolder + "/exports")
            try server.start()
        }
    }

    @Test func `a new export that is none is a wrong option`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            let server = try cluster.addFileServer(
                "m1", exports: [.init(mount: "/m1")], options: ["--new-export", "/m2"])

            try ExportIdentityTests.expectRefusal(
                server, "--new-export /m2: no --export is mounted there", status: 2)
        }
    }
}
