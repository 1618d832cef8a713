import DFSProtocol
import Testing

@testable import NameService

@Suite struct OwnerOperationTests {
    @Test func `a removal is asked of the owner and answered when it is done`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/d/a"])

        let id = try world.post("@r REMOVE /d/a")
        let notice = world.takeNotices(2)
        let before = world.answers[id]
        let done = try world.send("DONE op=1000001", on: 2)

        #expect(notice == ["! remove op=1000001 path=/d/a\n"])
        #expect(before == nil)
        #expect(done == "OK\n")
        #expect(world.answers[id] == "@r OK\n")
        #expect(try world.send("LOCATE /d/a").hasPrefix("ERR not-found"))
        #expect(world.rows.node(named: "a") == nil)
    }

    @Test func `an owner that does not answer within five seconds is a timeout`() throws {
        var world = try NameWorld(pace: Pace(beat: 1000, suspect: 20_000, down: 30_000))
        try world.addServer("fs1", on: 2, files: ["/a"])

        let id = try world.post("REMOVE /a")
        let notice = world.lastOperation(2)
        world.pass(milliseconds: 4999)
        let early = world.answers[id]
        world.pass(milliseconds: 1)

        #expect(early == nil)
        #expect(world.answers[id]?.hasPrefix("ERR timeout path=/a ") == true)
        #expect(try world.send("DONE \(notice)", on: 2).hasPrefix("ERR not-found op=1000001 "))
        #expect(try world.send("LOCATE /a").hasPrefix("OK "))
    }

    @Test func `an owner whose connection is lost is a timeout at once`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])

        let id = try world.post("REMOVE /a")
        world.close(2)

        #expect(world.answers[id]?.hasPrefix("ERR timeout path=/a ") == true)
    }

    @Test(arguments: ["REMOVE /a", "RENAME /a /b", "REMOVE /d recursive=yes"])
    func `nothing is asked while the owner is not up`(line: String) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a", "/d/x"])
        world.pass(milliseconds: 2500)

        let answer = try world.send(line)

        #expect(answer.hasPrefix("ERR server-down path=/"))
        #expect(answer.contains(" server=fs1 seen=2500 retry=1000 "))
        #expect(world.takeNotices(2).isEmpty)
    }

    @Test(arguments: [("io", "io"), ("not-found", "not-found"), ("odd", "internal")])
    func `an owner's refusal reaches the client`(word: String, code: String) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])

        let id = try world.post("REMOVE /a")
        try world.send("DONE op=1000001 error=\(word)", on: 2)

        #expect(world.answers[id]?.hasPrefix("ERR \(code) path=/a server=fs1 ") == true)
        #expect(try world.send("LOCATE /a").hasPrefix(word == "not-found" ? "ERR" : "OK"))
    }

    @Test func `a directory goes on every server that has it`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/d/s/a"])
        try world.addServer("fs2", on: 3, files: ["/d/s/b"])
        try world.send("MKDIR /d/only-here")

        let id = try world.post("REMOVE /d recursive=yes")
        let notices = [world.takeNotices(2), world.takeNotices(3)]
        try world.send("DONE op=1000001", on: 2)
        let half = world.answers[id]
        try world.send("DONE op=1000001", on: 3)

        let expected = ["! remove op=1000001 path=/d recursive=yes\n"]
        #expect(notices == [expected, expected])
        #expect(half == nil)
        #expect(world.answers[id] == "OK\n")
        #expect(try world.send("DU /") == "OK files=0 dirs=0 bytes=0\n")
        #expect(world.rows.nodeCount == 0)
    }

    @Test func `a directory goes with the names that are claimed in it`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/d/s/a"])
        try world.send("MKDIR /d/made")
        for path in ["/d/s/claimed", "/d/made/claimed", "/d/claimed"] {
            try world.send("CREATE \(path)")
        }

        let id = try world.post("REMOVE /d recursive=yes")
        try world.send("DONE op=1000001", on: 2)

        #expect(world.answers[id] == "OK\n")
        #expect(try world.send("LIST /d").hasPrefix("ERR not-found "))
        #expect(world.rows.nodeCount == 0)
        #expect(try world.send("STATUS").contains(" claims=0 "))
    }

    @Test func `a directory that one of two servers could not remove keeps what is left`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/d/a"])
        try world.addServer("fs2", on: 3, files: ["/d/b"])

        let id = try world.post("REMOVE /d recursive=yes")
        try world.send("DONE op=1000001", on: 2)
        try world.send("DONE op=1000001 error=io", on: 3)

        #expect(world.answers[id]?.hasPrefix("ERR io path=/d server=fs2 ") == true)
        #expect(try world.send("LIST /d").hasPrefix("* file name=b "))
    }

    @Test(arguments: [
        ("REMOVE /", "ERR denied path=/ "),
        ("REMOVE /nope", "ERR not-found path=/nope "),
        ("REMOVE /d", "ERR not-empty path=/d "),
        ("REMOVE /d/a type=dir", "ERR not-dir path=/d/a "),
        ("REMOVE /d type=file", "ERR is-dir path=/d "),
        ("REMOVE /d/a server=fs2", "ERR not-found path=/d/a "),
        ("REMOVE /e", "OK\n"),
        ("RENAME /nope /x", "ERR not-found path=/nope "),
        ("RENAME /d /d/e", "ERR bad-argument path=/d "),
        ("RENAME /d /d", "OK\n"),
        ("RENAME /d/a /no/x", "ERR not-found path=/no "),
        ("RENAME /d/a /d/b", "ERR exists path=/d/b "),
        ("RENAME /d/a /e", "ERR exists path=/e "),
        ("RENAME /d/a /e replace=yes", "ERR is-dir path=/e "),
        ("RENAME /e /d/a replace=yes", "ERR not-dir path=/d/a "),
        ("RENAME /e /d replace=yes", "ERR not-empty path=/d "),
        ("RENAME /d/a /B/x", "ERR cross-server path=/B/x "),
        ("RENAME /d/a /d/b/c", "ERR not-dir path=/d/b "),
        ("RENAME /e /f", "OK\n"),
        ("RENAME /two /three", "ERR cross-server path=/two "),
        ("MKDIR /d", "ERR exists path=/d "),
        ("MKDIR /no/x", "ERR not-found path=/no "),
        ("MKDIR /d/a/x", "ERR not-dir path=/d/a "),
        ("SETATTR /d/a mode=0600", "ERR not-dir path=/d/a "),
        ("SETATTR /d", "ERR bad-argument "),
        ("SETATTR / mode=0700", "ERR unsupported path=/ "),
        ("LIST /d/a", "ERR not-dir path=/d/a "),
        ("LIST /nope", "ERR not-found path=/nope "),
        ("LIST / limit=0", "ERR bad-argument argument=limit "),
        ("LIST / limit=10001", "ERR bad-argument argument=limit "),
        ("STAT /nope", "ERR not-found path=/nope "),
        ("DU /nope", "ERR not-found path=/nope "),
        ("DU /d/a", "OK files=1 dirs=0 bytes=5\n"),
    ])
    func `every refusal has its code`(line: String, expected: String) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/d/a", "/d/b", "/two/x"])
        try world.addServer("fs2", on: 3, mounts: "/B /", files: ["/B/c", "/two/y"])
        try world.send("MKDIR /e")

        let answer = try world.send(line)

        #expect(answer.hasPrefix(expected), "\(answer)")
    }

    @Test func `renaming a directory moves everything below in one row`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: (1...50).map { "/d/s/f\($0)" })
        world.holdsCommits = true

        let id = try world.post("RENAME /d /new")
        let notice = world.takeNotices(2)
        _ = try world.post("DONE op=1000001", on: 2)
        let batch = world.core.takeBatch(at: world.now) ?? []
        world.deliver(batch)

        #expect(notice == ["! rename op=1000001 from=/d to=/new\n"])
        #expect(batch.count == 1)
        #expect(world.answers[id] == "OK\n")
        #expect(try world.send("LOCATE /new/s/f50").hasPrefix("OK path=/new/s/f50 "))
        #expect(try world.send("LOCATE /d/s/f50").hasPrefix("ERR not-found"))
    }

    @Test func `a report that is faster than DONE changes nothing in the outcome`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/d/a", "/t"])

        let id = try world.post("RENAME /d/a /t replace=yes")
        try world.send("REPORT fs1", on: 2, data: "- /d/a\n" + NameWorld.line("/t"))
        try world.send("DONE op=1000001", on: 2)

        #expect(world.answers[id] == "OK\n")
        #expect(try world.send("DU /") == "OK files=1 dirs=1 bytes=5\n")
    }

    @Test func `changes of a name wait for the operation on it and then see its outcome`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/d/a"])

        let first = try world.post("RENAME /d /e")
        let second = try world.post("MKDIR /d")
        let third = try world.post("REMOVE /d/a")
        #expect(world.answers.isEmpty)
        try world.send("DONE op=1000001", on: 2)

        #expect(world.answers[first] == "OK\n")
        #expect(world.answers[second] == "OK\n")
        #expect(world.answers[third]?.hasPrefix("ERR not-found path=/d/a ") == true)
    }

    @Test func `a hidden file of another server is removed by its name and server`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/p"])
        try world.addServer("fs2", on: 3, files: ["/p"])

        let id = try world.post("REMOVE /p server=fs2")
        try world.send("DONE \(world.lastOperation(3))", on: 3)

        #expect(world.answers[id] == "OK\n")
        #expect(try world.send("LIST /").contains("server=fs1 state=up\n"))
        #expect(try world.send("STATUS").contains(" conflicts=0 "))
    }

    @Test func `what another server reported below a directory meanwhile stays`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/d/a"])
        try world.addServer("fs2", on: 3)

        let id = try world.post("REMOVE /d recursive=yes")
        let operation = world.lastOperation(2)
        try world.send("REPORT fs2", on: 3, data: NameWorld.line("/d/b"))
        try world.send("DONE \(operation)", on: 2)

        #expect(world.answers[id] == "OK\n")
        #expect(try world.send("LOCATE /d/a").hasPrefix("ERR not-found"))
        #expect(try world.send("LOCATE /d/b").hasPrefix("OK path=/d/b server=fs2 "))
    }

    @Test func `a removal that a crash interrupts is there whole or not at all`() throws {
        var world = try NameWorld()
        try world.send("MKDIR /d")
        for number in 0..<3000 { try world.send("MKDIR /d/\(number)") }

        _ = try world.post("REMOVE /d recursive=yes")
        let isUnderWay = !world.core.jobs.isEmpty
        let batch = world.core.takeBatch(at: world.now)
        world.rows.apply(try #require(batch))
        try world.restart()

        #expect(isUnderWay)
        #expect(try world.send("LIST /") == "OK count=0\n")
        #expect(try world.send("STATUS").contains(" dirs=0 "))
        #expect(world.rows.node(named: "2999") == nil)
        #expect(world.rows.node(named: "0") == nil)
    }
}
