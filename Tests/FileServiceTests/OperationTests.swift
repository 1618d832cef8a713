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
        #expect(bench.ask("STORE /f abc op=s1") == "OK size=3 ver=0")
        #expect(bench.ask("STORE /f abc op=s1", on: 2) == "OK size=3 ver=0")

        let pull = bench.send("PULL /g source=/h op=p1")
        let again = bench.send("@1 PULL /g source=/h op=p1", on: 2)
        #expect(bench.pulls.count == 1)
        let facts = FileFacts(size: 9, mtime: WallTime(seconds: 1), fid: 7, ver: 2)
        let entry = FileEntry(path: .root, isDirectory: false, facts: facts)
        bench.perform(bench.core.pulled(pull, .success(entry), changed: nil, at: bench.now))

        #expect(bench.reply(to: pull) == "OK size=9 ver=2")
        #expect(bench.reply(to: again) == "@1 OK size=9 ver=2")
        #expect(bench.ask("PULL /g source=/h op=p1") == "OK size=9 ver=2")
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
        "APPEND h1 xyz op=a1", "APPEND h1 yx op=a1", "APPEND h3 xy op=a1", "STORE /f xy op=a1",
        "OPEN /f rw op=a1", "STORE /f xy mode=0600 op=a1",
    ])
    func `another request with the same op is refused`(line: String) {
        var bench = opened()
        bench.ask("OPEN /f rw")
        bench.ask("OPEN /g create")
        bench.ask("APPEND h1 xy op=a1")

        #expect(bench.ask(line).hasPrefix("ERR bad-argument argument=op "))
        #expect(bench.ask("FETCH /f").hasSuffix("abcxy"))
    }

    @Test func `a handle is compared by the file that it means and not by its text`() {
        var bench = opened()
        bench.ask("STORE /g 123")
        bench.ask("OPEN /g rw", on: 3)
        bench.ask("OPEN /f rw", on: 3)
        #expect(bench.ask("APPEND h1 xy op=a1") == "OK bytes=2 size=5")

        #expect(
            bench.ask("APPEND h1 xy op=a1", on: 3).hasPrefix("ERR bad-argument argument=op "))
        #expect(bench.ask("APPEND h2 xy op=a1", on: 3) == "OK bytes=2 size=5")
        #expect(bench.ask("APPEND h1 xy op=a1", on: 4) == "OK bytes=2 size=5")
        #expect(bench.ask("APPEND h7 xy op=a1", on: 4).hasPrefix("ERR bad-argument "))
        bench.ask("CLOSE h1", on: 3)
        #expect(bench.ask("APPEND h1 xy op=a1", on: 3).hasPrefix("ERR bad-argument "))
        bench.ask("CLOSE h1")
        #expect(bench.ask("APPEND h1 xy op=a1") == "OK bytes=2 size=5")

        #expect(bench.ask("FETCH /f").hasSuffix("abcxy"))
        #expect(bench.ask("FETCH /g").hasSuffix("123"))
    }

    @Test func `a payload is compared by what it holds, however it was sent`() {
        var bench = opened()
        bench.ask("APPEND h1 op=a1", literal: "xy")

        #expect(bench.ask("APPEND h1 op=a1", literal: "yx").hasPrefix("ERR bad-argument "))
        #expect(bench.ask("APPEND h1 op=a1", literal: "xy") == "OK bytes=2 size=5")
        #expect(bench.ask("APPEND h1 xy op=a1") == "OK bytes=2 size=5")
        #expect(bench.ask("STORE /s op=s1", literal: "one") == "OK size=3 ver=0")
        #expect(bench.ask("STORE /s op=s1", literal: "two").hasPrefix("ERR bad-argument "))
    }

    @Test func `an OPEN that is repeated again and again keeps no more than one end of it`() {
        var limits = Limits()
        limits.handlesPerConnection = 1
        var bench = Bench(limits: limits)
        bench.ask("OPEN /f create op=o1")
        bench.close(1)
        bench.ask("OPEN /f r", on: 2)

        for _ in 0..<1_000 {
            #expect(bench.ask("OPEN /f create op=o1", on: 2).hasPrefix("ERR too-many "))
        }

        #expect(bench.core.operations.count == 1)
        #expect(bench.core.operations.orderCount <= 66)
    }

    @Test func `options may come in any order, and the tag does not count`() {
        var bench = Bench()
        bench.ask("STORE /f abc mode=0600 op=s1 mtime=2026-11-01T08:30:00Z")

        #expect(
            bench.ask("@1 STORE op=s1 mtime=2026-11-01T08:30:00Z /f mode=0600 abc")
                == "@1 OK size=3 ver=0")
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

        #expect(bench.reply(to: first) == "OK size=3 ver=0")
        #expect(bench.reply(to: second) == "OK size=3 ver=0")
    }
}
