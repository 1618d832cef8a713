import DFSProtocol
import Testing

@testable import NameService

/// What happens to names while an owner, or the name server in slices, is at work on them.
@Suite struct OvertakenTests {
    private static func line(_ path: String, fid: Int) -> String {
        LostOutcomeTests.line(path, fid: fid)
    }

    private func world(_ path: String = "/d/f") throws -> NameWorld {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)
        try world.send("REPORT fs1 gen=2", on: 2, data: OvertakenTests.line(path, fid: 1))
        return world
    }

    @Test(arguments: [
        "REMOVE /d/f", "REMOVE /d/f op=x1", "RENAME /d/f /d/g", "RENAME /d/f /d/g op=x",
    ])
    func `a file that was stored after the owner had done it stays`(request: String) throws {
        var world = try world()
        let asked = try world.post(request)
        world.settle()
        let moved =
            request.hasPrefix("RENAME") ? OvertakenTests.line("/d/g", fid: 1) : ""

        try world.send(
            "REPORT fs1 gen=3", on: 2,
            data: "- /d/f\n" + moved + OvertakenTests.line("/d/f", fid: 2))
        try world.send("DONE \(world.lastOperation(2))", on: 2)

        #expect(world.answers[asked] == "OK\n")
        #expect(try world.send("STAT /d/f").contains(" fid=2 "))
        #expect(try world.send("STAT /d/g").contains(" fid=1 ") == request.hasPrefix("RENAME"))
    }

    @Test(arguments: ["REMOVE /d recursive=yes", "RENAME /d /e"], ["", " op=x1"])
    func `a directory that was made anew after the owner had done it stays`(
        request: String, name: String
    ) throws {
        var world = try world()
        let asked = try world.post(request + name)
        world.settle()
        let moved = request.hasPrefix("RENAME") ? OvertakenTests.line("/e/f", fid: 1) : ""

        try world.send(
            "REPORT fs1 gen=3", on: 2, data: "- /d\n" + moved + OvertakenTests.line("/d/x", fid: 2))
        try world.send("DONE \(world.lastOperation(2))", on: 2)

        #expect(world.answers[asked] == "OK\n")
        #expect(try world.send("STAT /d/x").contains(" fid=2 "))
        #expect(try world.send("STAT /e/f").contains(" fid=1 ") == request.hasPrefix("RENAME"))
    }

    @Test func `what was stored below a directory that was gone at its owner stays`() throws {
        var world = try world("/d/sub/f")
        try world.send("MKDIR /d/sub/empty")
        let asked = try world.post("REMOVE /d/sub recursive=yes")
        world.settle()

        try world.send(
            "REPORT fs1 gen=3", on: 2,
            data: "- /d/sub\n" + OvertakenTests.line("/d/sub/x", fid: 3))
        try world.send("DONE \(world.lastOperation(2)) error=not-found", on: 2)
        world.settle()

        #expect(world.answers[asked]?.hasPrefix("ERR not-found path=/d/sub ") == true)
        #expect(try world.send("STAT /d/sub/x").contains(" fid=3 "))
    }

    @Test(arguments: ["REMOVE /d recursive=yes", "RENAME /d /e"], ["", " op=x1"])
    func `what was stored below a directory of MKDIR after the owner had done it stays`(
        request: String, name: String
    ) throws {
        var world = try world()
        try world.send("MKDIR /d/empty")
        try world.send("MKDIR /d/sub")
        try world.send("REPORT fs1 gen=2", on: 2, data: OvertakenTests.line("/d/sub/f", fid: 2))
        let asked = try world.post(request.replacing("/d", with: "/d/sub") + name)
        world.settle()
        let moved = request.hasPrefix("RENAME") ? OvertakenTests.line("/e/f", fid: 2) : ""

        try world.send(
            "REPORT fs1 gen=3", on: 2,
            data: "- /d/sub\n" + moved + OvertakenTests.line("/d/sub/x", fid: 3))
        try world.send("DONE \(world.lastOperation(2))", on: 2)
        world.settle()

        #expect(world.answers[asked] == "OK\n")
        #expect(try world.send("STAT /d/sub/x").contains(" fid=3 "))
        #expect(try world.send("STAT /d/sub/f").hasPrefix("ERR not-found "))
        #expect(try world.send("STAT /e/f").contains(" fid=2 ") == !moved.isEmpty)
    }

    @Test func `a directory may go while what was below it is still being freed`() throws {
        var world = try NameWorld()
        try world.send("MKDIR /a")
        try world.send("MKDIR /a/b")
        for number in 0..<3000 { try world.send("MKDIR /a/b/\(number)") }

        let lower = try world.post("@1 REMOVE /a/b recursive=yes")
        let isUnderWay = !world.core.jobs.isEmpty
        let upper = try world.post("@2 REMOVE /a")
        let other = try world.post("@3 CREATE /a", on: 3)
        world.settle()

        #expect(isUnderWay)
        #expect(world.answers[lower] == "@1 OK\n")
        #expect(world.answers[upper] == "@2 OK\n")
        #expect(world.answers[other]?.hasPrefix("@3 ERR no-replica ") == true)
        #expect(try world.send("DU /") == "OK files=0 dirs=0 bytes=0\n")
        try world.restart()
        #expect(try world.send("DU /") == "OK files=0 dirs=0 bytes=0\n")
    }

    @Test(arguments: [false, true])
    func `an inventory may end while what it does not mention is still being freed`(
        isAboveGone: Bool
    ) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)
        try world.send(
            "REPORT fs1 gen=2", on: 2,
            data: (0..<3000).map { NameWorld.line("/a/b/\($0)") }.joined())
        let removal = try world.post("REMOVE /a/b recursive=yes")
        world.settle()
        _ = try world.post("DONE \(world.lastOperation(2))", on: 2)
        let isUnderWay = !world.core.jobs.isEmpty

        if isAboveGone { _ = try world.post("REPORT fs1", on: 2, data: "- /a\n") }
        let inventory = try world.post("REPORT fs1 inventory=end gen=3", on: 2, data: "")
        world.settle()

        #expect(isUnderWay)
        #expect(world.answers[removal] == "OK\n")
        #expect(world.answers[inventory]?.hasPrefix("OK files=") == true)
        #expect(try world.send("SERVERS").contains(" files=0 bytes=0 "))
        #expect(try world.send("DU /") == "OK files=0 dirs=0 bytes=0\n")
    }

    @Test(arguments: [false, true])
    func `removing a directory leaves another server's file of that name, which gets it`(
        isMade: Bool
    ) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)
        try world.addServer("fs2", on: 3)
        try world.send("MKDIR /d")
        try world.send("MKDIR /d/made")
        if !isMade { try world.send("REPORT fs1", on: 2, data: NameWorld.line("/d/x")) }
        try world.send("REPORT fs2", on: 3, data: NameWorld.line("/d"))

        let removal = try world.post("REMOVE /d recursive=yes")
        world.settle()
        let asked = (world.notices[2] ?? []).count
        if !isMade { try world.send("DONE \(world.lastOperation(2))", on: 2) }

        #expect(asked == (isMade ? 0 : 1))
        #expect(world.takeNotices(3).isEmpty)
        #expect(world.answers[removal] == "OK\n")
        #expect(try world.send("LOCATE /d").hasPrefix("OK path=/d server=fs2 "))
        #expect(try world.send("DU /") == "OK files=1 dirs=0 bytes=5\n")
        try world.restart()
        #expect(try world.send("LOCATE /d").hasPrefix("OK path=/d server=fs2 "))
    }

    @Test func `names that were claimed and given back count no more`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)

        for _ in 0..<5000 {
            try world.send("CREATE /n")
            try world.send("REMOVE /n")
        }

        #expect(world.core.claims.count <= 1025)
        #expect(try world.send("STATUS").contains(" claims=0 "))
        #expect(try world.send("CREATE /n").hasPrefix("OK "))
        world.pass(milliseconds: 61_000)
        #expect(try world.send("STATUS").contains(" claims=0 "))
    }

    @Test func `a long pattern is held against fewer names in a slice`() throws {
        var world = try NameWorld()
        try world.send("MKDIR /d")
        for number in 0..<300 { try world.send("MKDIR /d/\(number)") }
        let pattern = "*" + String(repeating: "a", count: 254) + "b"

        _ = try world.post("FIND / name=\(pattern)")
        var slices = 1
        while world.core.hasWork {
            world.core.work(at: world.now)
            slices += 1
        }
        world.collect()

        #expect(slices >= 5)
        #expect(world.answers.values.contains("OK count=0\n"))
    }
}
