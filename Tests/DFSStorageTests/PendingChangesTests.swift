import Testing

@testable import DFSStorage

@Suite struct PendingChangesTests {
    private func spot(_ name: String) -> PendingChanges.Spot {
        .init(folder: 1, name: Array(name.utf8))
    }

    @Test func `a name that is told often is looked at once`() {
        var pending = PendingChanges()
        for name in ["a", "b", "a", "a"] { pending.add(spot(name)) }

        let now = pending.take()

        #expect(now.byFolder.map(\.names) == [[Array("a".utf8), Array("b".utf8)]])
        #expect(pending.isEmpty)
    }

    @Test func `renames in a row are one rename`() {
        var pending = PendingChanges()
        pending.depart(spot("a"), cookie: 1)
        pending.arrive(spot("b"), cookie: 1)
        pending.depart(spot("b"), cookie: 2)
        pending.arrive(spot("c"), cookie: 2)

        let now = pending.take()

        #expect(now.moves.map(\.from) == [spot("a")])
        #expect(now.moves.map(\.to) == [spot("c")])
    }

    @Test func `a rename continues the newest one that led to its name`() {
        var pending = PendingChanges()
        for (number, names) in [("a", "x"), ("b", "x"), ("x", "y"), ("x", "z")].enumerated() {
            pending.depart(spot(names.0), cookie: UInt32(number))
            pending.arrive(spot(names.1), cookie: UInt32(number))
        }

        let now = pending.take()

        #expect(now.moves.map(\.from) == [spot("a"), spot("b"), spot("x")])
        #expect(now.moves.map(\.to) == [spot("x"), spot("y"), spot("z")])
    }

    @Test func `a hundred thousand renames are paired without comparing each with each`() {
        var pending = PendingChanges()
        let count = 100_000

        // Gone through one by one, this would be five thousand million comparisons.
        for number in 0..<count {
            pending.depart(spot("a\(number)"), cookie: 1)
            pending.arrive(spot("b\(number)"), cookie: 1)
        }

        #expect(pending.moves.count == count)
        #expect(pending.moves.last?.to == spot("b\(count - 1)"))
    }

    @Test func `the first half of a rename waits one turn for the second`() {
        var pending = PendingChanges()
        pending.depart(spot("a"), cookie: 1)

        let first = pending.take()
        pending.arrive(spot("b"), cookie: 1)
        let second = pending.take()

        #expect(first.isEmpty)
        #expect(second.moves.map(\.from) == [spot("a")])
        #expect(pending.isEmpty)
    }

    @Test func `a name that left for good is looked at in the second turn`() {
        var pending = PendingChanges()
        pending.depart(spot("a"), cookie: 1)

        let first = pending.take()
        let second = pending.take()

        #expect(first.isEmpty)
        #expect(second.byFolder.map(\.names) == [[Array("a".utf8)]])
        #expect(second.moves.isEmpty)
        #expect(pending.isEmpty)
    }
}
