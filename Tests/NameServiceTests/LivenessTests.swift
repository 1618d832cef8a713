import DFSProtocol
import Testing

@testable import NameService

@Suite struct LivenessTests {
    @Test(arguments: [
        (2499, "state=up"), (2500, "state=suspect"), (3499, "state=suspect"),
        (3500, "ERR server-down path=/a server=fs1 seen=3500 retry=1000 "),
    ])
    func `silence makes a server suspect and then down`(silence: Int64, expected: String) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])

        world.pass(milliseconds: silence)

        #expect(try world.send("LOCATE /a").contains(expected))
    }

    @Test func `a closed connection makes a server suspect at once, and down in time`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])

        world.close(2)
        let atOnce = try world.send("LOCATE /a")
        world.pass(milliseconds: 3500)
        let later = try world.send("LOCATE /a")

        #expect(atOnce.contains("state=suspect"))
        #expect(later.hasPrefix("ERR server-down path=/a server=fs1 seen=3500"))
    }

    @Test func `every request on a registration is a sign of life`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])

        world.pass(milliseconds: 3000)
        try world.send("STATUS", on: 2)

        #expect(try world.send("LOCATE /a").contains("state=up size=5 ver=0 seen=0"))
    }

    @Test func `a server that was down is up with one heartbeat`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])
        world.pass(milliseconds: 10_000)

        let answer = try world.send("HEARTBEAT fs1 seq=9 free=100 load=3", on: 2)

        #expect(answer == "OK next=1000\n")
        #expect(try world.send("LOCATE /a").contains("state=up"))
    }

    @Test(arguments: [
        ("", "stopped", "on purpose"), (" why=stopped", "stopped", "on purpose"),
        (" why=away", "away", "its folders are away"),
    ])
    func `goodbye takes a server down at once and says why, also after a restart`(
        option: String, word: String, sentence: String
    ) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])

        let answer = try world.send("GOODBYE fs1\(option)", on: 2)

        #expect(answer == "OK\n")
        let located = try world.send("LOCATE /a")
        #expect(located.hasPrefix("ERR server-down path=/a server=fs1 seen=0 retry=1000 "))
        #expect(located.contains(sentence))
        let servers = try world.send("SERVERS")
        #expect(servers.contains(" state=goodbye why=\(word) seen=0 "))
        #expect(try world.send("LIST /").contains("* file name=a size=5"))
        #expect(try world.send("HEARTBEAT fs1 seq=1", on: 2).hasPrefix("ERR unknown-server"))
        try world.restart(afterMilliseconds: 0)
        #expect(try world.send("SERVERS") == servers)
        #expect(try world.send("LOCATE /a").contains(sentence))
        try world.addServer("fs1", on: 2, files: ["/a"])
        #expect(try !world.send("SERVERS").contains("why="))
    }

    @Test func `goodbye for another reason is no goodbye`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)

        let answer = try world.send("GOODBYE fs1 why=tired", on: 2)

        #expect(answer.hasPrefix("ERR bad-argument argument=why "))
        #expect(try world.send("SERVERS").contains(" state=up seen="))
    }

    @Test func `after a restart known servers are suspect until the down time has passed`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])

        try world.restart(afterMilliseconds: 60_000)
        let early = try world.send("LOCATE /a")
        world.pass(milliseconds: 3499)
        let late = try world.send("LOCATE /a")
        world.pass(milliseconds: 1)
        let over = try world.send("LOCATE /a")

        #expect(early.contains("state=suspect size=5 ver=0 seen=60000"))
        #expect(late.contains("state=suspect"))
        #expect(over.hasPrefix("ERR server-down path=/a server=fs1 seen=63500"))
    }

    @Test(arguments: [false, true])
    func `a restart forgets ten seconds of signs at most, and a planned one none`(
        isPlanned: Bool
    ) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])
        try world.addServer("fs2", on: 3)
        for _ in 0..<25 {
            world.pass(milliseconds: 1000)
            try world.send("HEARTBEAT fs1 seq=1", on: 2)
            try world.send("HEARTBEAT fs2 seq=1", on: 3)
        }
        world.close(3)
        world.pass(milliseconds: 500)

        if isPlanned {
            world.core.keepSigns(at: world.now)
            world.settle()
        }
        try world.restart(afterMilliseconds: 500)
        let servers = try world.send("SERVERS").split(separator: "\n")

        let seen = servers.compactMap { line in
            line.split(separator: " ").first { $0.hasPrefix("seen=") }
                .flatMap { Int($0.dropFirst(5)) }
        }
        #expect(seen.count == 2)
        #expect(seen.allSatisfy { $0 >= 1000 && $0 <= (isPlanned ? 2000 : 11_000) })
    }

    @Test func `a restart raises the epoch, and numbers of changes are not given again`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])
        let before = try world.send("STATUS")

        try world.restart()
        let after = try world.send("STATUS")

        #expect(
            before.hasPrefix("OK role=name id=ns1 epoch=1 uptime=0 files=1 dirs=0 servers=1 up=1"))
        #expect(
            after.hasPrefix("OK role=name id=ns1 epoch=2 uptime=0 files=1 dirs=0 servers=1 up=0"))
        #expect(before.contains(" seq=2 "))
        #expect(after.contains(" seq=1000000 "))
    }

    @Test(arguments: [(9, 20, 30), (10, 10, 30), (10, 30, 30), (10, 20, 86_400_001)])
    func `a pace that can not work is refused`(beat: Int64, suspect: Int64, down: Int64) {
        #expect(throws: RequestError.self) {
            try Pace(beat: beat, suspect: suspect, down: down)
        }
    }
}
