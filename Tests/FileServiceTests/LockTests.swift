import DFSProtocol
import Testing

@testable import FileService

@Suite struct LockTests {
    /// A bench with a file whose exclusive lock connection 1 holds with h1.
    private func locked(_ options: String = "lock=exclusive") -> Bench {
        var bench = Bench()
        bench.ask("STORE /f abc")
        bench.ask("OPEN /f rw \(options)")
        return bench
    }

    @Test func `shared locks go together, and an exclusive one goes alone`() {
        var bench = locked("lock=shared")

        #expect(bench.ask("OPEN /f r lock=shared", on: 2).hasPrefix("OK h=h1 "))
        #expect(bench.ask("OPEN /f r lock=exclusive", on: 3).hasPrefix("ERR locked path=/f "))
        #expect(bench.ask("OPEN /f rw", on: 3).hasPrefix("OK "), "a lock is advisory")
        bench.ask("CLOSE h1")
        bench.ask("CLOSE h1", on: 2)
        #expect(bench.ask("OPEN /f r lock=exclusive", on: 3).hasPrefix("OK "))
        #expect(bench.ask("OPEN /f r lock=shared", on: 2).hasPrefix("ERR locked "))
    }

    @Test func `who is refused is told who holds the lock, how and for how long`() {
        var bench = locked("lock=exclusive lease=1000")
        bench.pass(milliseconds: 400)
        #expect(
            bench.ask("OPEN /f r lock=shared", on: 2).hasPrefix(
                "ERR locked path=/f h=s40000000001 client=tester lock=exclusive lease=600 "
                    + "retry=600 "))

