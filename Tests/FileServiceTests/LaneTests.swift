import DFSProtocol
import Testing

@testable import FileService

@Suite struct LaneTests {
    /// A bench with one file open twice on connection 1 and jobs that run when told.
    private func opened() -> Bench {
        var bench = Bench()
        bench.ask("STORE /f abcdef")
        bench.ask("OPEN /f rw")
        bench.ask("OPEN /f rw")
        bench.runsAtOnce = false
        return bench
    }

    @Test func `reads of one file run together`() {
        var bench = opened()

        bench.send("@1 READ h1 0 1")
        bench.send("@2 READ h2 0 1")

        #expect(bench.jobs.count == 2)
    }

    @Test func `a change waits for earlier reads and holds up later ones`() {
        var bench = opened()
        let before = bench.send("@1 READ h1 0 3")
        let change = bench.send("@2 WRITE h1 0 XYZ")
        let after = bench.send("@3 READ h2 0 3")
        #expect(bench.jobs.count == 1)

        bench.runNext()
        #expect(bench.jobs.count == 1)
        bench.runNext()
        bench.runNext()

        #expect(bench.replies.suffix(3).map(\.id) == [before, change, after])
        #expect(bench.reply(to: before)?.hasSuffix("abc") == true)
        #expect(bench.reply(to: after)?.hasSuffix("XYZ") == true)
    }

    @Test func `changes of one file run alone in the order of arrival`() {
        var bench = opened()
        for (tag, text) in ["a", "b", "c"].enumerated() { bench.send("@\(tag) APPEND h1 \(text)") }

        for _ in 0..<3 {
            #expect(bench.jobs.count == 1)
            bench.runNext()
        }

        bench.runsAtOnce = true
        #expect(bench.ask("FETCH /f").hasSuffix("abcdefabc"))
    }

    @Test func `a change of one file does not hold up another`() {
        var bench = opened()
        bench.runsAtOnce = true
        bench.ask("OPEN /g create")
        bench.runsAtOnce = false

        bench.send("@1 WRITE h1 0 x")
        bench.send("@2 WRITE h3 0 x")

        #expect(bench.jobs.count == 2)
    }

    @Test func `reads from one cursor keep their order, those of another session do not wait`() {
        var bench = opened()
        let first = bench.send("@1 READ h1 2")
        let second = bench.send("@2 READ h1 2")
        #expect(bench.jobs.count == 1)

        bench.runNext()
        bench.runNext()

        #expect(bench.reply(to: first)?.hasSuffix("\nab") == true)
        #expect(bench.reply(to: second)?.hasSuffix("\ncd") == true)
        bench.send("@3 READ h1 1")
        bench.send("@4 READ h2 1")
        #expect(bench.jobs.count == 2)
    }

    @Test func `a close waits for what was asked before and ends the handle at once`() {
        var bench = opened()
        let read = bench.send("@1 READ h1 0 3")
        let close = bench.send("@2 CLOSE h1")
        let late = bench.send("@3 READ h1 0 3")

        bench.runNext()
        bench.runNext()

        #expect(bench.reply(to: read)?.hasPrefix("@1 OK bytes=3 ") == true)
        #expect(bench.reply(to: close) == "@2 OK size=6 ver=0")
        #expect(bench.reply(to: late)?.hasPrefix("ERR stale-handle") == true)
    }

    @Test func `a request that is cancelled in its lane never runs`() {
        var bench = opened()
        bench.send("@1 READ h1 0 3")
        let write = bench.send("@2 WRITE h1 0 XYZ")
        let last = bench.send("@3 READ h2 0 3")

        bench.cancel(write)
        #expect(bench.jobs.count == 2)
        bench.runNext()
        bench.runNext()

        #expect(bench.reply(to: write) == nil)
        #expect(bench.reply(to: last)?.hasSuffix("abc") == true)
        #expect(bench.core.isIdle)
    }

    @Test func `a fetch that met a change is repeated after it`() {
        var bench = opened()
        let fetch = bench.send("@1 FETCH /f")
        bench.send("@2 WRITE h1 0 XYZ")
        let job = bench.jobs.removeFirst()
        let torn = bench.perform(job)
        bench.finish(job, torn)
        #expect(bench.reply(to: fetch) == nil)

        bench.runNext()
        bench.runNext()

        #expect(bench.reply(to: fetch)?.hasSuffix("XYZdef") == true)
    }

    @Test func `a fetch beside a change that has ended is repeated too`() {
        var bench = opened()
        let fetch = bench.send("@1 FETCH /f")
        let job = bench.jobs.removeFirst()
        let torn = bench.perform(job)
        bench.send("@2 WRITE h1 0 XYZ")
        bench.runNext()

        bench.finish(job, torn)
        #expect(bench.reply(to: fetch) == nil)
        bench.runNext()

        #expect(bench.reply(to: fetch)?.hasSuffix("XYZdef") == true)
        #expect(bench.core.isIdle)
    }

