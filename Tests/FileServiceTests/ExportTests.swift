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
