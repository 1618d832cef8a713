import DFSProtocol
import Testing

@testable import FileService

/// OPEN that makes its file: once, whatever comes between the making and the answer.
@Suite struct MadeOnceTests {
    @Test(arguments: ["", " lock=shared"])
    func `an OPEN that made its file makes no other after it was removed`(lock: String) throws {
        for isReplaced in [false, true] {
            var bench = Bench()
            bench.runsAtOnce = false
            // The open is made, and before it is told the file is opened, changed and removed.
            let open = bench.send("@1 OPEN /f create\(lock) op=o1")
            let made = bench.jobs.removeFirst()
            let outcome = bench.perform(made)
            bench.runsAtOnce = true
            bench.ask("OPEN /f rw", on: 2)
            bench.ask("WRITE h1 0 x", on: 2)
            try bench.store.remove(try TreePath("/f"), recursive: false)
            if isReplaced { bench.ask("STORE /f another", on: 2) }

            bench.finish(made, outcome)

            let repetition = bench.ask("OPEN /f create\(lock) op=o1", on: 3)
            if isReplaced {
                #expect((bench.reply(to: open) ?? "").hasPrefix("@1 OK h=h2 size=7 "))
                #expect(repetition.hasPrefix("OK h=h1 size=7 "))
            } else {
                #expect((bench.reply(to: open) ?? "").hasPrefix("ERR stale-file path=/f "))
                #expect(repetition.hasPrefix("ERR stale-file path=/f "))
                #expect(bench.ask("STAT /f").hasPrefix("ERR not-found "))
            }
            #expect(bench.core.isIdle)
        }
    }

    @Test(arguments: ["create", "create-new"])
    func `an OPEN that was lost after it made its file makes no other`(mode: String) throws {
        for isCancelled in [true, false] {
            var bench = Bench()
            bench.runsAtOnce = false
            let open = bench.send("OPEN /f \(mode) op=o1")
            let made = bench.jobs.removeFirst()
            let outcome = bench.perform(made)
            if isCancelled { bench.cancel(open) } else { bench.close(1) }
            bench.runsAtOnce = true
            bench.finish(made, outcome)

            try bench.store.remove(try TreePath("/f"), recursive: false)
            let repetition = bench.ask("OPEN /f \(mode) op=o1", on: 2)

            #expect(bench.reply(to: open) == nil)
            #expect(repetition.hasPrefix("ERR stale-file path=/f "))
            #expect(bench.ask("STAT /f", on: 2).hasPrefix("ERR not-found "))
            #expect(bench.core.isIdle)
        }
    }

    @Test(arguments: ["cancelled", "busy"])
    func `one that made its file and then had no luck with the next makes no third`(
        end: String
    ) throws {
        var bench = Bench()
        let line = "OPEN /f create lock=exclusive wait=60000 op=o1"
        bench.runsAtOnce = false
        let open = bench.send(line)
        let made = bench.jobs.removeFirst()
        let outcome = bench.perform(made)
        bench.runsAtOnce = true
        bench.ask("OPEN /f rw lock=exclusive", on: 2)
        bench.finish(made, outcome)
        #expect(bench.reply(to: open) == nil, "it waits for the lock of what it made")
        try bench.store.remove(try TreePath("/f"), recursive: false)
        bench.ask("STORE /f another", on: 3)
        bench.ask("OPEN /f rw lock=exclusive", on: 3)

        if end == "busy" { bench.store.state.withLock { $0.failing = "descriptors" } }
        bench.ask("CLOSE h1", on: 2)
        if end == "cancelled" { bench.cancel(open) }
        bench.store.state.withLock { $0.failing = nil }
        bench.ask("CLOSE h1", on: 3)
        try bench.store.remove(try TreePath("/f"), recursive: false)
        let repetition = bench.ask(line, on: 4)

        let said = bench.reply(to: open)
        #expect(end == "busy" ? said?.hasPrefix("ERR busy ") == true : said == nil)
        #expect(repetition.hasPrefix("ERR stale-file path=/f "))
        #expect(bench.ask("STAT /f", on: 4).hasPrefix("ERR not-found "))
        #expect(bench.core.isIdle)
    }

    @Test func `one that was made and not looked at is known as made`() {
        var bench = Bench()
        bench.store.state.withLock { $0.failing = "facts" }
        let first = bench.ask("OPEN /f create-new op=o1")

        #expect(first.hasPrefix("ERR io path=/f "))
        #expect(bench.ask("OPEN /f create-new op=o1") == first)
    }
}
