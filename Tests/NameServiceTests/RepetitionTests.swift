import DFSProtocol
import Testing

@testable import NameService

/// `op=`: the same change asked for again.
@Suite struct RepetitionTests {
    @Test(arguments: ["CREATE /n", "MKDIR /n mode=0700", "REMOVE /d", "RENAME /d /n", "REMOVE /c"])
    func `a repeat has no second effect and the first answer, also over a restart`(
        line: String
    ) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)
        try world.send("MKDIR /d")
        try world.send("CREATE /c")

        let first = try world.send("\(line) op=x1")
        let sequence = try world.send("STATUS").split(separator: " ").first { $0.hasPrefix("seq=") }
        let again = try world.send("@7 \(line) op=x1", on: 3)
        let after = try world.send("STATUS").split(separator: " ").first { $0.hasPrefix("seq=") }
        try world.restart(afterMilliseconds: 1000)
        world.pass(milliseconds: 59_000)
        let restarted = try world.send("\(line) op=x1", on: 4)

        #expect(first.hasPrefix("OK"))
        #expect(again == "@7 " + first)
        #expect(sequence == after)
        #expect(restarted == first)
        #expect(world.rows.stages == ["x1": .done])
    }

    @Test func `it is forgotten after sixty seconds, on disk too`() throws {
        var world = try NameWorld()
        try world.send("MKDIR /d op=x1")

        world.pass(milliseconds: 59_999)
        let early = try world.send("MKDIR /d op=x1")
        world.pass(milliseconds: 1001)
        let late = try world.send("MKDIR /d op=x1")

        #expect(early == "OK\n")
        #expect(late.hasPrefix("ERR exists path=/d "))
        #expect(world.rows.stages.isEmpty)
    }

    @Test(arguments: [
        "MKDIR /e op=x1", "MKDIR /d mode=0700 op=x1", "REMOVE /d op=x1", "CREATE /d op=x1",
        "RENAME /d /e op=x1",
    ])
    func `its name does not serve for another request`(line: String) throws {
        var world = try NameWorld()
        try world.send("MKDIR /d op=x1")

        #expect(try world.send(line).hasPrefix("ERR bad-argument argument=op "))
        #expect(try world.send("@3 mkdir \"/\\x64\" op=x1") == "@3 OK\n")
    }

    @Test func `an error that changed nothing is not remembered`() throws {
        var world = try NameWorld()

        let early = try world.send("MKDIR /d/e op=x1")
        try world.send("MKDIR /d")
        let late = try world.send("MKDIR /d/e op=x1")

        #expect(early.hasPrefix("ERR not-found path=/d "))
        #expect(late == "OK\n")
    }

    @Test(arguments: [3, 4])
    func `a full memory is busy and forgets nothing`(count: Int) throws {
        var limits = Limits()
        limits.operations = 3
        var world = try NameWorld(limits: limits)
        var answer = ""

        for number in 1...count { answer = try world.send("MKDIR /d\(number) op=x\(number)") }

        #expect(answer.hasPrefix(count == 3 ? "OK" : "ERR busy retry=1000 "))
        #expect(try world.send("MKDIR /d1 op=x1") == "OK\n")
        #expect(try world.send("MKDIR /other") == "OK\n")
        world.pass(milliseconds: 61_000)
        #expect(try world.send("MKDIR /d9 op=x9") == "OK\n")
    }

    @Test func `a repeat is not answered before the first is durable`() throws {
        var world = try NameWorld()
        world.holdsCommits = true

        let first = try world.post("MKDIR /d op=x1")
        let again = try world.post("MKDIR /d op=x1", on: 3)
        #expect(world.answers.isEmpty)
        let batch = world.core.takeBatch(at: world.now)
        let late = try world.post("MKDIR /d op=x1", on: 4)
        #expect(world.answers.isEmpty)
        world.deliver(try #require(batch))
        let direct = try world.post("MKDIR /d op=x1", on: 5)

        #expect(world.answers == [first: "OK\n", again: "OK\n", late: "OK\n", direct: "OK\n"])
    }

    @Test func `a repeat while an owner works waits for its outcome`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])

        let first = try world.send("REMOVE /a op=x1")
        let notices = world.takeNotices(2)
        let again = try world.post("REMOVE /a op=x1", on: 3)
        try world.send("DONE op=1000001", on: 2)

        #expect(first == "")
        #expect(notices == ["! remove op=1000001 path=/a\n"])
        #expect(world.answers[again] == "OK\n")
        #expect(world.answers.values.allSatisfy { $0 == "OK\n" })
        #expect(world.takeNotices(2).isEmpty)
    }

    @Test func `a repeat is told of the refusal that the first got, and may try anew`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])

        let first = try world.post("REMOVE /a op=x1")
        world.settle()
        let again = try world.post("REMOVE /a op=x1", on: 3)
        try world.send("DONE \(world.lastOperation(2)) error=io", on: 2)
        let anew = try world.post("REMOVE /a op=x1", on: 3)
        world.settle()
        try world.send("DONE \(world.lastOperation(2))", on: 2)

        #expect(world.answers[first]?.hasPrefix("ERR io path=/a ") == true)
        #expect(world.answers[again] == world.answers[first])
        #expect(world.answers[anew] == "OK\n")
    }

    @Test func `the owner is asked only after the intent is durable`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])
        world.holdsCommits = true

        _ = try world.post("RENAME /a /b op=x1")
        let batch = world.core.takeBatch(at: world.now)
        let early = world.takeNotices(2)
        world.deliver(try #require(batch))

        #expect(early.isEmpty)
        #expect(world.rows.stages == ["x1": .asked])
        #expect(world.takeNotices(2) == ["! rename op=1000001 from=/a to=/b\n"])
    }

    @Test func `an owner that went away before it was asked is server-down, and nothing is kept`()
        throws
    {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])
        world.holdsCommits = true

        let first = try world.post("REMOVE /a op=x1")
        let batch = world.core.takeBatch(at: world.now)
        world.core.connectionClosed(ConnectionID(number: 2), at: world.now)
        world.deliver(try #require(batch))
        world.holdsCommits = false
        world.settle()

        #expect(world.answers[first]?.hasPrefix("ERR server-down path=/a ") == true)
        #expect(world.rows.stages.isEmpty)
    }

    @Test func `a change that waits for another is taken over by its repeat`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])
        _ = try world.post("REMOVE /a")

        _ = try world.post("MKDIR /a op=x1", on: 3)
        let again = try world.post("MKDIR /a op=x1", on: 4)
        world.close(3)
        try world.send("DONE \(world.lastOperation(2))", on: 2)

        #expect(world.answers[again] == "OK\n")
    }

    /// How a client takes back what it has asked for.
    enum Withdrawal: CaseIterable {
        case cancel
        case close

        func apply(to request: RequestID, _ world: inout NameWorld) {
            switch self {
            case .cancel: world.cancel(request)
            case .close: world.close(request.connection.number)
            }
        }
    }

    @Test(arguments: Withdrawal.allCases, Withdrawal.allCases)
    func `a repeat that was taken back is not carried out in place of the first`(
        repeated: Withdrawal, first: Withdrawal
    ) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])
        _ = try world.post("REMOVE /a")
        let begun = try world.post("MKDIR /a op=x1", on: 3)
        let again = try world.post("MKDIR /a op=x1", on: 4)

        repeated.apply(to: again, &world)
        first.apply(to: begun, &world)
        try world.send("DONE \(world.lastOperation(2))", on: 2)

        #expect(world.core.repetitions.waits.count == 0)
        #expect(world.core.repetitions.count == 0)
        #expect(try world.send("STAT /a").hasPrefix("ERR not-found "))
    }

    @Test(arguments: Withdrawal.allCases)
    func `a repeat that was taken back hears no more of the outcome; the others do`(
        withdrawal: Withdrawal
    ) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])
        let first = try world.post("REMOVE /a op=x1")
        let gone = try world.post("REMOVE /a op=x1", on: 3)
        let stays = try world.post("REMOVE /a op=x1", on: 4)
        world.settle()

        withdrawal.apply(to: gone, &world)
        try world.send("DONE \(world.lastOperation(2))", on: 2)

        #expect(world.answers == [first: "OK\n", stays: "OK\n"])
    }

    @Test func `the first of the repeats that are left takes a change over`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])
        let earlier = try world.post("REMOVE /a")
        let begun = try world.post("MKDIR /a op=x1", on: 3)
        let repeats = try (0..<64).map { try world.post("MKDIR /a op=x1", on: 10 + $0) }
        for index in stride(from: 0, to: 64, by: 2) { world.cancel(repeats[index]) }

        world.cancel(begun)
        world.cancel(repeats[1])
        try world.send("DONE \(world.lastOperation(2))", on: 2)

        let left = [earlier] + stride(from: 3, to: 64, by: 2).map { repeats[$0] }
        #expect(world.answers.filter { $0.value == "OK\n" }.keys.sorted() == left)
        #expect(world.core.repetitions.waits.count == 0)
    }
}
