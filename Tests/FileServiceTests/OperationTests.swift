import DFSProtocol
import Testing

@testable import FileService

/// Changes with `op=`: one effect and one answer, however often they are asked for.
@Suite struct OperationTests {
    private func opened(limits: Limits = Limits()) -> Bench {
        var bench = Bench(limits: limits)
        bench.ask("STORE /f abc")
        bench.ask("OPEN /f rw")
        bench.ask("OPEN /f rw", on: 2)
        return bench
    }

    @Test func `a repeated append answers as the first one and appends once`() {
        var bench = opened()

        #expect(bench.ask("APPEND h1 xy op=a1") == "OK bytes=2 size=5")
        bench.ask("APPEND h1 z")
        #expect(bench.ask("APPEND h1 xy op=a1") == "OK bytes=2 size=5")
        #expect(bench.ask("@7 APPEND h1 xy op=a1", on: 2) == "@7 OK bytes=2 size=5")
        #expect(bench.ask("APPEND h1 xy op=a2") == "OK bytes=2 size=8")

        #expect(bench.ask("FETCH /f").hasSuffix("abcxyzxy"))
    }

    @Test func `a repeated store or pull answers as the first one and makes no new version`() {
        var bench = Bench()
        bench.core.link = LinkSummary(state: .registered)
        bench.perform(bench.core.acknowledged(.max))
        #expect(bench.ask("STORE /f abc op=s1") == "OK size=3 ver=0 fid=1")
        #expect(bench.ask("STORE /f abc op=s1", on: 2) == "OK size=3 ver=0 fid=1")

        let pull = bench.send("PULL /g source=/h op=p1")
        let again = bench.send("@1 PULL /g source=/h op=p1", on: 2)
        #expect(bench.pulls.count == 1)
        let facts = FileFacts(size: 9, mtime: WallTime(seconds: 1), fid: 7, ver: 2)
        let entry = FileEntry(path: .root, isDirectory: false, facts: facts)
        bench.perform(bench.core.pulled(pull, .success(entry), changed: nil, at: bench.now))

        #expect(bench.reply(to: pull) == "OK size=9 ver=2 fid=7")
        #expect(bench.reply(to: again) == "@1 OK size=9 ver=2 fid=7")
        #expect(bench.ask("PULL /g source=/h op=p1") == "OK size=9 ver=2 fid=7")
        #expect(bench.pulls.count == 1)
    }

    @Test func `a repeat while the first one runs waits for its outcome`() {
        var bench = opened()
        bench.runsAtOnce = false
        let first = bench.send("@1 APPEND h1 xy op=a1")
        let second = bench.send("@2 APPEND h1 xy op=a1")
        let third = bench.send("APPEND h1 xy op=a1", on: 2)
        #expect(bench.jobs.count == 1)

        bench.runNext()

        #expect(bench.reply(to: first) == "@1 OK bytes=2 size=5")
        #expect(bench.reply(to: second) == "@2 OK bytes=2 size=5")
        #expect(bench.reply(to: third) == "OK bytes=2 size=5")
        #expect(bench.core.isIdle)
    }

    @Test(arguments: [
        "APPEND h1 xyz op=a1", "APPEND h2 xy op=a1", "STORE /f xy op=a1",
        "OPEN /f rw op=a1", "STORE /f xy mode=0600 op=a1",
    ])
    func `another request with the same op is refused`(line: String) {
        var bench = opened()
        bench.ask("OPEN /f rw")
        bench.ask("APPEND h1 xy op=a1")

        #expect(bench.ask(line).hasPrefix("ERR bad-argument argument=op "))
        #expect(bench.ask("FETCH /f").hasSuffix("abcxy"))
    }

