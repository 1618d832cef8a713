import DFSProtocol
import Testing

@testable import NameService

@Suite struct ChangeTests {
    @Test func `a claim is durable, hidden, and expires after sixty seconds`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)

        let created = try world.send("CREATE /n")
        let again = try world.send("CREATE /n")
        try world.restart(afterMilliseconds: 20_000)
        world.pass(milliseconds: 39_000)
        let late = try world.send("CREATE /n")
        world.pass(milliseconds: 2000)
        let over = try world.send("CREATE /n")

        #expect(
            created == """
                OK path=/n server=fs1 addr=127.0.0.1:7402 why="the only server with this mount"

                """
        )
        #expect(again.hasPrefix("ERR exists path=/n "))
        #expect(late.hasPrefix("ERR exists path=/n "))
        #expect(over.hasPrefix("ERR server-down path=/n server=fs1 "))
    }

    @Test func `a claimed name is nowhere until its file is reported`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)
        try world.send("CREATE /n")

        #expect(try world.send("LOCATE /n").hasPrefix("ERR not-found"))
        #expect(try world.send("STAT /n").hasPrefix("ERR not-found"))
        #expect(try world.send("LIST /") == "OK count=0\n")
        #expect(try world.send("FIND /") == "OK count=0\n")
        try world.send("REPORT fs1", on: 2, data: NameWorld.line("/n"))
        world.pass(milliseconds: 61_000)
        #expect(try world.send("LIST /").hasPrefix("* file name=n "))
    }

    @Test func `a removal releases a claim`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)
        try world.send("CREATE /n")

        #expect(try world.send("REMOVE /n") == "OK\n")
        #expect(try world.send("CREATE /n").hasPrefix("OK path=/n "))
    }

    @Test(arguments: [
        ("free=1000 load=5", "free=900 load=1", "fs2"),
        ("free=1000 load=5", "free=499 load=1", "fs1"),
        ("free=1000 load=2", "free=900 load=2", "fs1"),
        ("free=700 load=2", "free=900 load=2", "fs2"),
        ("free=5", "free=5", "fs1"),
    ])
    func `a new name goes to the least loaded of those with room`(
        first: String, second: String, expected: String
    ) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)
        try world.addServer("fs2", on: 3)
        try world.send("HEARTBEAT fs1 seq=1 \(first)", on: 2)
        try world.send("HEARTBEAT fs2 seq=1 \(second)", on: 3)

        #expect(try world.send("CREATE /n").contains(" server=\(expected) "))
    }

    @Test(arguments: [
        ("CREATE /B/n", "OK path=/B/n server=fs2 "),
        ("CREATE /n", "OK path=/n server=fs1 "),
        ("CREATE /B/n server=fs1", "ERR no-replica path=/B/n server=fs1 "),
        ("CREATE /B/n server=fs9", "ERR unknown-server server=fs9 "),
        ("CREATE /no/n", "ERR not-found path=/no "),
    ])
    func `a new name belongs to the longest mount`(line: String, expected: String) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)
        try world.addServer("fs2", on: 3, mounts: "/B")

        #expect(try world.send(line).hasPrefix(expected))
    }

    @Test func `nobody mounted is no-replica`() throws {
        var world = try NameWorld()

        #expect(try world.send("CREATE /n").hasPrefix("ERR no-replica path=/n "))
    }

    @Test func `a directory of the catalogue outlives a restart, with mode and time`() throws {
        var world = try NameWorld()

        try world.send("MKDIR /d mode=0700")
        try world.send("SETATTR /d mtime=2020-01-01T00:00:00.5Z")
        try world.restart()

        #expect(
            try world.send("STAT /d")
                == "OK type=dir mtime=2020-01-01T00:00:00.5Z mode=0700 servers=\n")
    }

    @Test func `an answer waits for the commit that holds its change, and reads do not`() throws {
        var world = try NameWorld()
        world.holdsCommits = true

        let first = try world.post("MKDIR /a")
        let travelling = world.core.takeBatch(at: world.now)
        let batch = try #require(travelling)
        let second = try world.post("MKDIR /b")
        let third = try world.post("MKDIR /c")
        #expect(world.core.takeBatch(at: world.now) == nil)
        #expect(try world.send("LIST /").hasSuffix("OK count=3\n"))
        #expect(world.answers.isEmpty)
        world.deliver(batch)

        #expect(world.answers[first] == "OK\n")
        #expect(world.answers[second] == nil)
        let following = world.core.takeBatch(at: world.now)
        let next = try #require(following)
        world.deliver(next)
        #expect(next.count == 2)
        #expect(world.answers[second] == "OK\n")
        #expect(world.answers[third] == "OK\n")
    }

    @Test(arguments: [(true, "no-space"), (false, "io")])
    func `a store that fails refuses changes, tells what it has begun as unknown, and recovers`(
        isFull: Bool, code: String
    ) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])
        world.storeFailure = CatalogueStoreError("it failed", isOutOfSpace: isFull)

        let waiting = try world.send("MKDIR /x")
        let refused = try world.send("MKDIR /y")
        let read = try world.send("LOCATE /a")
        world.storeFailure = nil
        let early = try world.send("MKDIR /y")
        world.pass(milliseconds: 1000)
        let late = try world.send("MKDIR /y")

        #expect(waiting.hasPrefix("ERR timeout "))
        #expect(refused.hasPrefix("ERR \(code) retry=1000 "))
        #expect(read.hasPrefix("OK path=/a "))
        #expect(early.hasPrefix("ERR \(code) retry=1000 "))
        #expect(late == "OK\n")
        #expect(world.rows.node(named: "x") != nil)
        #expect(world.rows.node(named: "y") != nil)
    }

    @Test func `a watch tells every change below its path once`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)

        let answer = try world.send("WATCH /d", on: 9)
        try world.send("MKDIR /d")
        try world.send("MKDIR /other")
        try world.send("REPORT fs1", on: 2, data: NameWorld.line("/d/a"))
        try world.send("RENAME /other /elsewhere")
        world.close(2)

        #expect(answer == "OK seq=1\n")
        #expect(
            world.takeNotices(9) == [
                "! change seq=2 kind=create path=/d\n",
                "! change seq=4 kind=create path=/d/a\n",
                "! change seq=6 kind=state path=/ server=fs1 state=suspect\n",
            ])
    }

    @Test func `a watch goes on from a number, or tells that history is gone`() throws {
        var world = try NameWorld()
        for number in 1...5 { try world.send("MKDIR /d\(number)") }

        let recent = try world.send("WATCH / since=3", on: 8)
        let current = try world.send("WATCH / since=5", on: 9)
        let future = try world.send("WATCH / since=6", on: 10)

        #expect([recent, current, future] == ["OK seq=5\n", "OK seq=5\n", "OK seq=5\n"])
        #expect(
            world.takeNotices(8) == [
                "! change seq=4 kind=create path=/d4\n", "! change seq=5 kind=create path=/d5\n",
            ])
        #expect(world.takeNotices(9).isEmpty)
        #expect(world.takeNotices(10) == ["! gap seq=5\n"])
        try world.restart()
        try world.send("WATCH / since=5", on: 11)
        #expect(world.takeNotices(11) == ["! gap seq=1000000\n"])
    }

    @Test(arguments: [16, 17])
    func `a connection may watch sixteen paths`(count: Int) throws {
        var world = try NameWorld()
        var answer = ""

        for _ in 0..<count { answer = try world.send("WATCH /", on: 9) }

        #expect(answer.hasPrefix(count > 16 ? "ERR too-many max=16 of=connection " : "OK seq=0"))
        #expect(try world.send("WATCH /", on: 10, push: false).hasPrefix("ERR bad-state "))
    }

    @Test func `long work is done in slices, with other answers in between`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: (0..<9000).map { "/d/f\($0)" })

        let search = try world.post("FIND / name=nothing")
        let other = try world.post("LOCATE /d/f1")
        #expect(world.answers[search] == nil)
        #expect(world.answers[other]?.hasPrefix("OK ") == true)
        var slices = 0
        while world.core.hasWork {
            world.core.work(at: world.now)
            slices += 1
        }
        world.settle()

        #expect(slices >= 4)
        #expect(world.answers[search] == "OK count=0\n")
    }

    @Test func `a cancelled search is dropped`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: (0..<9000).map { "/d/f\($0)" })
        let search = try world.post("@1 FIND / name=nothing")

        world.core.cancelled(search, at: world.now)

        #expect(!world.core.hasWork)
    }
}