    @Test func `a fetch whose file is replaced again and again gives up`() {
        var bench = opened()
        let fetch = bench.send("@1 FETCH /f")
        var rounds = 0
        while bench.reply(to: fetch) == nil, rounds < 20 {
            rounds += 1
            // Each FETCH opens a newer file than the one whose lane it is in, and that one changes.
            bench.runsAtOnce = true
            let job = bench.jobs.removeFirst()
            bench.ask("STORE /f \(rounds)")
            bench.ask("OPEN /f rw", on: UInt64(rounds + 10))
            let torn = bench.perform(job)
            bench.ask("WRITE h1 0 x", on: UInt64(rounds + 10))
            bench.runsAtOnce = false
            bench.finish(job, torn)
        }

        #expect(bench.reply(to: fetch)?.hasPrefix("ERR busy retry=100 ") == true)
        #expect(rounds == 5)
    }

    @Test func `a fetch that met no change needs one job`() {
        var bench = opened()
        bench.runsAtOnce = true
        bench.ask("WRITE h1 0 XYZ")
        bench.runsAtOnce = false

        let fetch = bench.send("FETCH /f")
        bench.runNext()

        #expect(bench.reply(to: fetch)?.hasSuffix("XYZdef") == true)
    }

    @Test func `what STAT tells of a name is of one moment, never from the middle of a change`() {
        for line in ["STAT /f", "OPEN /f r", "OPEN /f r lock=shared", "FETCH /f"] {
            var bench = opened()
            bench.send("@1 WRITE h1 0 longer-than-before")
            let look = bench.send("@2 \(line)", on: 2)
            let job = bench.jobs.remove(at: 1)
            let torn = bench.perform(job)
            bench.finish(job, torn)
            #expect(bench.reply(to: look) == nil, "the write is under way")

            bench.runsAtOnce = true
            bench.runNext()

            #expect(bench.reply(to: look)?.contains(" size=18 ") == true)
            #expect(bench.core.isIdle)
        }
    }

    @Test func `OPENs that met a change of one file keep none of another, however many they are`()
        throws
    {
        var bench = opened()
        bench.runsAtOnce = true
        bench.ask("OPEN /g create")
        bench.runsAtOnce = false
        bench.send("@1 SYNC h1")
        for tag in 0...bench.core.configuration.grantLimit {
            bench.send("@\(tag) OPEN /f r", on: 2)
            bench.runNext(1)
        }
        #expect(bench.jobs.count == 1, "each waits to look again when the sync has ended")
        bench.send("@2 WRITE h3 0 x")
        let open = bench.send("OPEN /g r", on: 3)
        bench.runNext(2)
        #expect(bench.reply(to: open) == nil)

        bench.runNext(1)
        try #require(bench.jobs.count == 2)
        bench.runNext(1)

        #expect(bench.reply(to: open)?.hasPrefix("OK h=h1 size=1 ") == true)
        bench.runsAtOnce = true
        bench.runNext()
        #expect(bench.core.isIdle)
    }

    @Test func `a fetch that met a change is not repeated where nobody waits for it any more`() {
        var bench = opened()
        let fetch = bench.send("@1 FETCH /f")
        bench.send("@2 WRITE h1 0 XYZ")
        let job = bench.jobs.removeFirst()
        let torn = bench.perform(job)
        bench.cancel(fetch)

        bench.finish(job, torn)
        bench.runNext()

        #expect(bench.jobs.isEmpty)
        #expect(bench.core.isIdle)
    }

    @Test func `STAT of a directory or of a file at rest needs one job`() {
        var bench = opened()
        bench.runsAtOnce = true
        bench.ask("STORE /d/g x")
        bench.runsAtOnce = false
        bench.send("@1 WRITE h1 0 x")

        for path in ["/d", "/d/g", "/none"] {
            let id = bench.send("@2 STAT \(path)", on: 2)
            bench.runNext(1)
            #expect(bench.reply(to: id) != nil)
        }
    }

    @Test func `an OPEN that met a change is given up if its file was replaced meanwhile`() {
        var bench = opened()
        bench.send("@1 WRITE h1 0 x")
        let open = bench.send("@2 OPEN /f rw lock=exclusive", on: 2)
        bench.runNext(1)
        bench.send("STORE /f new", on: 3)
        bench.runNext(1)

        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.reply(to: open)?.hasPrefix("@2 OK h=h2 size=3 ") == true)
        #expect(bench.ask("OPEN /f r lock=shared", on: 4).hasPrefix("ERR locked "))
        #expect(bench.core.locks.waiting(for: FileIdentity(device: 1, inode: 1)).isEmpty)
    }
}