        bench = locked()
        #expect(
            bench.ask("OPEN /f r lock=shared", on: 2).hasPrefix(
                "ERR locked path=/f h=c1.h1 client=tester lock=exclusive lease=conn retry=1000 "))
        #expect(bench.ask("OPEN /f r lock=shared").hasPrefix("ERR locked path=/f h=h1 "))
        #expect(bench.core.sessions.count == 1)
        #expect(bench.core.isIdle)
    }

    /// What frees a lock that connection 1 holds.
    enum End: CaseIterable {
        case close, disconnect, expiry, kill
    }

    @Test(arguments: End.allCases)
    func `a lock is free when its session ends`(end: End) {
        var bench = locked(end == .expiry ? "lock=exclusive lease=1000" : "lock=exclusive")
        let wait = bench.send("OPEN /f rw lock=exclusive wait=60000", on: 2)
        #expect(bench.reply(to: wait) == nil)

        switch end {
        case .close: bench.ask("CLOSE h1")
        case .disconnect: bench.close(1)
        case .expiry:
            bench.close(1)
            bench.pass(milliseconds: 999)
            #expect(bench.reply(to: wait) == nil)
            bench.pass(milliseconds: 1)
        case .kill: bench.ask("KILL c1.h1", on: 3)
        }

        #expect(bench.reply(to: wait)?.hasPrefix("OK h=h1 size=3 ") == true)
        #expect(bench.ask("HANDLES", on: 2).contains(" lock=exclusive "))
    }

    @Test func `a lock is free only when the last write of its session has landed`() {
        var bench = locked()
        bench.runsAtOnce = false
        bench.send("@1 WRITE h1 0 X")
        let wait = bench.send("OPEN /f rw lock=exclusive wait=60000", on: 2)
        bench.runNext(1)
        bench.close(1)
        #expect(bench.reply(to: wait) == nil)
        #expect(bench.jobs.count == 1, "the write runs, and the end waits behind it")

        bench.runNext()
        #expect(bench.reply(to: wait) == nil)
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.reply(to: wait)?.hasPrefix("OK h=h1 size=3 ver=1 ") == true)
    }

    @Test func `locks are granted in the order of asking, and shared ones pass nobody`() {
        var bench = locked("lock=shared")
        let writer = bench.send("OPEN /f rw lock=exclusive wait=60000", on: 2)
        let reader = bench.send("OPEN /f r lock=shared wait=60000", on: 3)
        let other = bench.send("OPEN /f r lock=shared wait=60000", on: 4)
        #expect(bench.ask("OPEN /f r lock=shared", on: 5).hasPrefix("ERR locked "))

        bench.ask("CLOSE h1")
        #expect(bench.reply(to: writer)?.hasPrefix("OK ") == true)
        #expect(bench.reply(to: reader) == nil)
        bench.ask("CLOSE h1", on: 2)

        #expect(bench.reply(to: reader)?.hasPrefix("OK ") == true)
        #expect(bench.reply(to: other)?.hasPrefix("OK ") == true)
    }

    @Test func `waiting ends after its time, which the server bounds, and says who was in the way`()
    {
        var limits = Limits()
        limits.leaseMilliseconds = 500
        var bench = Bench(limits: limits)
        bench.ask("OPEN /f create lock=exclusive")
        let short = bench.send("OPEN /f rw lock=shared wait=200", on: 2)
        let long = bench.send("OPEN /f rw lock=shared wait=9223372036854775807", on: 3)

        bench.pass(milliseconds: 199)
        #expect(bench.reply(to: short) == nil)
        bench.pass(milliseconds: 1)
        #expect(bench.reply(to: short)?.hasPrefix("ERR locked path=/f h=c1.h1 ") == true)
        #expect(bench.reply(to: long) == nil)
        bench.pass(milliseconds: 300)

        #expect(bench.reply(to: long)?.hasPrefix("ERR locked ") == true)
        #expect(bench.core.sessions.count == 1)
        #expect(bench.core.isIdle)
        #expect(bench.core.deadline == nil)
    }

    @Test func `an open that waits is ended by CANCEL and by the end of its connection`() {
        var bench = locked()
        let cancelled = bench.send("@1 OPEN /f rw lock=exclusive wait=60000", on: 2)
        let lost = bench.send("OPEN /f rw lock=exclusive wait=60000", on: 3)
        let last = bench.send("OPEN /f rw lock=exclusive wait=60000", on: 4)

        bench.cancel(cancelled)
        bench.close(3)
        bench.ask("CLOSE h1")

        #expect(bench.reply(to: cancelled) == nil)
        #expect(bench.reply(to: lost) == nil)
        #expect(bench.reply(to: last)?.hasPrefix("OK ") == true)
        #expect(bench.core.sessions.count == 1)
    }

    @Test func `a lock that is granted to one that has just gone goes to the next`() {
        for isCancelled in [true, false] {
            var bench = locked()
            let first = bench.send("@1 OPEN /f rw lock=exclusive wait=60000", on: 2)
            let second = bench.send("OPEN /f rw lock=exclusive wait=60000", on: 3)
            bench.runsAtOnce = false
            bench.send("CLOSE h1")
            bench.runNext()
            #expect(bench.jobs.count == 1, "the file is looked at for the first one")
            if isCancelled { bench.cancel(first) } else { bench.close(2) }
            bench.runsAtOnce = true
            while !bench.jobs.isEmpty { bench.runNext() }

            #expect(bench.reply(to: first) == nil)
            #expect(bench.reply(to: second)?.hasPrefix("OK ") == true)
            #expect(bench.core.sessions.count == 1)
        }
    }

    @Test func `an untagged open does not wait for what only its own connection can free`() {
        var bench = locked()

        #expect(bench.ask("OPEN /f rw lock=exclusive wait=60000").hasPrefix("ERR locked "))
        let tagged = bench.send("@1 OPEN /f rw lock=exclusive wait=60000")
        #expect(bench.reply(to: tagged) == nil)
        bench.ask("@2 CLOSE h1")

        #expect(bench.reply(to: tagged)?.hasPrefix("@1 OK ") == true)
    }

    @Test func `an untagged open that comes to wait for its own connection only is refused`() {
        var bench = locked("lock=shared")
        bench.ask("OPEN /f r lock=shared", on: 2)
        let wait = bench.send("OPEN /f rw lock=exclusive wait=60000")
        let other = bench.send("OPEN /f r lock=shared wait=60000", on: 3)
        #expect(bench.reply(to: wait) == nil)

        bench.ask("CLOSE h1", on: 2)

        #expect(bench.reply(to: wait)?.hasPrefix("ERR locked path=/f h=h1 ") == true)
        #expect(bench.reply(to: other)?.hasPrefix("OK ") == true)
    }

    @Test func `an open that waits locks the file that has the name when its turn comes`() {
        var bench = locked()
        let wait = bench.send("OPEN /f rw lock=exclusive wait=60000", on: 2)
        bench.ask("STORE /f newer", on: 3)
        let other = bench.ask("OPEN /f rw lock=shared", on: 4)
        #expect(other.hasPrefix("OK "), "the new file is not locked")

        bench.ask("CLOSE h1")
        #expect(bench.reply(to: wait) == nil, "now it waits for the new file")
        bench.ask("CLOSE h1", on: 4)

        #expect(bench.reply(to: wait)?.hasPrefix("OK h=h2 size=5 ") == true)
        #expect(bench.core.locks.waiting(for: FileIdentity(device: 1, inode: 1)).isEmpty)
    }

    @Test func `an open that waits compares the version when its turn comes`() {
        var bench = locked()
        let wait = bench.send("OPEN /f rw lock=exclusive wait=60000 if-ver=0", on: 2)
        bench.ask("WRITE h1 0 X")

        bench.ask("CLOSE h1")

        #expect(bench.reply(to: wait)?.hasPrefix("ERR conflict path=/f ver=1 ") == true)
        #expect(bench.ask("OPEN /f rw lock=exclusive", on: 3).hasPrefix("OK "))
    }

    @Test func `a session without a connection keeps its lock and can be resumed with it`() {
        var bench = locked("lock=exclusive lease=1000")
        bench.close(1)

        #expect(bench.ask("OPEN /f r lock=shared", on: 2).contains(" lease=1000 "))
        #expect(bench.ask(LeaseTests.resume, on: 3).hasPrefix("OK "))
        #expect(bench.ask("OPEN /f r lock=shared", on: 2).hasPrefix("ERR locked "))
        bench.ask("CLOSE s40000000001", on: 3)
        #expect(bench.ask("OPEN /f r lock=shared", on: 2).hasPrefix("OK "))
    }

    @Test func `stopping refuses those that wait`() {
        var bench = locked()
        let wait = bench.send("OPEN /f rw lock=exclusive wait=60000", on: 2)

        bench.perform(bench.core.endSessions(at: bench.now))

        #expect(bench.reply(to: wait)?.hasPrefix("ERR draining ") == true)
        #expect(bench.core.isIdle)
        #expect(bench.core.locks.isEmpty)
    }

    @Test func `a long line of shared locks is granted a few at a time, all of them in the end`() {
        var limits = Limits()
        limits.handlesPerConnection = 5_000
        limits.handles = 5_000
        var bench = Bench(jobLimit: 100, limits: limits)
        bench.ask("STORE /f abc")
        bench.ask("OPEN /f rw lock=exclusive")
        let waiting = (1...2_000).map {
            bench.send("@\($0) OPEN /f r lock=shared wait=60000", on: 2)
        }
        let last = bench.send("OPEN /f rw lock=exclusive wait=60000", on: 3)
        bench.runsAtOnce = false
        bench.send("CLOSE h1")
        bench.runNext()
        #expect(bench.jobs.count == 32, "each looks at its file")
        bench.cancel(waiting[5])
        bench.cancel(waiting[500])
        #expect(bench.ask("STAT /none") == "no answer", "others have room")

        bench.runsAtOnce = true
        bench.runNext()

        let answered = waiting.filter { bench.reply(to: $0)?.contains(" OK h=h") == true }
        #expect(answered == waiting.filter { $0 != waiting[5] && $0 != waiting[500] })
        #expect(bench.core.grants.isEmpty)
        #expect(bench.reply(to: last) == nil)
        bench.close(2)
        #expect(bench.reply(to: last)?.hasPrefix("OK ") == true)
        #expect(bench.core.isIdle)
    }

    @Test func `locks of a file whose disk stalls are granted beside those of others`() throws {
        var bench = Bench()
        let most = bench.core.configuration.grantLimit
        for name in ["f", "g"] {
            bench.ask("STORE /\(name) abc")
            bench.ask("OPEN /\(name) rw lock=exclusive")
        }
        bench.ask("OPEN /f rw", on: 2)
        for tag in 0...most { bench.send("@\(tag) OPEN /f r lock=shared wait=60000", on: 3) }
        let other = bench.send("OPEN /g r lock=shared wait=60000", on: 4)
        bench.runsAtOnce = false
        bench.send("@1 CLOSE h1")
        bench.send("SYNC h1", on: 2)
        bench.runNext()
        #expect(bench.jobs.count == 1, "the sync runs, and all looks at the file wait for it")

        bench.send("@2 CLOSE h2")
        bench.runNext(1)
        try #require(bench.jobs.count == 2)
        bench.runNext(1)

        #expect(bench.reply(to: other)?.hasPrefix("OK h=h1 size=3 ") == true)
        bench.runsAtOnce = true
        bench.runNext()
        #expect(bench.core.sessions.count == most + 3)
        #expect(bench.core.grants.isEmpty)
    }

    @Test func `a server that drains refuses those that wait and finishes what has begun`() {
        var bench = locked()
        bench.send("@9 FOLLOW h1 3", on: 1)
        let shared = bench.send("@1 OPEN /f r lock=shared wait=60000", on: 2)
        let exclusive = bench.send("@2 OPEN /f rw lock=exclusive wait=60000", on: 2)
        bench.runsAtOnce = false
        let write = bench.send("@3 WRITE h1 0 X")

        bench.perform(bench.core.beginDraining(at: bench.now))
        for id in [shared, exclusive] {
            #expect(bench.reply(to: id)?.hasPrefix("ERR draining ") == true)
        }
        #expect(bench.replies.contains { $0.text.hasPrefix("ERR draining ") && $0.id < shared })
        #expect(bench.reply(to: write) == nil)
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.reply(to: write) == "@3 OK bytes=1 size=3")
        #expect(bench.ask("OPEN /f r lock=shared wait=60000", on: 3).hasPrefix("ERR draining "))
        #expect(bench.ask("OPEN /f r lock=shared", on: 3).hasPrefix("ERR locked "))
        #expect(bench.ask("@4 FOLLOW h1 0").hasPrefix("ERR draining "))
        bench.ask("CLOSE h1")
        #expect(bench.ask("OPEN /f r lock=shared wait=60000", on: 3).hasPrefix("OK "))
        #expect(bench.core.isIdle)
    }
}
