import DFSProtocol
import Testing

@testable import NameService

/// A file server that will not come back.
@Suite struct RetirementTests {
    private func id(_ text: String) throws -> ServerID { try #require(ServerID(text)) }

    /// Two servers with a file of one name, kept and loaded anew, and one of them retired.
    private func retired(_ name: String) throws -> (world: NameWorld, files: Int64?) {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, mounts: "/pool /only", files: ["/pool/d/a", "/only/x"])
        try world.addServer("fs2", on: 3, mounts: "/pool", files: ["/pool/d/a", "/pool/d/b"])
        try world.send("CREATE /only/claimed")
        try world.send("MKDIR /pool/d/made")
        try world.restart()
        let files = try world.core.retire(id(name))
        world.settle()
        return (world, files)
    }

    @Test func `what only it has leaves the tree, and others get their names`() throws {
        var (world, files) = try retired("fs1")

        let found = try world.send("FIND /")
        let servers = try world.send("SERVERS")
        try world.restart()

        #expect(files == 2)
        #expect(
            found.contains("* file path=/pool/d/a size=5 mtime=2026-11-22T08:30:00Z server=fs2 "))
        #expect(!found.contains("/only"))
        #expect(found.contains("* dir path=/pool/d/made\n"))
        #expect(!servers.contains("id=fs1 "))
        #expect(servers.hasSuffix("OK count=1\n"))
        #expect(try world.send("FIND /") == found)
        #expect(try world.send("STATUS").contains(" servers=1 up=0 suspect=1 down=0 goodbye=0 "))
        #expect(try world.send("LOCATE /pool/d/a server=fs1").hasPrefix("ERR unknown-server "))
        #expect(try world.send("CREATE /only/new").hasPrefix("ERR not-found path=/only "))
        #expect(world.core.summary.hasPrefix("2 files, 1 file servers,"))
    }

    @Test func `it may be said again, and an unknown one is refused by name`() throws {
        var (world, _) = try retired("fs1")

        #expect(try world.core.retire(id("fs1")) == nil)
        let refusal = #expect(throws: RequestError.self) { try world.core.retire(id("fs9")) }
        #expect(refusal?.code == .unknownServer)
        #expect(refusal?.advice.contains("known are: fs2") == true)
    }

    @Test func `it comes back as a new one, with any epoch and a whole inventory`() throws {
        var (world, _) = try retired("fs1")

        let answer = try world.send("REGISTER fs1 /only addr=127.0.0.1:7402 epoch=0 gen=9", on: 8)
        try world.send("REPORT fs1 inventory=end gen=9", on: 8, data: NameWorld.line("/only/x"))
        try world.restart()

        #expect(answer.hasSuffix(" inventory=full\n"))
        #expect(try world.send("LOCATE /only/x").hasPrefix("OK path=/only/x server=fs1 "))
        #expect(try world.send("SERVERS").hasSuffix("OK count=2\n"))
    }
}
