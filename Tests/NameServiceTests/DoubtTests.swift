import DFSProtocol
import Testing

@testable import NameService

/// Names that are not known after a start: not there, or made while no name server ran.
@Suite struct DoubtTests {
    private static let asking = [
        "LOCATE /a/new", "STAT /a/new", "LIST /a/new", "FIND /a/new", "DU /a/new",
        "REMOVE /a/new", "RENAME /a/new /a/other", "MKDIR /a/new", "CREATE /a/new",
    ]

    /// Two servers, of which the first alone has `/a`, after a restart.
    private func restarted() throws -> NameWorld {
        var world = try NameWorld(pace: Pace(beat: 1000, suspect: 2500, down: 3500))
        try world.addServer("fs1", on: 2, mounts: "/a", files: ["/a/f"])
        try world.addServer("fs2", on: 3, mounts: "/b", files: ["/b/f"])
        try world.restart()
        return world
    }

    private func register(_ world: inout NameWorld, _ id: String, _ mount: String, gen: Int)
        throws
    {
        try world.send("REGISTER \(id) \(mount) addr=127.0.0.1:7402 epoch=2 gen=\(gen)", on: 5)
    }

    @Test(arguments: asking)
    func `what a server may have made meanwhile is not denied before it is back`(line: String)
        throws
    {
        var world = try restarted()
        let early = try world.send(line)
        try register(&world, "fs1", "/a", gen: 2)
        let registered = try world.send(line)
        try world.send("REPORT fs1 gen=2", on: 5, data: NameWorld.line("/a/new"))
        let told = try world.send(line)

        #expect(early.hasPrefix("ERR server-down path=/a/new server=fs1 seen="))
        #expect(early.contains(" retry=1000 "))
        #expect(
            registered.hasPrefix("ERR server-down path=/a/new ")
                || line.hasPrefix("CREATE") && registered.hasPrefix("OK "))
        let isNew = line.hasPrefix("CREATE") || line.hasPrefix("MKDIR")
        #expect(!told.hasPrefix("ERR server-down "))
        #expect(!told.hasPrefix("ERR not-found ") && told.hasPrefix("ERR exists ") == isNew)
    }

    @Test func `who is back with nothing new has what is known and nothing else`() throws {
        var world = try restarted()
        try register(&world, "fs1", "/a", gen: 1)

        #expect(try world.send("LOCATE /a/new").hasPrefix("ERR not-found path=/a/new "))
        #expect(try world.send("LOCATE /b/new").hasPrefix("ERR server-down path=/b/new "))
        #expect(try world.send("MKDIR /a/new") == "OK\n")
    }

    @Test func `a silence that lasts keeps nobody from making directories`() throws {
        var world = try restarted()
        world.pass(milliseconds: 3500)

        #expect(try world.send("LOCATE /a/new").hasPrefix("ERR server-down path=/a/new "))
        #expect(try world.send("MKDIR /a/new") == "OK\n")
    }

    @Test func `one of several servers of a mount is waited for until the down time is over`()
        throws
    {
        var world = try NameWorld(pace: Pace(beat: 1000, suspect: 2500, down: 3500))
        try world.addServer("fs1", on: 2, mounts: "/a")
        try world.addServer("fs2", on: 3, mounts: "/a")
        try world.restart()
        try register(&world, "fs2", "/a", gen: 1)
        let early = try world.send("LOCATE /a/new")
        world.pass(milliseconds: 3500)

        #expect(early.hasPrefix("ERR server-down path=/a/new server=fs1 "))
        #expect(try world.send("LOCATE /a/new").hasPrefix("ERR not-found path=/a/new "))
    }
}
