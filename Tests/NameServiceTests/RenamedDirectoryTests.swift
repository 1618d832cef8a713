import DFSProtocol
import Testing

@testable import NameService

/// RENAME of directories: what moves with them, and what may not.
@Suite struct RenamedDirectoryTests {
    @Test func `what another server reported meanwhile stays under the old name`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/d/a", "/d/s/both"])
        try world.addServer("fs2", on: 3, files: ["/z"])
        try world.send("MKDIR /d/made")

        let id = try world.post("RENAME /d /new")
        let operation = world.lastOperation(2)
        try world.send(
            "REPORT fs2 gen=2", on: 3,
            data: "- /z\n" + ["/d/b", "/d/s/both", "/d/t/c"].map(NameWorld.line).joined())
        try world.send("DONE \(operation)", on: 2)

        #expect(world.answers[id] == "OK\n")
        #expect(
            try world.send("FIND / type=file").split(separator: "\n").map { line in
                line.split(separator: " ").filter {
                    $0.hasPrefix("path=") || $0.hasPrefix("server=") || $0.hasPrefix("conflict=")
                }.joined(separator: " ")
            } == [
                "path=/d/b server=fs2", "path=/d/s/both server=fs2", "path=/d/t/c server=fs2",
                "path=/new/a server=fs1", "path=/new/s/both server=fs1", "",
            ])
        #expect(
            try world.send("FIND / type=dir").hasPrefix(
                """
                * dir path=/d
                * dir path=/d/s
                * dir path=/d/t
                * dir path=/new
                * dir path=/new/made
                * dir path=/new/s

                """))
        #expect(try world.send("STAT /new").hasSuffix(" servers=fs1\n"))
        #expect(try world.send("STAT /d").hasSuffix(" servers=fs2\n"))
        #expect(try world.send("STATUS").contains(" conflicts=0 "))
        let known = try world.send("REGISTER fs2 / addr=127.0.0.1:7403 epoch=2 gen=5", on: 4)
        #expect(known.hasSuffix(" inventory=since gen=2\n"))
    }

    @Test func `directories that only the catalogue knows follow a report that was faster`() throws
    {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)
        try world.addServer("fs2", on: 3)
        for path in ["/d", "/d/s", "/d/s/made mode=0700", "/d/other"] {
            try world.send("MKDIR \(path)")
        }
        try world.send("REPORT fs1", on: 2, data: NameWorld.line("/d/s/a"))

        let id = try world.post("RENAME /d /new op=x1")
        world.settle()
        let operation = world.lastOperation(2)
        try world.send("REPORT fs2", on: 3, data: NameWorld.line("/d/other/b"))
        try world.send("REPORT fs1", on: 2, data: "- /d\n" + NameWorld.line("/new/s/a"))
        try world.send("DONE \(operation)", on: 2)

        #expect(world.answers[id] == "OK\n")
        #expect(
            try world.send("FIND / type=dir") == """
                * dir path=/d
                * dir path=/d/other
                * dir path=/new
                * dir path=/new/other
                * dir path=/new/s
                * dir path=/new/s/made
                OK count=6

                """)
        #expect(try world.send("STAT /new/s/made").contains(" mode=0700 "))
        let before = try world.send("FIND /")
        try world.restart()
        #expect(try world.send("FIND /") == before.replacing("state=up", with: "state=suspect"))
    }

    @Test func `a report that comes while names are given back is applied after that`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/d/x"])
        try world.addServer("fs2", on: 3)

        let id = try world.post("RENAME /d /new")
        try world.send(
            "REPORT fs2", on: 3, data: (1000..<8000).map { NameWorld.line("/d/f\($0)") }.joined())
        _ = try world.post("DONE op=1000001", on: 2)
        let isUnderWay = !world.core.jobs.isEmpty
        let report = try world.post(
            "REPORT fs2", on: 3, data: "- /d/f7999\n- /d/f1000\n" + NameWorld.line("/d/last"))
        let late = try world.post("MKDIR /d/f7998/x")
        #expect(world.answers[late] == nil)
        world.settle()

        #expect(isUnderWay)
        #expect(world.answers[id] == "OK\n")
        #expect(world.answers[report] == "OK files=6999\n")
        #expect(world.answers[late]?.hasPrefix("ERR not-dir path=/d/f7998 ") == true)
        #expect(try world.send("DU /d") == "OK files=6999 dirs=0 bytes=34995\n")
        #expect(try world.send("DU /new") == "OK files=1 dirs=0 bytes=5\n")
    }

    @Test func `a crash while names are given back has the others send everything`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/d/x"])
        try world.addServer("fs2", on: 3)
        _ = try world.post("RENAME /d /new")
        try world.send(
            "REPORT fs2 gen=2", on: 3,
            data: (1000..<8000).map { NameWorld.line("/d/f\($0)") }.joined())

        _ = try world.post("DONE op=1000001", on: 2)
        let batch = world.core.takeBatch(at: world.now)
        world.rows.apply(try #require(batch))
        try world.restart()
        let others = try world.send("REGISTER fs2 / addr=127.0.0.1:7403 epoch=2 gen=5", on: 4)
        let own = try world.send("REGISTER fs1 / addr=127.0.0.1:7402 epoch=2 gen=5", on: 5)

        #expect(others.hasSuffix(" inventory=full\n"))
        #expect(own.hasSuffix(" inventory=since gen=1\n"))
    }

    @Test(arguments: [55, 56])
    func `no path below may grow over 4096 bytes`(length: Int) throws {
        var world = try NameWorld()
        let long = (0..<15).map { _ in String(repeating: "x", count: 255) }.joined(separator: "/")
        let deepest = "/d/\(long)/" + String(repeating: "y", count: 200)
        try world.addServer("fs1", on: 2, files: [deepest, "/d/a"])
        let grown = "/" + String(repeating: "n", count: length - 1)

        let id = try world.post("RENAME /d \(grown) op=x1")
        world.settle()
        let notices = world.takeNotices(2)
        if length == 55 { try world.send("DONE op=1000001", on: 2) }

        #expect(deepest.utf8.count - 2 + 55 == 4096)
        #expect(notices.count == (length == 55 ? 1 : 0))
        if length == 55 {
            #expect(world.answers[id] == "OK\n")
            let whole = grown + deepest.dropFirst(2)
            #expect(try world.send("LOCATE \(whole)").hasPrefix("OK "))
        } else {
            #expect(
                world.answers[id]?.hasPrefix("ERR name-too-long path=\(grown) max=4096 ") == true)
            #expect(try world.send("LOCATE /d/a").hasPrefix("OK "))
        }
    }

    @Test func `measuring is done in slices, and only for a longer name`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: (0..<9000).map { "/dir/f\($0)" })

        _ = try world.post("RENAME /dir /new")
        #expect(!world.core.hasWork)
        try world.send("DONE \(world.lastOperation(2))", on: 2)
        let longer = try world.post("RENAME /new /longer")
        let other = try world.post("LOCATE /new/f1")
        let waiting = try world.post("MKDIR /longer")
        #expect(world.core.hasWork)
        #expect(world.takeNotices(2).isEmpty)
        #expect(world.answers[other]?.hasPrefix("OK ") == true)
        world.settle()
        try world.send("DONE \(world.lastOperation(2))", on: 2)

        #expect(world.answers[longer] == "OK\n")
        #expect(world.answers[waiting]?.hasPrefix("ERR exists path=/longer ") == true)
        #expect(try world.send("LOCATE /longer/f1").hasPrefix("OK "))
    }
}
