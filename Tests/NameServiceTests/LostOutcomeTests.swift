import DFSProtocol
import Testing

@testable import NameService

/// `op=` where nobody knows what the owner did: the repeat finds out.
@Suite struct LostOutcomeTests {
    /// What had happened on the owner's disk when its outcome was lost.
    enum Disk: CaseIterable {
        case done
        case untouched
        /// The name was given to another file meanwhile.
        case anotherFile
    }

    static func line(_ path: String, fid: Int) -> String {
        "+ \(path) size=5 mtime=2026-11-22T08:30:00Z ver=0 fid=\(fid)\n"
    }

    private func world() throws -> NameWorld {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)
        try world.send("REPORT fs1 gen=2", on: 2, data: LostOutcomeTests.line("/d/a", fid: 7))
        return world
    }

    /// Registers anew, as the file server does after every loss, and tells what has changed.
    private func comeBack(
        _ world: inout NameWorld, on connection: UInt64, epoch: Int, _ data: String
    ) throws {
        let answer = try world.send(
            "REGISTER fs1 / addr=127.0.0.1:7402 epoch=\(epoch) gen=9", on: connection)
        #expect(answer.hasSuffix(" inventory=since gen=2\n"))
        if !data.isEmpty { try world.send("REPORT fs1 gen=3", on: connection, data: data) }
    }

    @Test(arguments: Disk.allCases, [false, true])
    func `a removal is repeated after the loss of the owner or of the name server`(
        disk: Disk, isRestart: Bool
    ) throws {
        var world = try world()
        let first = try world.post("REMOVE /d/a op=x1")
        world.settle()
        #expect(world.takeNotices(2) == ["! remove op=1000001 path=/d/a\n"])

        world.close(2)
        let lost = world.answers[first]
        if isRestart { try world.restart() }
        let early = try world.send("REMOVE /d/a op=x1")
        let data =
            switch disk {
            case .done: "- /d/a\n"
            case .untouched: ""
            case .anotherFile: LostOutcomeTests.line("/d/a", fid: 8)
            }
        try comeBack(&world, on: 3, epoch: 2, data)
        let again = try world.post("REMOVE /d/a op=x1")
        world.settle()
        let notices = world.takeNotices(3)
        if disk == .untouched {
            let number = notices.last?.split(separator: " ")[2] ?? ""
            #expect(notices == ["! remove \(number) path=/d/a fid=7\n"])
            try world.send("DONE \(number)", on: 3)
        }

        #expect(lost?.hasPrefix("ERR timeout path=/d/a ") == true)
        #expect(early.hasPrefix("ERR server-down path=/d/a "))
        #expect(notices.count == (disk == .untouched ? 1 : 0))
        #expect(world.answers[again] == "OK\n")
        #expect(world.rows.stages == ["x1": .done])
        let found = try world.send("STAT /d/a")
        #expect(
            disk == .anotherFile ? found.contains(" fid=8 ") : found.hasPrefix("ERR not-found"))
        #expect(try world.send("REMOVE /d/a op=x1") == "OK\n")
    }

    @Test(arguments: Disk.allCases, [false, true])
    func `a renaming is repeated after the loss of the owner or of the name server`(
        disk: Disk, isRestart: Bool
    ) throws {
        var world = try world()
        let first = try world.post("RENAME /d/a /d/b op=x1")
        world.settle()
        #expect(world.takeNotices(2) == ["! rename op=1000001 from=/d/a to=/d/b\n"])
        world.close(2)
        #expect(world.answers[first]?.hasPrefix("ERR timeout path=/d/a ") == true)
        if isRestart { try world.restart() }

        let moved = LostOutcomeTests.line("/d/b", fid: 7)
        let data =
            switch disk {
            case .done: "- /d/a\n" + moved
            case .untouched: ""
            case .anotherFile: LostOutcomeTests.line("/d/a", fid: 8) + moved
            }
        try comeBack(&world, on: 3, epoch: 2, data)
        let again = try world.post("RENAME /d/a /d/b op=x1")
        world.settle()
        let notices = world.takeNotices(3)
        if disk == .untouched { try world.send("DONE op=\(isRestart ? 2 : 1)000001", on: 3) }
        if disk == .untouched, !isRestart { try world.send("DONE op=1000002", on: 3) }

        #expect(notices.count == (disk == .untouched ? 1 : 0))
        #expect(notices.allSatisfy { $0.hasSuffix(" from=/d/a to=/d/b fid=7\n") })
        #expect(world.answers[again] == "OK\n")
        #expect(try world.send("STAT /d/b").contains(" fid=7 "))
        let old = try world.send("STAT /d/a")
        #expect(disk == .anotherFile ? old.contains(" fid=8 ") : old.hasPrefix("ERR not-found"))
    }

    @Test(arguments: [
        ("REMOVE /d/a", "remove", "path=/d/a", " fid=7"),
        ("RENAME /d/a /d/b", "rename", "from=/d/a to=/d/b", " fid=7"),
        ("RENAME /d/a /d/b replace=yes", "rename", "from=/d/a to=/d/b replace=yes", " fid=7"),
        ("REMOVE /d/untold", "remove", "path=/d/untold", ""),
        ("RENAME /d/untold /d/b", "rename", "from=/d/untold to=/d/b", ""),
        ("REMOVE /d recursive=yes", "remove", "path=/d recursive=yes", ""),
        ("RENAME /d /e", "rename", "from=/d to=/e", ""),
    ])
    func `an owner that is asked once more is told which file was meant`(
        request: String, verb: String, operands: String, identity: String
    ) throws {
        var world = try world()
        try world.send("REPORT fs1 gen=2", on: 2, data: NameWorld.line("/d/untold"))
        _ = try world.post("\(request) op=x1")
        world.settle()
        let first = world.takeNotices(2)
        world.close(2)

        try comeBack(&world, on: 3, epoch: 2, "")
        _ = try world.post("\(request) op=x1")
        world.settle()

        #expect(first == ["! \(verb) op=1000001 \(operands)\n"])
        #expect(world.takeNotices(3) == ["! \(verb) op=1000002 \(operands)\(identity)\n"])
    }

    /// Reports that free a file's entry, give its number to another name, and make it anew.
    private static func madeAnew(_ path: String, fid: Int) -> String {
        "- \(path)\n" + line("/d/taker", fid: 99) + line(path, fid: fid)
    }

    @Test(arguments: ["REMOVE /d/a op=x1", "RENAME /d/a /d/b op=x1"], [7, 8])
    func `a file is known by its identity when its entry was made anew`(
        request: String, fid: Int
    ) throws {
        var world = try world()
        _ = try world.post(request)
        world.settle()
        world.close(2)
        let before = world.core.catalogue.find(try TreePath("/d/a"))
        try comeBack(&world, on: 3, epoch: 2, LostOutcomeTests.madeAnew("/d/a", fid: fid))
        let after = world.core.catalogue.find(try TreePath("/d/a"))

        let again = try world.post(request)
        world.settle()
        let notices = world.takeNotices(3)

        #expect(before != after)
        if fid == 7 {
            #expect(notices.count == 1)
            #expect(world.answers[again] == nil)
        } else {
            #expect(notices.isEmpty)
            #expect(
                world.answers[again]?.hasPrefix(
                    request.hasPrefix("REMOVE") ? "OK\n" : "ERR timeout path=/d/a ") == true)
        }
    }

    @Test(arguments: [7, 8])
    func `a late word is about the file that was meant, whatever entry it has`(fid: Int) throws {
        var world = try NameWorld(pace: Pace(beat: 1000, suspect: 80_000, down: 90_000))
        try world.addServer("fs1", on: 2)
        try world.send("REPORT fs1 gen=2", on: 2, data: LostOutcomeTests.line("/d/a", fid: 7))
        _ = try world.post("REMOVE /d/a op=x1")
        world.settle()
        world.pass(milliseconds: 5000)

        try world.send(
            "REPORT fs1 gen=3", on: 2, data: LostOutcomeTests.madeAnew("/d/a", fid: fid))
        let done = try world.send("DONE op=1000001", on: 2)

        #expect(done == "OK\n")
        #expect(
            try world.send("LOCATE /d/a").hasPrefix(
                fid == 7 ? "ERR not-found " : "OK path=/d/a "))
        #expect(try world.send("REMOVE /d/a op=x1") == "OK\n")
    }

    @Test func `a directory that was removed and made anew is not removed by the repeat`() throws {
        var world = try world()
        _ = try world.post("REMOVE /d recursive=yes op=x1")
        world.settle()
        world.close(2)

        try comeBack(&world, on: 3, epoch: 2, "- /d\n")
        try world.send("MKDIR /d")
        try world.send("REPORT fs1 gen=4", on: 3, data: LostOutcomeTests.line("/d/new", fid: 9))
        try world.restart()
        try comeBackAsItIs(&world)
        let again = try world.send("REMOVE /d recursive=yes op=x1")

        #expect(again == "OK\n")
        #expect(world.takeNotices(4).isEmpty)
        #expect(try world.send("STAT /d/new").contains(" fid=9 "))
    }

    private func comeBackAsItIs(_ world: inout NameWorld) throws {
        try world.send("REGISTER fs1 / addr=127.0.0.1:7402 epoch=3 gen=9", on: 4)
    }

    @Test func `an owner that had done it is believed when it does not find it again`() throws {
        var world = try world()
        _ = try world.post("RENAME /d/a /d/b op=x1")
        world.settle()
        world.close(2)
        try comeBack(&world, on: 3, epoch: 2, "")

        // The owner is asked before its report has told that it was done.
        let again = try world.post("RENAME /d/a /d/b op=x1")
        world.settle()
        let number = world.lastOperation(3)
        try world.send(
            "REPORT fs1 gen=3", on: 3, data: "- /d/a\n" + LostOutcomeTests.line("/d/b", fid: 7))
        try world.send("DONE \(number) error=not-found", on: 3)

        #expect(world.answers[again] == "OK\n")
        #expect(try world.send("RENAME /d/a /d/b op=x1") == "OK\n")
    }

    @Test func `neither name is there: only a report can tell, until it is forgotten`() throws {
        var world = try world()
        _ = try world.post("RENAME /d/a /d/b op=x1")
        world.settle()
        world.close(2)
        try comeBack(&world, on: 3, epoch: 2, "- /d/a\n" + NameWorld.line("/d/c"))

        let early = try world.send("RENAME /d/a /d/b op=x1")
        world.pass(milliseconds: 1000)
        let second = try world.send("RENAME /d/a /d/b op=x1")
        for _ in 0..<61 {
            world.pass(milliseconds: 1000)
            try world.send("HEARTBEAT fs1 seq=1", on: 3)
        }
        let late = try world.send("RENAME /d/a /d/b op=x1")

        #expect(early.hasPrefix("ERR timeout path=/d/a "))
        #expect(second == early)
        #expect(late.hasPrefix("ERR not-found path=/d/a "))
        #expect(world.rows.stages.isEmpty)
    }

    @Test(arguments: ["REMOVE /d/a op=x1", "RENAME /d/a /d/b op=x1"])
    func `a report decides though DONE never comes`(request: String) throws {
        var world = try NameWorld(pace: Pace(beat: 1000, suspect: 80_000, down: 90_000))
        try world.addServer("fs1", on: 2)
        try world.send("REPORT fs1 gen=2", on: 2, data: LostOutcomeTests.line("/d/a", fid: 7))
        let first = try world.post(request)
        world.settle()
        world.pass(milliseconds: 5000)
        let moved = request.hasPrefix("RENAME") ? LostOutcomeTests.line("/d/b", fid: 7) : ""

        try world.send("REPORT fs1 gen=3", on: 2, data: "- /d/a\n" + moved)
        let again = try world.send(request)
        let late = try world.send("DONE op=1000001", on: 2)

        #expect(world.answers[first]?.hasPrefix("ERR timeout path=/d/a ") == true)
        #expect(again == "OK\n")
        #expect(late.hasPrefix("ERR not-found op=1000001 "))
        #expect(world.rows.stages == ["x1": .done])
    }

    @Test(arguments: [nil, "io"])
    func `a repeat after the timeout waits for an owner that is only slow`(error: String?) throws {
        var world = try NameWorld(pace: Pace(beat: 1000, suspect: 20_000, down: 30_000))
        try world.addServer("fs1", on: 2, files: ["/a"])
        let first = try world.post("REMOVE /a op=x1")
        world.settle()
        let number = world.lastOperation(2)

        world.pass(milliseconds: 5000)
        let again = try world.post("REMOVE /a op=x1")
        let waits = world.answers[again] == nil
        world.pass(milliseconds: 4999)
        try world.send("DONE \(number)" + (error.map { " error=\($0)" } ?? ""), on: 2)

        #expect(world.answers[first]?.hasPrefix("ERR timeout path=/a ") == true)
        #expect(waits)
        #expect(world.takeNotices(2).isEmpty)
        #expect(world.answers[again]?.hasPrefix(error == nil ? "OK\n" : "ERR io ") == true)
        #expect(try world.send("LOCATE /a").hasPrefix(error == nil ? "ERR not-found" : "OK "))
    }

    @Test(arguments: [nil, "RENAME"])
    func `an order that was lost is given once more, by the identity of its file`(
        verb: String?
    ) throws {
        var world = try NameWorld(pace: Pace(beat: 1000, suspect: 80_000, down: 90_000))
        try world.addServer("fs1", on: 2)
        try world.send("REPORT fs1 gen=2", on: 2, data: LostOutcomeTests.line("/d/a", fid: 7))
        let request = verb == nil ? "REMOVE /d/a op=x1" : "RENAME /d/a /d/b op=x1"
        let first = try world.post(request)
        world.settle()
        let lost = world.takeNotices(2)
        world.pass(milliseconds: 5000)

        let again = try world.post(request)
        world.settle()
        let order = world.takeNotices(2)
        try world.send("DONE op=1000001", on: 2)

        #expect(world.answers[first]?.hasPrefix("ERR timeout path=/d/a ") == true)
        #expect(order == lost.map { $0.dropLast() + " fid=7\n" })
        #expect(world.answers[again] == "OK\n")
        #expect(try world.send("STAT /d/a").hasPrefix("ERR not-found "))
        #expect(try world.send("STAT /d/b").contains(" fid=7 ") == (verb != nil))
    }

    @Test(arguments: [false, true])
    func `a report that a directory is gone is as good as DONE, and spares what comes after`(
        isTimeout: Bool
    ) throws {
        var world = try NameWorld(pace: Pace(beat: 1000, suspect: 80_000, down: 90_000))
        try world.addServer("fs1", on: 2)
        try world.send("MKDIR /d")
        try world.send("REPORT fs1 gen=2", on: 2, data: LostOutcomeTests.line("/d/a", fid: 7))
        let first = try world.post("REMOVE /d recursive=yes op=x1")
        world.settle()
        try world.send("REPORT fs1 gen=3", on: 2, data: "- /d\n")
        if isTimeout { world.pass(milliseconds: 5000) } else { world.close(2) }
        world.settle()
        #expect(world.answers[first] == "OK\n")
        #expect(world.rows.stages == ["x1": .done])
        #expect(try world.send("STAT /d").hasPrefix("ERR not-found "))

        if !isTimeout { try comeBackAsItIs(&world) }
        let connection: UInt64 = isTimeout ? 2 : 4
        _ = world.takeNotices(connection)
        try world.send(
            "REPORT fs1 gen=4", on: connection, data: LostOutcomeTests.line("/d/b", fid: 8))
        let again = try world.send("REMOVE /d recursive=yes op=x1")

        #expect(again == "OK\n")
        #expect(world.takeNotices(connection).isEmpty)
        #expect(try world.send("STAT /d/b").contains(" fid=8 "))
    }

    @Test(arguments: ["REMOVE /d recursive=yes op=x1", "RENAME /d /e op=x1"], [false, true])
    func `what MKDIR has made of a directory goes with it though DONE never comes`(
        request: String, isLate: Bool
    ) throws {
        var world = try NameWorld(pace: Pace(beat: 1000, suspect: 80_000, down: 90_000))
        try world.addServer("fs1", on: 2)
        try world.send("MKDIR /d")
        try world.send("MKDIR /d/empty")
        try world.send("REPORT fs1 gen=2", on: 2, data: LostOutcomeTests.line("/d/a", fid: 7))
        _ = try world.post(request)
        world.settle()
        let moved = request.hasPrefix("RENAME") ? LostOutcomeTests.line("/e/a", fid: 7) : ""
        if isLate { world.pass(milliseconds: 5000) }
        try world.send("REPORT fs1 gen=3", on: 2, data: "- /d\n" + moved)

        if isLate {
            try world.send("DONE op=1000001", on: 2)
        } else {
            world.close(2)
            try comeBackAsItIs(&world)
        }
        let again = try world.send(request)
        world.settle()

        #expect(again == "OK\n")
        #expect(try world.send("STAT /d").hasPrefix("ERR not-found "))
        #expect(try world.send("STAT /d/empty").hasPrefix("ERR not-found "))
        #expect(try world.send("STAT /e/empty").hasPrefix("OK ") == !moved.isEmpty)
        #expect(try world.send("STAT /e/a").hasPrefix("OK ") == !moved.isEmpty)
    }

    @Test func `a slow owner's late word is heard, and its paths are free meanwhile`() throws {
        var world = try NameWorld(pace: Pace(beat: 1000, suspect: 80_000, down: 90_000))
        try world.addServer("fs1", on: 2, files: ["/d/a", "/e"])
        _ = try world.post("REMOVE /d recursive=yes op=x1")
        _ = try world.post("REMOVE /e op=x2")
        world.settle()
        world.pass(milliseconds: 5000)

        let made = try world.send("MKDIR /d/new")
        let done = try world.send("DONE op=1000001", on: 2)
        world.pass(milliseconds: 61_000)
        let tooLate = try world.send("DONE op=1000002", on: 2)

        #expect(made == "OK\n")
        #expect(done == "OK\n")
        #expect(try world.send("LOCATE /d/a").hasPrefix("ERR not-found"))
        #expect(tooLate.hasPrefix("ERR not-found op=1000002 "))
    }
}
