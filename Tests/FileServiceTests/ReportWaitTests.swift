import DFSProtocol
import Testing

@testable import FileService

@Suite struct ReportWaitTests {
    private func registered() -> Bench {
        var bench = Bench()
        bench.core.link = LinkSummary(state: .registered)
        return bench
    }

    private static let changing = [
        "OPEN /new create", "STORE /g x", "SETATTR /f mode=0600", "SYNC h1", "CLOSE h1",
    ]

    /// A bench whose session has written, with everything acknowledged so far.
    private func written() -> Bench {
        var bench = Bench()
        bench.ask("STORE /f abc")
        bench.ask("OPEN /f rw")
        bench.ask("WRITE h1 0 x")
        bench.core.link = LinkSummary(state: .registered)
        bench.perform(bench.core.acknowledged(bench.store.generation))
        return bench
    }

    @Test(arguments: changing)
    func `a change is answered when the name server knows it`(line: String) {
        var bench = written()

        let id = bench.send(line)
        #expect(bench.reply(to: id) == nil)
        bench.perform(bench.core.acknowledged(bench.store.generation - 1))
        #expect(bench.reply(to: id) == nil)
        bench.perform(bench.core.acknowledged(bench.store.generation))

        #expect(bench.reply(to: id)?.hasPrefix("OK") == true)
        #expect(bench.core.deadline == nil)
    }

    @Test(arguments: ["SYNC h1", "CLOSE h1"])
    func `what another session has counted is waited for by those who wrote it`(line: String) {
        var bench = written()
        bench.ask("OPEN /f rw", on: 2)
        bench.ask("OPEN /f r", on: 3)
        let first = bench.send("SYNC h1", on: 2)
        #expect(bench.reply(to: first) == nil)

        let second = bench.send(line)
        #expect(bench.reply(to: second) == nil, "its bytes are in the report that is on its way")
        #expect(bench.ask("CLOSE h1", on: 3).hasPrefix("OK "), "who only read waits for nobody")
        bench.perform(bench.core.acknowledged(bench.store.generation))

        #expect(bench.reply(to: first)?.hasPrefix("OK ver=1") == true)
        #expect(bench.reply(to: second)?.contains("ver=1") == true)
        #expect(bench.ask("SYNC h1", on: 2) == "OK ver=1")
    }

    @Test(arguments: [false, true])
    func `what was counted while the link was away is waited for when it is back`(isLost: Bool) {
        var bench = written()
        bench.ask("OPEN /f rw", on: 2)
        if !isLost { bench.core.link = LinkSummary(state: .connecting) }
        let first = bench.send("SYNC h1", on: 2)
        bench.core.link = LinkSummary(state: .connecting)
        bench.perform(bench.core.linkLost())
        #expect(bench.reply(to: first)?.hasPrefix("OK ver=1") == true)
        bench.core.link = LinkSummary(state: .registered)

        let second = bench.send("SYNC h1")
        #expect(bench.reply(to: second) == nil, "the report of its bytes is on its way")
        bench.perform(bench.core.acknowledged(bench.store.generation))

        #expect(bench.reply(to: second)?.hasPrefix("OK ver=1") == true)
        #expect(bench.ask("SYNC h1", on: 2) == "OK ver=1")
    }

    @Test func `an OPEN that has made a file and then waited for its lock waits for its report`() {
        var bench = written()
        bench.runsAtOnce = false
        let made = bench.send("@1 OPEN /new create lock=shared wait=60000")
        let outcome = bench.perform(bench.jobs[0])
        let job = bench.jobs.removeFirst()
        bench.runsAtOnce = true
        bench.send("OPEN /new rw lock=exclusive", on: 2)
        bench.finish(job, outcome)
        bench.close(2)
        #expect(bench.reply(to: made) == nil)

        bench.perform(bench.core.acknowledged(bench.store.generation))

        #expect(bench.reply(to: made)?.hasPrefix("@1 OK h=") == true)
    }

    @Test func `a TRUNCATE is told to the name server with the version that counts it`() {
        var bench = written()

        #expect(bench.ask("TRUNCATE h1 1") == "OK size=1")
    }

    @Test(arguments: changing)
    func `patience ends after one second`(line: String) {
        var bench = written()
        let id = bench.send(line)
        #expect(bench.core.deadline == bench.now.advanced(milliseconds: 1_000))

        bench.perform(bench.core.timePassed(at: bench.now.advanced(milliseconds: 999)))
        #expect(bench.reply(to: id) == nil)
        bench.perform(bench.core.timePassed(at: bench.now.advanced(milliseconds: 1_000)))

        #expect(bench.reply(to: id)?.hasPrefix("OK") == true)
    }

    @Test(arguments: changing)
    func `nothing waits for a name server that is not there`(line: String) {
        var bench = written()
        bench.core.link = LinkSummary(state: .connecting)

        #expect(bench.ask(line).hasPrefix("OK"))
    }

    @Test func `what nobody can be told of is not remembered`() {
        var bench = written()
        bench.core.link = LinkSummary(state: .none)
        bench.ask("SYNC h1")
        #expect(bench.core.waits.changes.isEmpty)
        bench.ask("WRITE h1 0 y")
        bench.core.link = LinkSummary(state: .registered)
        bench.send("SYNC h1")
        #expect(bench.core.waits.changes.count == 1)

        bench.perform(bench.core.linkLost())

        #expect(bench.core.waits.changes.isEmpty)
    }

    @Test func `an OPEN that is taken back while its answer waits leaves no session and no lock`() {
        var bench = registered()
        let id = bench.send("OPEN /new create lock=exclusive")
        #expect(bench.reply(to: id) == nil)

        bench.cancel(id)

        #expect(bench.ask("HANDLES", on: 2) == "OK count=0")
        bench.core.link = LinkSummary(state: .connecting)
        #expect(bench.ask("OPEN /new rw lock=exclusive", on: 2).hasPrefix("OK h=h1 "))
        bench.perform(bench.core.acknowledged(bench.store.generation))
        #expect(bench.reply(to: id) == nil)
    }

    @Test func `a link that breaks lets all answers go`() {
        var bench = registered()
        let ids = [bench.send("STORE /a 1"), bench.send("STORE /b 2")]
        #expect(ids.allSatisfy { bench.reply(to: $0) == nil })

        bench.perform(bench.core.linkLost())

        #expect(ids.allSatisfy { bench.reply(to: $0)?.hasPrefix("OK") == true })
    }

    @Test(arguments: ["OPEN /f rw", "OPEN /f create", "WRITE h1 1 y", "APPEND h1 z", "FETCH /f"])
    func `what is no change for the name server never waits`(line: String) {
        var bench = written()

        #expect(bench.ask(line).hasPrefix("OK"))
    }

    @Test func `errors never wait`() {
        var bench = registered()

        #expect(bench.ask("OPEN /none rw").hasPrefix("ERR not-found"))
        #expect(bench.core.isIdle)
    }
}
