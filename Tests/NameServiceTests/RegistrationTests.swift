import DFSProtocol
import Testing

@testable import NameService

@Suite struct RegistrationTests {
    @Test(arguments: [
        ("addr=0.0.0.0:7401 epoch=1", "10.0.0.2:5", "ERR bad-argument addr=0.0.0.0:7401 "),
        ("addr=[::]:7401 epoch=1", "10.0.0.2:5", "ERR bad-argument addr=[::]:7401 "),
        ("addr=127.0.0.1:7401 epoch=1", "10.0.0.2:5", "ERR bad-argument addr=127.0.0.1:7401 "),
        ("addr=127.0.0.1:7401 epoch=1", "127.0.0.1:5", "OK next=1000 "),
        ("addr=10.0.0.2:0 epoch=1", "10.0.0.2:5", "ERR bad-argument addr=10.0.0.2:0 "),
        ("addr=10.0.0.2:7401 epoch=1", "10.0.0.2:5", "OK next=1000 "),
        ("addr=nowhere epoch=1", "10.0.0.2:5", "ERR bad-argument argument=nowhere "),
        ("addr=10.0.0.2:1", "10.0.0.2:5", "ERR bad-argument argument=epoch "),
        ("epoch=1", "10.0.0.2:5", "ERR bad-argument argument=addr "),
    ])
    func `an address that clients can not reach is refused`(
        options: String, peer: String, expected: String
    ) throws {
        var world = try NameWorld()

        let answer = try world.send("REGISTER fs1 / \(options)", on: 2, peer: peer)

        #expect(answer.hasPrefix(expected), "\(answer)")
    }

    @Test func `a registration needs notices`() throws {
        var world = try NameWorld()

        let answer = try world.send("REGISTER fs1 / addr=h:1 epoch=1", on: 2, push: false)

        #expect(answer.hasPrefix("ERR bad-state "))
    }

