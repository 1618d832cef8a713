import DFSProtocol
import Testing

@testable import NameService

/// How long a client's change waits for the commit of what others report.
@Suite struct CommitSliceTests {
    /// Rows in a batch: what one slice of work may bring on top of what may wait.
    private static let most = Job.backlog + Job.changes + 10

    private static func lines(_ count: Int) -> String {
        (0..<count).map { NameWorld.line("/d/f\($0)") }.joined()
    }

    /// A name server with two file servers, the second of which has the first one's files too.
    private func world(isConflict: Bool) throws -> (NameWorld, reporter: UInt64) {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2)
        try world.addServer("fs2", on: 3)
        if isConflict {
            try world.send("REPORT fs1 gen=2", on: 2, data: CommitSliceTests.lines(20_000))
        }
        return (world, 3)
    }

    @Test(arguments: [false, true])
    func `a change is durable with the second batch, however long the report is`(
        isConflict: Bool
    ) throws {
        var (world, reporter) = try world(isConflict: isConflict)
        world.holdsCommits = true
        let report = try world.post(
            "REPORT fs2 inventory=more", on: reporter, data: CommitSliceTests.lines(20_000))
        world.settle()
        let firstBatch = world.core.takeBatch(at: world.now)
        let first = try #require(firstBatch)
        world.settle()

        let change = try world.post("MKDIR /mine")
        world.settle()
        world.deliver(first)
        world.settle()
        let secondBatch = world.core.takeBatch(at: world.now)
        let second = try #require(secondBatch)
        #expect(world.answers[change] == nil)
        world.deliver(second)

        #expect(world.answers[change] == "OK\n")
        #expect(world.rows.node(named: "mine") != nil)
        #expect(world.answers[report] == nil)
        #expect(first.count <= CommitSliceTests.most && second.count <= CommitSliceTests.most)
    }

    @Test func `many reports at once make no larger batch than one`() throws {
        var world = try NameWorld()
        for number in 2..<12 { try world.addServer("fs\(number)", on: UInt64(number)) }
        world.holdsCommits = true

        for number in 2..<12 {
            _ = try world.post(
                "REPORT fs\(number) gen=2", on: UInt64(number),
                data: (0..<450).map { NameWorld.line("/d\(number)/f\($0)") }.joined())
        }
        world.settle()
        let taken = world.core.takeBatch(at: world.now)
        let batch = try #require(taken)
        world.deliver(batch)
        world.holdsCommits = false
        world.settle()

        #expect(batch.count <= CommitSliceTests.most)
        #expect(world.answers.values.filter { $0 == "OK files=450\n" }.count == 10)
    }
}
