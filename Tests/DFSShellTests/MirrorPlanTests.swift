import DFSProtocol
import Testing

@testable import DFSShell

@Suite struct MirrorPlanTests {
    private func file(
        _ path: String, size: Int64 = 1, at seconds: Int64? = 100, nanoseconds: Int32 = 0
    ) -> MirrorItem {
        MirrorItem(
            path: [UInt8](path.utf8), kind: .file, size: size,
            modified: seconds.map { WallTime(seconds: $0, nanoseconds: nanoseconds) })
    }

    private func folder(_ path: String) -> MirrorItem {
        MirrorItem(path: [UInt8](path.utf8), kind: .directory)
    }

    private func link(_ path: String) -> MirrorItem {
        MirrorItem(path: [UInt8](path.utf8), kind: .other)
    }

    private func names(_ items: [MirrorItem]) -> [String] {
        items.map { String(decoding: $0.path, as: UTF8.self) }
    }

    @Test func `only what is missing or has another size or time is brought`() {
        let source = [
            folder("d"), file("d/same"), file("d/longer", size: 2), file("d/later", at: 101),
            file("d/later by a nanosecond", nanoseconds: 1), file("d/missing"), folder("new"),
        ]
        let target = [
            folder("d"), file("d/same"), file("d/longer"), file("d/later"),
            file("d/later by a nanosecond"), file("extra"),
        ]

        let plan = MirrorPlan(source: source, target: target, deletes: false)

        #expect(
            names(plan.files) == [
                "d/longer", "d/later", "d/later by a nanosecond", "d/missing",
            ])
        #expect(names(plan.directories) == ["new"])
        #expect(plan.unchanged == 1)
        #expect(plan.deletions == [] && plan.spared == 0)
    }

    @Test func `a file whose time is not known is brought again`() {
        let plan = MirrorPlan(
            source: [file("a", at: nil)], target: [file("a", at: nil)], deletes: true)

        #expect(names(plan.files) == ["a"])
    }

    @Test func `what a directory holds is deleted before it`() {
        let target = [folder("d"), file("d/a"), folder("d/e"), link("d/e/b"), file("z")]

        let plan = MirrorPlan(source: [file("z")], target: target, deletes: true)

        #expect(names(plan.deletions) == ["d/e/b", "d/e", "d/a", "d"])
    }

    @Test func `nothing is deleted at, below or around a place that is not known`() {
        let target = [
            folder("a"), folder("a/b"), file("a/b/c"), file("a/x"), folder("ab"), file("ab/y"),
        ]

        let plan = MirrorPlan(
            source: [], target: target, deletes: true, keeping: [[UInt8]("a/b".utf8)])

        #expect(names(plan.deletions) == ["ab/y", "ab", "a/x"])
        #expect(plan.spared == 3)
    }

    @Test func `where the top is not known nothing is deleted at all`() {
        let plan = MirrorPlan(
            source: [], target: [folder("a"), file("a/b"), file("c")], deletes: true, keeping: [[]])

        #expect(plan.deletions == [])
        #expect(plan.spared == 3)
    }

    @Test func `links are brought nowhere, and keep what has their name at the other side`() {
        let plan = MirrorPlan(source: [link("l")], target: [file("l")], deletes: true)

        #expect(plan.files == [] && plan.deletions == [])
    }

    @Test func `a file is brought also where a directory has its name`() {
        let plan = MirrorPlan(source: [file("a")], target: [folder("a")], deletes: true)

        #expect(names(plan.files) == ["a"])
        #expect(plan.deletions == [])
    }
}