    @Test(arguments: [(4, "ERR stale-epoch"), (5, "ERR stale-epoch"), (6, "OK next=")])
    func `only a higher epoch takes an id over while its connection is alive`(
        epoch: Int, expected: String
    ) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, epoch: 5)

        let answer = try world.send("REGISTER fs1 / addr=h:1 epoch=\(epoch)", on: 3)

        #expect(answer.hasPrefix(expected), "\(answer)")
        let old = try world.send("HEARTBEAT fs1 seq=1", on: 2)
        #expect(old.hasPrefix(epoch > 5 ? "ERR stale-epoch server=fs1 epoch=6 " : "OK next="))
    }

    @Test(arguments: [true, false])
    func `an equal epoch is taken when the old connection is gone or silent`(isGone: Bool) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, epoch: 5)
        if isGone { world.close(2) } else { world.pass(milliseconds: 2500) }

        let answer = try world.send("REGISTER fs1 / addr=h:1 epoch=5", on: 3)

        #expect(answer.hasPrefix("OK next="))
    }

    @Test func `an epoch that was accepted is refused to lower ones after a restart too`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, epoch: 5)

        try world.restart()

        #expect(
            try world.send("REGISTER fs1 / addr=h:1 epoch=4", on: 2)
                .hasPrefix("ERR stale-epoch server=fs1 epoch=5"))
        #expect(try world.send("REGISTER fs1 / addr=h:1 epoch=5", on: 2).hasPrefix("OK next="))
    }

    @Test func `a server with a generation resumes from the last one that is in the catalogue`()
        throws
    {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])
        try world.send("REPORT fs1 gen=7", on: 2, data: NameWorld.line("/b"))
        world.close(2)

        let same = try world.send("REGISTER fs1 / addr=h:1 epoch=1 gen=9", on: 3)
        world.close(3)
        let behind = try world.send("REGISTER fs1 / addr=h:1 epoch=1 gen=6", on: 4)
        world.close(4)
        let moved = try world.send("REGISTER fs1 /other addr=h:1 epoch=1 gen=9", on: 5)

        #expect(same == "OK next=1000 suspect=2500 down=3500 inventory=since gen=7\n")
        #expect(behind == "OK next=1000 suspect=2500 down=3500 inventory=full\n")
        #expect(moved == "OK next=1000 suspect=2500 down=3500 inventory=full\n")
    }

    @Test(arguments: ["HEARTBEAT fs1 seq=1", "GOODBYE fs1", "REPORT fs1 \"\"", "DONE op=1"])
    func `who is not registered has nothing to say`(line: String) throws {
        var world = try NameWorld()

        #expect(try world.send(line, on: 2).hasPrefix("ERR unknown-server "))
    }

    @Test
    func `a mount point is a directory as soon as its server is known, and cannot be removed`()
        throws
    {
        var world = try NameWorld()
        try world.send("REGISTER fs1 /deep/mount addr=h:1 epoch=1", on: 2)

        #expect(try world.send("LIST /deep") == "* dir name=mount\nOK count=1\n")
        #expect(try world.send("REMOVE /deep recursive=yes").hasPrefix("ERR denied path=/deep "))
        #expect(try world.send("RENAME /deep /other").hasPrefix("ERR denied path=/deep "))
        try world.restart()
        #expect(try world.send("LIST /deep") == "* dir name=mount\nOK count=1\n")
    }

    @Test func `servers are listed with what they hold`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, mounts: "\"/b c\" /a", files: ["/a/x", "/a/y"])
        try world.send("HEARTBEAT fs1 seq=1 free=77 load=1", on: 2)

        #expect(
            try world.send("SERVERS") == """
                * server id=fs1 addr=127.0.0.1:7402 state=up seen=0 files=2 bytes=10 free=77 \
                mounts="/a \\"/b c\\"" epoch=1
                OK count=1

                """)
    }

    @Test func `who has yet to tell a part of what it has is known as such`() throws {
        func isTelling(_ world: inout NameWorld) throws -> Bool {
            try world.send("SERVERS").contains(" state=up inventory=running seen=")
        }
        var world = try NameWorld()
        try world.send("REGISTER fs1 / addr=127.0.0.1:7402 epoch=1 gen=3", on: 2)
        let first = try isTelling(&world)
        try world.send(
            "REPORT fs1 inventory=more gen=3", on: 2, data: NameWorld.line("/a"))
        let half = try isTelling(&world)
        try world.send("REPORT fs1 inventory=end gen=3", on: 2, data: NameWorld.line("/b"))
        let whole = try isTelling(&world)
        // Back with two more changes.
        try world.send("REGISTER fs1 / addr=127.0.0.1:7402 epoch=1 gen=5", on: 2)
        let back = try isTelling(&world)
        try world.send("REPORT fs1 gen=4", on: 2, data: NameWorld.line("/c"))
        let almost = try isTelling(&world)
        try world.send("REPORT fs1 gen=5", on: 2, data: NameWorld.line("/d"))

        #expect([first, half, whole, back, almost] == [true, true, false, true, true])
        #expect(try !isTelling(&world))
    }

    @Test func `who counts no changes has told all with its inventory`() throws {
        var world = try NameWorld()
        try world.send("REGISTER fs1 / addr=127.0.0.1:7402 epoch=1", on: 2)
        let before = try world.send("SERVERS")
        try world.send("REPORT fs1 inventory=end", on: 2, data: NameWorld.line("/b"))

        #expect(before.contains(" inventory=running "))
        #expect(try !world.send("SERVERS").contains("inventory="))
    }

    @Test func `an inventory that mentions nothing leaves nothing`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/old"])
        try world.send("REGISTER fs1 / addr=h:1 epoch=2", on: 3)

        let end = try world.send("REPORT fs1 inventory=end", on: 3, data: "")

        #expect(end == "OK files=0\n")
        #expect(try world.send("LOCATE /old").hasPrefix("ERR not-found "))
    }

    @Test func `an inventory of which a part was refused never ends`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/old"])
        try world.send("REGISTER fs1 / addr=h:1 epoch=2", on: 3)

        let refused = try world.send("REPORT fs1 inventory=more", on: 3, data: "+ nonsense\n")
        let end = try world.send("REPORT fs1 inventory=end", on: 3, data: NameWorld.line("/a"))

        #expect(refused.hasPrefix("ERR bad-argument line=1 "))
        #expect(end.hasPrefix("ERR bad-state "))
        #expect(try world.send("LOCATE /old").hasPrefix("OK "))
        try world.send("REGISTER fs1 / addr=h:1 epoch=2", on: 3)
        let anew = try world.send("REPORT fs1 inventory=end", on: 3, data: NameWorld.line("/a"))
        #expect(anew.hasPrefix("OK "))
        #expect(try world.send("LOCATE /old").hasPrefix("ERR not-found "))
    }

    @Test func `a generation told in the middle of an inventory is none to resume from`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/old"])
        try world.send("REGISTER fs1 / addr=h:1 epoch=2", on: 3)
        try world.send("REPORT fs1 inventory=more", on: 3, data: NameWorld.line("/a"))
        try world.send("REPORT fs1 gen=7", on: 3, data: NameWorld.line("/b"))
        world.close(3)

        let answer = try world.send("REGISTER fs1 / addr=h:1 epoch=2 gen=7", on: 4)

        #expect(answer.hasSuffix(" inventory=full\n"), "\(answer)")
    }

    @Test(arguments: [(64, "OK next="), (65, "ERR too-many max=64 ")])
    func `a server has at most 64 mounts`(count: Int, expected: String) throws {
        var world = try NameWorld()
        let mounts = (0..<count).map { "/m\($0)" }.joined(separator: " ")

        let answer = try world.send("REGISTER fs1 \(mounts) addr=h:1 epoch=1", on: 2)

        #expect(answer.hasPrefix(expected), "\(answer)")
    }

    @Test func `mounts have at most 16384 bytes together`() throws {
        var world = try NameWorld()
        let long = String(repeating: "/" + String(repeating: "x", count: 240), count: 16)
        let mounts = (0..<5).map { "\(long)\($0)" }.joined(separator: " ")

        let answer = try world.send("REGISTER fs1 \(mounts) / addr=h:1 epoch=1", on: 2)

        #expect(answer.hasPrefix("ERR too-many max=64 "), "\(answer)")
    }
}