    @Test func `options may come in any order, and the tag does not count`() {
        var bench = Bench()
        bench.ask("STORE /f abc mode=0600 op=s1 mtime=2026-11-01T08:30:00Z")

        #expect(
            bench.ask("@1 STORE op=s1 mtime=2026-11-01T08:30:00Z /f mode=0600 abc")
                == "@1 OK size=3 ver=0 fid=1")
    }

    @Test func `what changed nothing is carried out when it comes again`() {
        var bench = opened()
        #expect(bench.ask("OPEN /g rw op=o1").hasPrefix("ERR not-found "))
        bench.ask("STORE /g x")
        #expect(bench.ask("OPEN /g rw op=o1").hasPrefix("OK h=h2 "))

        #expect(bench.ask("STORE /f x if-ver=9 op=s1").hasPrefix("ERR conflict "))
        #expect(bench.ask("APPEND h9 x op=a1").hasPrefix("ERR stale-handle "))
        bench.ask("OPEN /f rw lock=exclusive", on: 3)
        #expect(bench.ask("OPEN /f rw lock=shared op=o2").hasPrefix("ERR locked "))
        bench.close(3)
        #expect(bench.ask("OPEN /f rw lock=shared op=o2").hasPrefix("OK "))
    }

    @Test func `an append whose disk failed may have left bytes, and is not done again`() {
        var bench = opened()
        bench.store.state.withLock { $0.failing = "append" }

        #expect(bench.ask("APPEND h1 xy op=a1").hasPrefix("ERR io "))
        #expect(bench.ask("APPEND h1 xy op=a1").hasPrefix("ERR io "))
        #expect(bench.ask("APPEND h1 xy op=a2") == "OK bytes=2 size=5")
    }

    @Test(arguments: [
        (ErrorCode.io, true, true), (.internal, true, true), (.noSpace, false, true),
        (.quota, false, true), (.busy, false, false), (.locked, false, false),
        (.timeout, false, false), (.staleFile, false, false), (.conflict, false, false),
    ])
    func `only what may have left traces is remembered as failed`(
        code: ErrorCode, store: Bool, append: Bool
    ) {
        #expect(ChangeKind.store.leavesTraces(code) == store)
        #expect(ChangeKind.append.leavesTraces(code) == append)
    }

    @Test func `a repeat carries the change out where the first one never got its turn`() {
        var bench = Bench()
        bench.ask("STORE /f abc")
        bench.ask("OPEN /f rw lease=1000")
        let append = "APPEND s40000000001 xy op=a1"
        bench.runsAtOnce = false
        bench.send("@1 WRITE s40000000001 0 R")
        bench.send("@2 \(append)")
        bench.close(1)
        let resume = bench.send(LeaseTests.resume, on: 2)
        let again = bench.send("@3 \(append)", on: 2)
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.reply(to: resume)?.hasPrefix("OK ") == true)
        #expect(bench.reply(to: again) == "@3 OK bytes=2 size=5")
        #expect(bench.ask("FETCH /f").hasSuffix("Rbcxy"))
    }

    @Test func `a request that is cancelled in its lane leaves the change to who repeats it`() {
        var bench = opened()
        bench.runsAtOnce = false
        bench.send("@1 WRITE h1 0 R")
        let first = bench.send("@2 APPEND h1 xy op=a1")
        let second = bench.send("@3 APPEND h1 xy op=a1")
        let third = bench.send("@4 APPEND h1 xy op=a1")
        bench.cancel(third)
        bench.cancel(first)
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.reply(to: first) == nil)
        #expect(bench.reply(to: second) == "@3 OK bytes=2 size=5")
        #expect(bench.reply(to: third) == nil)
        #expect(bench.ask("FETCH /f").hasSuffix("Rbcxy"))
    }

    @Test func `an outcome is known for its time and no longer`() {
        var bench = opened()
        bench.ask("APPEND h1 x op=a1")
        bench.pass(milliseconds: 59_999)
        #expect(bench.ask("APPEND h1 x op=a1") == "OK bytes=1 size=4")

        bench.pass(milliseconds: 1)

        #expect(bench.core.operations.count == 0)
        #expect(bench.ask("APPEND h1 x op=a1") == "OK bytes=1 size=5")
    }

    @Test func `where no more can be remembered a new change is refused and a repeat is not`() {
        var limits = Limits()
        limits.operations = 2
        var bench = opened(limits: limits)
        bench.ask("APPEND h1 x op=a1")
        bench.pass(milliseconds: 59_400)
        bench.ask("APPEND h1 x op=a2")

        #expect(bench.ask("APPEND h1 x op=a3").hasPrefix("ERR busy retry=600 "))
        #expect(bench.ask("APPEND h1 x op=a1") == "OK bytes=1 size=4")
        #expect(bench.ask("APPEND h1 x") == "OK bytes=1 size=6")
        bench.pass(milliseconds: 600)
        #expect(bench.ask("APPEND h1 x op=a3") == "OK bytes=1 size=7")
    }

    @Test func `requests that wait for an outcome count as work, for they keep their data`() {
        var bench = Bench(jobLimit: 3)
        bench.ask("OPEN /f create")
        bench.runsAtOnce = false
        for tag in 1...3 { bench.send("@\(tag) APPEND h1 x op=a1") }

        #expect(bench.ask("@4 APPEND h1 x op=a1").hasPrefix("ERR busy "))
        #expect(bench.ask("@5 READ h1 1").hasPrefix("ERR busy "))
        bench.runsAtOnce = true
        bench.runNext()
        #expect(bench.ask("@4 APPEND h1 x op=a1") == "@4 OK bytes=1 size=1")
    }

    @Test func `a repeat waits for the name server as the first one does`() {
        var bench = Bench()
        bench.core.link = LinkSummary(state: .registered)
        let first = bench.send("STORE /f abc op=s1")
        let second = bench.send("STORE /f abc op=s1", on: 2)
        #expect(bench.reply(to: first) == nil)
        #expect(bench.reply(to: second) == nil)

        bench.perform(bench.core.acknowledged(bench.store.generation))

        #expect(bench.reply(to: first) == "OK size=3 ver=0 fid=1")
        #expect(bench.reply(to: second) == "OK size=3 ver=0 fid=1")
    }
}

