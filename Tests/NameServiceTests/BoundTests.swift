import DFSProtocol
import Testing

@testable import NameService

/// What peers that ask for much, or do not read, may cost.
@Suite struct BoundTests {
    @Test func `a watcher that does not read costs nothing and is told of the gap`() throws {
        var world = try NameWorld()
        let watcher = ConnectionID(number: 9)
        try world.send("WATCH /", on: 9)
        try world.send("MKDIR /a")
        let before = world.takeNotices(9)

        world.core.setStalled(watcher, true)
        for number in 0..<Watchers.historyEvents { try world.send("MKDIR /d\(number)") }
        let meanwhile = world.takeNotices(9)
        world.core.setStalled(watcher, false)
        world.settle()
        let complete = world.takeNotices(9)
        world.core.setStalled(watcher, true)
        for number in 0...Watchers.historyEvents { try world.send("MKDIR /e\(number)") }
        world.core.setStalled(watcher, false)
        world.settle()
        let gap = world.takeNotices(9)
        try world.send("MKDIR /b")

        #expect(before == ["! change seq=1 kind=create path=/a\n"])
        #expect(meanwhile.isEmpty)
        #expect(complete.count == Watchers.historyEvents)
        #expect(complete.last == "! change seq=4097 kind=create path=/d4095\n")
        #expect(gap == ["! gap seq=8194\n"])
        #expect(world.takeNotices(9) == ["! change seq=8195 kind=create path=/b\n"])
    }

    @Test func `a notice that could not be sent is a gap`() throws {
        var world = try NameWorld()
        try world.send("WATCH /", on: 9)
        try world.send("MKDIR /a")
        _ = world.takeNotices(9)

        let watches = world.core.missed(ConnectionID(number: 9))
        let others = world.core.missed(ConnectionID(number: 8))
        try world.send("MKDIR /b")

        #expect(watches)
        #expect(!others)
        #expect(world.takeNotices(9) == ["! gap seq=2\n"])
    }

    @Test func `one turn writes so much to a watcher and the rest in the next ones`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)
        try world.send("WATCH /", on: 9)
        let name = String(repeating: "n", count: 200)
        _ = try world.post(
            "REPORT fs1", on: 2, data: (0..<500).map { NameWorld.line("/\(name)\($0)") }.joined())

        while world.notices[9] == nil {
            world.core.work(at: world.now)
            world.collect()
        }
        let first = world.takeNotices(9).joined().utf8.count
        let isMore = world.core.hasWork
        world.settle()
        let rest = world.takeNotices(9)

        #expect(first >= Watchers.turnBytesOfOne)
        #expect(first < Watchers.turnBytesOfOne + 1000)
        #expect(isMore)
        #expect(rest.last == "! change seq=501 kind=create path=/\(name)499\n")
    }

    @Test func `one turn does so much for all watchers together, and none is forgotten`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)
        let watchers = UInt64(100)..<UInt64(200)
        for connection in watchers { try world.send("WATCH /", on: connection) }

        _ = try world.post(
            "REPORT fs1", on: 2, data: (0..<400).map { NameWorld.line("/f\($0)") }.joined())
        let first = watchers.count { !(world.notices[$0] ?? []).isEmpty }
        world.settle()

        #expect(first == Watchers.turnSteps / 400)
        #expect(watchers.allSatisfy { world.notices[$0]?.count == 400 })
    }

    @Test(arguments: [Watchers.most, Watchers.most + 1])
    func `there are so many watches in all`(count: Int) throws {
        var world = try NameWorld()
        var answer = ""

        for number in 0..<count { answer = try world.send("WATCH /", on: UInt64(10 + number / 16)) }

        #expect(answer.hasPrefix(count > Watchers.most ? "ERR too-many max=4096 of=server " : "OK"))
        world.close(10)
        #expect(try world.send("WATCH /", on: 9).hasPrefix("OK "))
    }

    @Test func `a second watch is told what it missed, and nothing twice`() throws {
        var world = try NameWorld()
        for number in 1...4 { try world.send("MKDIR /d\(number)") }
        try world.send("WATCH /d4", on: 9)

        try world.send("WATCH / since=2", on: 9)
        try world.send("WATCH /d4 since=9", on: 9)
        try world.send("MKDIR /d4/e")

        #expect(
            world.takeNotices(9) == [
                "! change seq=3 kind=create path=/d3\n", "! change seq=4 kind=create path=/d4\n",
                "! gap seq=4\n", "! change seq=5 kind=create path=/d4/e\n",
            ])
    }

    @Test func `searches of one connection take turns, and other connections have theirs`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: (0..<9000).map { "/d/f\($0)" })

        let many = try (0..<20).map { try world.post("@\($0) FIND /d name=f8999", on: 5) }
        let other = try world.post("DU /d", on: 6)
        #expect(world.core.jobs.count == Searches.perConnection + 1)
        while world.answers[other] == nil {
            world.core.work(at: world.now)
            world.collect()
        }
        let earlier = many.count { world.answers[$0] != nil }
        world.settle()

        #expect(earlier <= 2)
        #expect(many.allSatisfy { world.answers[$0]?.hasSuffix("OK count=1\n") ?? false })
    }

    @Test func `so many searches run at once, whoever asks`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: (0..<9000).map { "/d/f\($0)" })

        let all = try (10..<60).map { try world.post("FIND /d name=f1", on: UInt64($0)) }
        let running = world.core.jobs.count
        world.core.connectionClosed(ConnectionID(number: 10), at: world.now)
        world.core.connectionClosed(ConnectionID(number: 59), at: world.now)
        world.core.cancelled(all[1], at: world.now)
        world.core.cancelled(all[30], at: world.now)
        world.settle()

        #expect(running == Searches.most)
        #expect(all.count { world.answers[$0] != nil } == 46)
        #expect(!world.core.hasWork)
        #expect(try world.send("FIND /d name=f1").hasSuffix("OK count=1\n"))
    }

    @Test func `nothing is searched for a connection that does not read its answers`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/d/a"])
        let connection = ConnectionID(number: 5)

        world.core.setStalled(connection, true)
        let found = try world.send("FIND /", on: 5)
        let idle = world.core.hasWork
        let other = try world.send("FIND /", on: 6)
        world.core.setStalled(connection, false)
        world.settle()

        #expect(found == "")
        #expect(!idle)
        #expect(other.hasSuffix("OK count=2\n"))
        #expect(world.answers.values.contains(other))
    }
}
