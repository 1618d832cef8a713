import DFSProtocol
import Testing

@testable import FileService

@Suite struct HandleTests {
    private static let leased = "s40000000001"

    @Test func `HANDLES shows bytes, lock, lease and state of each session`() {
        var bench = Bench()
        bench.ask("OPEN /f create lease=1000 lock=shared")
        bench.ask("WRITE \(HandleTests.leased) 0 hello")
        bench.ask("READ \(HandleTests.leased) 0 2")
        bench.close(1)
        bench.pass(milliseconds: 300)

        #expect(
            bench.ask("HANDLES", on: 2) == """
                * handle h=s40000000001 path=/f mode=rw owner=127.0.0.1:50001 client=tester \
                age=300 idle=300 bytes=7 lease=700 lock=shared state=orphaned
                OK count=1
                """)
    }

    @Test func `a session that is put away is shown until its file is let go`() {
        var bench = Bench()
        bench.ask("OPEN /f create")
        bench.runsAtOnce = false
        bench.send("@1 WRITE h1 0 x")
        let kill = bench.send("KILL c1.h1", on: 2)

        #expect(bench.ask("HANDLES", on: 2).contains(" state=ending\n"))
        #expect(bench.reply(to: kill) == nil)
        bench.runNext()
        bench.runNext()

        #expect(bench.reply(to: kill) == "OK")
        #expect(bench.ask("HANDLES", on: 2) == "OK count=0")
    }

    @Test func `a KILL repeated while the session is put away is answered when that is done`() {
        var bench = Bench()
        bench.ask("OPEN /f create")
        bench.runsAtOnce = false
        bench.send("@1 WRITE h1 0 x")
        let kill = bench.send("KILL c1.h1", on: 2)
        let again = bench.send("KILL c1.h1", on: 3)
        let gone = bench.send("@1 KILL c1.h1", on: 4)
        bench.close(4)
        #expect(bench.reply(to: again) == nil)

        bench.runNext()
        bench.runNext()

        #expect(bench.reply(to: kill) == "OK")
        #expect(bench.reply(to: again) == "OK")
        #expect(bench.reply(to: gone) == nil)
        #expect(bench.ask("KILL c1.h1", on: 3) == "OK", "as long as its connection lives")
        bench.close(1)
        #expect(bench.ask("KILL c1.h1", on: 3).hasPrefix("ERR stale-handle "))
    }

    @Test(arguments: ["", " lease=1000"])
    func `a KILL of a session that ends by itself is answered when it has ended`(lease: String) {
        var bench = Bench()
        bench.ask("OPEN /f create lock=exclusive\(lease)")
        bench.runsAtOnce = false
        bench.close(1)
        bench.pass(milliseconds: 1_000)
        let kill = bench.send("KILL \(lease.isEmpty ? "c1.h1" : HandleTests.leased)", on: 2)
        #expect(bench.reply(to: kill) == nil)

        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.reply(to: kill) == "OK")
        #expect(bench.core.locks.isEmpty)
    }

    @Test func `a list of sessions over its limit ends early and says so`() {
        var limits = Limits()
        limits.handlesPerConnection = 2_000
        var bench = Bench(limits: limits)
        let path = String(repeating: "/" + String(repeating: "p", count: 250), count: 15)
        bench.ask("OPEN \(path) create")
        #expect(bench.ask("HANDLES").hasSuffix("\nOK count=1"))
        for _ in 1..<1_500 { bench.ask("OPEN \(path) r") }

        let lines = bench.ask("HANDLES", on: 2).split(separator: "\n")

        let bytes = lines.dropLast().reduce(0) { $0 + $1.utf8.count + 1 }
        let shown = lines.count - 1
        #expect(lines.last == "OK count=\(shown) more=yes after=c1.h\(shown)")
        #expect((Limits.listBytes..<Limits.listBytes + 4_200).contains(bytes))
        let rest = bench.ask("HANDLES after=c1.h\(shown)", on: 2)
        #expect(rest.hasPrefix("* handle h=c1.h\(shown + 1) "))
        #expect(rest.hasSuffix("\nOK count=\(1_500 - shown)"))
    }

    @Test func `sessions are listed in pages of any size, and none is left out`() {
        var bench = Bench()
        for connection: UInt64 in 1...3 { bench.ask("OPEN /f create", on: connection) }
        bench.ask("OPEN /f r lease=1000", on: 2)
        var (seen, after): ([Substring], Substring?) = ([], nil)
        repeat {
            let ask = "HANDLES limit=1" + (after.map { " after=\($0)" } ?? "")
            let words = bench.ask(ask, on: 2).split { $0 == " " || $0 == "\n" }
            seen += words.filter { $0.hasPrefix("h=") }
            after = words.first { $0.hasPrefix("after=") }?.dropFirst(6)
        } while after != nil

        #expect(seen == ["h=c1.h1", "h=h1", "h=c3.h1", "h=s40000000001"])
        #expect(bench.ask("HANDLES after=x").hasPrefix("ERR bad-argument argument=after "))
        #expect(bench.ask("HANDLES limit=0").hasPrefix("ERR bad-argument argument=limit "))
    }

    @Test func `KILL ends a session by the name that HANDLES shows`() {
        var bench = Bench()
        bench.ask("OPEN /f create")
        bench.ask("OPEN /f create", on: 2)
        bench.ask("OPEN /f create lease=1000", on: 2)

        #expect(bench.ask("KILL h1") == "OK")
        #expect(bench.ask("KILL c2.h1") == "OK")
        #expect(bench.ask("KILL \(HandleTests.leased)") == "OK")

        #expect(bench.ask("HANDLES") == "OK count=0")
        #expect(bench.ask("READ h1 1").hasPrefix("ERR stale-handle h=h1 \"KILL "))
        #expect(bench.ask("READ h1 1", on: 2).hasPrefix("ERR stale-handle h=h1 \"KILL "))
        #expect(bench.ask("READ \(HandleTests.leased) 1", on: 2).hasPrefix("ERR stale-handle "))
        #expect(bench.ask("KILL c2.h1") == "OK", "a repeated KILL answers as it did")
        #expect(bench.released.map(\.number) == [1, 2, 2])
    }

    @Test(arguments: ["h2", "c2.h1", "c1.h9", "c1.s1", "c.h1", "c1.", "c1h1", "s1", "", "7"])
    func `KILL of what is not there is refused`(handle: String) {
        var bench = Bench()
        bench.ask("OPEN /f create")

        #expect(bench.ask("KILL \"\(handle)\"").hasPrefix("ERR stale-handle "))
        #expect(bench.ask("READ h1 1").hasPrefix("OK "))
    }

    @Test func `nothing of a killed session lands after the answer to KILL`() {
        var bench = Bench()
        bench.ask("STORE /f abc")
        bench.ask("OPEN /f rw")
        bench.runsAtOnce = false
        let running = bench.send("@1 WRITE h1 0 R")
        let waiting = bench.send("@2 WRITE h1 0 X")
        let kill = bench.send("KILL c1.h1", on: 2)
        let late = bench.send("@3 WRITE h1 0 L")
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.reply(to: running)?.hasPrefix("@1 OK ") == true)
        #expect(bench.reply(to: waiting)?.hasPrefix("ERR stale-handle ") == true)
        #expect(bench.reply(to: late)?.hasPrefix("ERR stale-handle ") == true)
        #expect(bench.reply(to: kill) == "OK")
        #expect(bench.ask("FETCH /f", on: 2).hasSuffix("Rbc"))
        #expect(bench.ask("STAT /f", on: 2).contains(" ver=1 "))
    }

    @Test func `a KILL is done although its connection ends or cancels it`() {
        for isCancelled in [true, false] {
            var bench = Bench()
            bench.ask("OPEN /f create")
            bench.runsAtOnce = false
            bench.send("@1 WRITE h1 0 R")
            let kill = bench.send("@9 KILL c1.h1", on: 2)
            if isCancelled { bench.cancel(kill) } else { bench.close(2) }
            bench.runsAtOnce = true
            bench.runNext()

            #expect(bench.core.sessions.count == 0)
            #expect(bench.core.isIdle)
        }
    }

    @Test func `the limit in all counts sessions without a connection, and says which it is`() {
        var limits = Limits()
        limits.handles = 2
        var bench = Bench(limits: limits)
        bench.ask("OPEN /f create lease=1000")
        bench.close(1)
        bench.ask("OPEN /f rw", on: 2)

        #expect(bench.ask("OPEN /f rw", on: 3).hasPrefix("ERR too-many max=2 of=server "))
        bench.pass(milliseconds: 1_000)
        #expect(bench.ask("OPEN /f rw", on: 3).hasPrefix("OK h=h1 "))
    }

    @Test func `a connection that is full takes no session over`() {
        var limits = Limits()
        limits.handlesPerConnection = 1
        var bench = Bench(limits: limits)
        bench.ask("OPEN /f create lease=1000")
        bench.ask("OPEN /f rw", on: 2)
        let resume = "RESUME \(HandleTests.leased) token=\(LeaseTests.token)"

        #expect(bench.ask(resume, on: 2).hasPrefix("ERR too-many max=1 of=connection "))
        #expect(bench.ask("RENEW \(HandleTests.leased)") == "OK lease=1000")
        bench.ask("CLOSE h1", on: 2)
        #expect(bench.ask(resume, on: 2).hasPrefix("OK "))
    }

    @Test func `an open whose connection ends meanwhile gives its place back`() {
        var limits = Limits()
        limits.handles = 1
        var bench = Bench(limits: limits)
        bench.runsAtOnce = false
        bench.send("OPEN /f create lease=1000")
        bench.close(1)
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.ask("OPEN /f rw", on: 2).hasPrefix("OK h=h1 "))
    }
}