/// OPEN with `op=`: the session of the first one, or its file once more.
@Suite struct RepeatedOpenTests {
    private static let line = "OPEN /f create-new op=o1"

    @Test func `a session that lives is told again on its connection`() {
        var bench = Bench()
        let first = bench.ask(RepeatedOpenTests.line)
        bench.ask("WRITE h1 0 abc")

        #expect(bench.ask(RepeatedOpenTests.line) == first)
        #expect(bench.core.sessions.count == 1)
    }

    @Test func `a session with a lease is told again on any connection, with its token`() {
        var bench = Bench()
        let first = bench.ask("OPEN /f create-new lease=1000 op=o1")
        bench.close(1)

        #expect(bench.ask("OPEN /f create-new lease=1000 op=o1", on: 2) == first)
        #expect(bench.ask(LeaseTests.resume, on: 2).hasPrefix("OK "))
        #expect(bench.core.sessions.count == 1)
    }

    @Test func `a file whose session ended with its connection is opened once more`() {
        var bench = Bench()
        bench.ask(RepeatedOpenTests.line)
        bench.ask("WRITE h1 0 abc")
        bench.close(1)

        let again = bench.ask(RepeatedOpenTests.line, on: 2)
        #expect(again == "OK h=h1 size=3 ver=1 fid=1 lease=conn")
        #expect(bench.ask(RepeatedOpenTests.line, on: 2) == again)
        #expect(bench.ask("WRITE h1 3 d", on: 2) == "OK bytes=1 size=4")
        #expect(bench.core.sessions.count == 1)
    }

    @Test func `a client that asks on another connection gives its first session up`() {
        var bench = Bench()
        bench.ask(RepeatedOpenTests.line)

        #expect(bench.ask(RepeatedOpenTests.line, on: 2).hasPrefix("OK h=h1 "))
        #expect(bench.ask("READ h1 1").hasPrefix("ERR stale-handle "))
        #expect(bench.core.sessions.count == 1)
    }

    @Test(arguments: ["REPLACED", "GONE"])
    func `another file in its place is no repetition`(what: String) throws {
        var bench = Bench()
        bench.ask(RepeatedOpenTests.line)
        bench.close(1)
        if what == "GONE" {
            try bench.store.remove(try path("/f"), recursive: false)
        } else {
            bench.ask("STORE /f other", on: 2)
        }

        #expect(bench.ask(RepeatedOpenTests.line, on: 2).hasPrefix("ERR stale-file path=/f "))
        #expect(bench.ask(RepeatedOpenTests.line, on: 2).hasPrefix("ERR stale-file path=/f "))
        #expect(bench.core.sessions.count == 0)
        #expect(bench.core.isIdle)
    }

    @Test func `a session that was closed is not opened again by a late repetition`() {
        var bench = Bench()
        bench.ask(RepeatedOpenTests.line)
        bench.ask("CLOSE h1")

        #expect(bench.ask(RepeatedOpenTests.line).hasPrefix("ERR stale-handle h=h1 "))
        #expect(bench.core.sessions.count == 0)
    }

    @Test func `a file that was made although its OPEN was lost is found by the repetition`() {
        for isCancelled in [true, false] {
            var bench = Bench()
            bench.runsAtOnce = false
            let first = bench.send("@1 \(RepeatedOpenTests.line)")
            let second = bench.send(RepeatedOpenTests.line, on: 2)
            if isCancelled { bench.cancel(first) } else { bench.close(1) }
            bench.runsAtOnce = true
            bench.runNext()

            #expect(bench.reply(to: first) == nil)
            #expect(bench.reply(to: second) == "OK h=h1 size=0 ver=0 fid=1 lease=conn")
            #expect(bench.core.sessions.count == 1)
        }
    }

    @Test func `a repetition that finds no room can come again`() {
        var limits = Limits()
        limits.handlesPerConnection = 1
        var bench = Bench(limits: limits)
        bench.ask(RepeatedOpenTests.line)
        bench.close(1)
        bench.ask("STORE /g x", on: 2)
        bench.ask("OPEN /g r", on: 2)

        #expect(bench.ask(RepeatedOpenTests.line, on: 2).hasPrefix("ERR too-many "))
        bench.ask("CLOSE h1", on: 2)
        #expect(bench.ask(RepeatedOpenTests.line, on: 2).hasPrefix("OK h=h2 "))
    }

    @Test func `a session that ran out unseen is opened once more with its lock`() {
        var bench = Bench()
        let line = "OPEN /f create lock=exclusive lease=1000 op=o1"
        bench.ask(line)
        bench.close(1)
        bench.pass(milliseconds: 1_000)

        #expect(bench.ask(line, on: 2).hasPrefix("OK h=s40000000002 "))
        #expect(bench.ask("OPEN /f r lock=shared", on: 3).hasPrefix("ERR locked "))
    }
}
