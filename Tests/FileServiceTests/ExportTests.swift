import DFSProtocol
import Testing

@testable import FileService

/// What exports do not take from each other.
@Suite struct ExportTests {
    private func bench(jobLimit: Int = 1024) throws -> Bench {
        Bench(jobLimit: jobLimit, mounts: [try TreePath("/a"), try TreePath("/b")])
    }

    @Test func `an export with too much work refuses none of another`() throws {
        var bench = try bench(jobLimit: 2)
        bench.ask("STORE /a/f x")
        bench.ask("OPEN /a/f r")
        bench.ask("STORE /b/f x")
        bench.ask("OPEN /b/f r")
        bench.runsAtOnce = false
        bench.send("@1 STAT /a/f")
        bench.send("@2 STAT /a/f")

        #expect(bench.ask("@3 STAT /a/f").hasPrefix("ERR busy"))
        #expect(bench.ask("@4 READ h1 0 1").hasPrefix("ERR busy"))
        #expect(bench.ask("@5 READ h2 0 1") == "no answer")
        #expect(bench.ask("@6 STAT /b/f") == "no answer")
        #expect(bench.jobs.count == 4)
    }

    @Test func `sessions that can not be put away keep none of another export`() throws {
        var bench = try bench()
        let limit = bench.core.configuration.endLimit
        bench.ask("STORE /a/f x")
        bench.ask("STORE /b/f x")
        for _ in 0...limit { bench.ask("OPEN /a/f r") }
        bench.ask("OPEN /b/f rw lock=exclusive")
        bench.runsAtOnce = false
        bench.close(1)
        let stalled = bench.jobs.filter { $0.work.path != (try? TreePath("/b/f")) }
        bench.jobs.removeAll { job in stalled.contains { $0.number == job.number } }

        while !bench.jobs.isEmpty { bench.runNext() }
        bench.runsAtOnce = true

        #expect(stalled.count == 1)
        #expect(bench.ask("OPEN /b/f rw lock=exclusive", on: 2).hasPrefix("OK h=h1"))
    }

    @Test func `repeats that wait for an export's disk refuse nothing of another`() throws {
        var bench = try bench(jobLimit: 2)
        bench.ask("STORE /b/f x")
        bench.runsAtOnce = false
        for tag in 1...2 { bench.send("@\(tag) STORE /a/f x op=o1", on: UInt64(tag)) }
        bench.send("@3 STAT /b/f")

        #expect(bench.ask("@5 STORE /a/g x op=o2").hasPrefix("ERR busy "))
        #expect(bench.ask("@6 STAT /b/f") == "no answer")
        #expect(bench.jobs.count == 3)
        bench.runsAtOnce = true
        bench.runNext()
        #expect(bench.ask("@7 STORE /a/g x op=o2").hasPrefix("@7 OK "))
    }

    @Test func `copies to an export keep none from another`() throws {
        var bench = try bench()
        bench.core.link = LinkSummary(state: .connecting)
        for number in 1...16 { bench.send("@\(number) PULL /a/\(number) source=/o") }

        #expect(bench.ask("PULL /a/17 source=/o").hasPrefix("ERR busy retry=1000 "))
        bench.send("PULL /b/1 source=/o")
        #expect(bench.pulls.count == 17)
    }

    @Test func `followers whose disk stalls keep none of another export`() throws {
        var bench = try bench()
        let looks = FollowTable.looksAtOnce
        bench.ask("STORE /b/f x")
        bench.ask("OPEN /b/f r")
        for number in 0...looks { bench.ask("OPEN /a/\(number) create", on: 2) }
        bench.runsAtOnce = false
        for number in 0...looks {
            bench.send("@s\(number) SYNC h\(number + 1)", on: 2)
            bench.send("@f\(number) FOLLOW h\(number + 1) 0", on: 2)
        }

        bench.send("@1 FOLLOW h1 0")
        try #require(bench.jobs.count == looks + 2)
        bench.runNext(looks + 1)

        #expect(bench.items.map(\.text) == ["@1 * offset=0 bytes=1 {1}\nx\n"])
    }

    @Test func `the longest mount above a path is its export`() throws {
        let numbers = ExportNumbers([.root, try TreePath("/a/b"), try TreePath("/a")])

        #expect(numbers.count == 4)
        #expect(numbers.number(of: try TreePath("/a/b/c")) == 1)
        #expect(numbers.number(of: try TreePath("/a/bc")) == 2)
        #expect(numbers.number(of: try TreePath("/x")) == 0)
        #expect(numbers.number(of: nil) == 3)
        #expect(ExportNumbers([try TreePath("/a")]).number(of: nil) == 0)
    }
}