/// What becomes of a FOLLOW when its session does.
@Suite struct FollowedSessionTests {
    private func following() -> (bench: Bench, follow: RequestID) {
        var bench = Bench()
        bench.ask("STORE /f abc")
        bench.ask("OPEN /f r lease=1000")
        let follow = bench.send("@1 FOLLOW s40000000001 0")
        return (bench, follow)
    }

    @Test func `a FOLLOW ends with the lease of its session`() {
        var (bench, follow) = following()

        bench.pass(milliseconds: 1_000)

        #expect(bench.reply(to: follow)?.hasPrefix("ERR lease-expired h=s4") == true)
        #expect(!bench.isWatching(follow))
    }

    @Test func `a FOLLOW ends when its session is killed`() {
        var (bench, follow) = following()

        bench.ask("KILL s40000000001", on: 2)

        #expect(bench.reply(to: follow)?.hasPrefix("ERR stale-handle h=s4") == true)
    }

    @Test func `a FOLLOW ends when its session is taken over, and not when it is resumed in place`()
    {
        var (bench, follow) = following()

        bench.ask("@2 \(LeaseTests.resume)")
        #expect(bench.reply(to: follow) == nil)
        bench.ask(LeaseTests.resume, on: 2)

        #expect(bench.reply(to: follow)?.hasPrefix("ERR stale-handle h=s4") == true)
    }
}
