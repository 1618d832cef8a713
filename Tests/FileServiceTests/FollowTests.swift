import DFSProtocol
import FileService
import Testing

/// FOLLOW: items as a file grows, until somebody or something ends it.
struct FollowTests {
    /// A bench with a file of some text, opened rw as `h1` on connection 1.
    private func bench(_ text: String = "", limits: Limits = Limits()) throws -> Bench {
        var bench = Bench(limits: limits)
        bench.store.put(try path("/log"), text)
        bench.ask("OPEN /log rw")
        return bench
    }

    private func texts(_ bench: inout Bench) -> [String] {
        bench.tellNews()
        defer { bench.items = [] }
        return bench.items.map(\.text)
    }

    @Test func `what stands behind the offset is sent at once`() throws {
        var bench = try bench("hello")

        let id = bench.send("@1 FOLLOW h1 2")

        #expect(texts(&bench) == ["@1 * offset=2 bytes=3 {3}\nllo\n"])
        #expect(bench.reply(to: id) == nil)
    }

    @Test func `what is added later is sent with its offset`() throws {
        var bench = try bench("hello")
        bench.send("@1 FOLLOW h1 5")
        #expect(texts(&bench) == [])

        bench.ask("APPEND h1 \" world\"")
        #expect(texts(&bench) == ["@1 * offset=5 bytes=6 {6}\n world\n"])
        bench.ask("APPEND h1 !")

        #expect(texts(&bench) == ["@1 * offset=11 bytes=1 {1}\n!\n"])
    }

    @Test func `a change that adds nothing sends nothing`() throws {
        var bench = try bench("hello")
        bench.send("@1 FOLLOW h1 5")

        bench.ask("WRITE h1 0 J")

        #expect(texts(&bench) == [])
    }

    @Test func `a long file comes in pieces`() throws {
        let text = String(repeating: "x", count: 65_536)
        var bench = try bench(text + "end")

        bench.send("@1 FOLLOW h1 0")

        #expect(
            texts(&bench) == [
                "@1 * offset=0 bytes=65536 {65536}\n\(text)\n",
                "@1 * offset=65536 bytes=3 {3}\nend\n",
            ])
    }

    @Test func `nothing is read for a peer that has not taken the last piece`() throws {
        var bench = try bench("first")
        bench.takesItems = false
        bench.send("@1 FOLLOW h1 0")
        #expect(texts(&bench) == ["@1 * offset=0 bytes=5 {5}\nfirst\n"])

        bench.ask("APPEND h1 second")
        bench.ask("APPEND h1 third")
        #expect(texts(&bench) == [])
        bench.takeItem()

        #expect(texts(&bench) == ["@1 * offset=5 bytes=11 {11}\nsecondthird\n"])
    }

    @Test func `a file that is cut is told and followed from its new size`() throws {
        var bench = try bench("hello")
        bench.send("@1 FOLLOW h1 5")

        bench.ask("TRUNCATE h1 2")
        bench.ask("APPEND h1 y")

        #expect(
            texts(&bench) == ["@1 * truncated size=2\n", "@1 * offset=2 bytes=1 {1}\ny\n"])
    }

    @Test func `a cut is told also where the file has grown past it since`() throws {
        var bench = try bench("hello")
        bench.takesItems = false
        bench.send("@1 FOLLOW h1 0")
        _ = texts(&bench)

        bench.ask("TRUNCATE h1 4")
        bench.ask("TRUNCATE h1 1")
        bench.ask("TRUNCATE h1 3")
        bench.ask("APPEND h1 \"ow are you\"")
        bench.takesItems = true
        bench.takeItem()

        #expect(
            texts(&bench) == [
                "@1 * truncated size=1\n", "@1 * offset=1 bytes=12 {12}\n\0\0ow are you\n",
            ])
    }

    @Test func `a cut is told where a look waits behind it`() throws {
        var bench = try bench("hello")
        bench.send("@1 FOLLOW h1 5")
        bench.runsAtOnce = false
        bench.send("TRUNCATE h1 0")
        bench.send("APPEND h1 \"longer than before\"")
        bench.perform(
            bench.core.fileChanged(
                RequestID(connection: .init(number: 1), serial: 2), at: bench.now))

        bench.runsAtOnce = true
        bench.runNext()

        #expect(
            texts(&bench) == [
                "@1 * truncated size=0\n", "@1 * offset=0 bytes=18 {18}\nlonger than before\n",
            ])
    }

    @Test func `an offset past the end is a file that was cut`() throws {
        var bench = try bench("hello")

        bench.send("@1 FOLLOW h1 9223372036854775807")

        #expect(texts(&bench) == ["@1 * truncated size=5\n"])
    }

    @Test func `a file that was replaced is told to its end and then given up`() throws {
        var bench = try bench("hello")
        bench.takesItems = false
        let id = bench.send("@1 FOLLOW h1 0")
        bench.ask("APPEND h1 \" world\"")

        bench.ask("STORE /log new", on: 2)
        bench.tellNews()
        bench.takesItems = true
        bench.takeItem()

        #expect(
            texts(&bench) == [
                "@1 * offset=0 bytes=5 {5}\nhello\n", "@1 * offset=5 bytes=6 {6}\n world\n",
            ])
        #expect(bench.reply(to: id)?.hasPrefix("ERR stale-file offset=11 ") == true)
        #expect(!bench.isWatching(id))
    }

    @Test func `a file that was removed before is told to its end and then given up`() throws {
        var bench = try bench("hello")
        try bench.store.remove(path("/log"), recursive: false)

        let id = bench.send("@1 FOLLOW h1 0")

        #expect(texts(&bench) == ["@1 * offset=0 bytes=5 {5}\nhello\n"])
        #expect(bench.reply(to: id)?.hasPrefix("ERR stale-file ") == true)
    }

    @Test func `a request without a tag is refused`() throws {
        var bench = try bench()

        #expect(bench.ask("FOLLOW h1 0").hasPrefix("ERR bad-state "))
    }

    @Test func `an unknown handle is refused`() throws {
        var bench = try bench()

        #expect(bench.ask("@1 FOLLOW h2 0").hasPrefix("ERR stale-handle h=h2 "))
    }

    @Test func `a connection follows as many files as it may have requests in flight`() throws {
        var limits = Limits()
        limits.taggedRequests = 2
        var bench = try bench(limits: limits)
        bench.send("@1 FOLLOW h1 0")
        let second = bench.send("@2 FOLLOW h1 0")

        #expect(bench.ask("@3 FOLLOW h1 0").hasPrefix("ERR too-many max=2 "))
        bench.cancel(second)

        #expect(bench.ask("@3 FOLLOW h1 0") == "no answer")
    }

    @Test func `a file that can not be watched is refused`() throws {
        var bench = try bench()
        bench.store.state.withLock { $0.failing = "watch" }

        #expect(bench.ask("@1 FOLLOW h1 0").hasPrefix("ERR io "))
    }

    @Test func `a disk that fails ends it`() throws {
        var bench = try bench("hello")
        let id = bench.send("@1 FOLLOW h1 5")
        bench.store.state.withLock { $0.failing = "read" }

        bench.ask("APPEND h1 x")
        bench.tellNews()

        #expect(bench.reply(to: id)?.hasPrefix("ERR io ") == true)
    }

    @Test func `close ends what follows on its session and nothing else`() throws {
        var bench = try bench("hello")
        bench.ask("OPEN /log r")
        let first = bench.send("@1 FOLLOW h1 5")
        let second = bench.send("@2 FOLLOW h2 5")

        bench.ask("CLOSE h1")

        #expect(bench.reply(to: first)?.hasPrefix("ERR stale-handle h=h1 ") == true)
        #expect(bench.reply(to: second) == nil)
        bench.store.put(try path("/log"), "")
        #expect(texts(&bench) == [])
        #expect(bench.reply(to: second)?.hasPrefix("ERR stale-file ") == true)
    }

    @Test func `a cancelled one is told nothing more, and its look takes nobody's turn`() throws {
        var bench = try bench("hello")
        bench.runsAtOnce = false
        let id = bench.send("@1 FOLLOW h1 0")
        bench.cancel(id)

        bench.runsAtOnce = true
        bench.runNext()

        #expect(texts(&bench) == [])
        #expect(bench.reply(to: id) == nil)
        #expect(bench.core.isIdle)
    }

    @Test func `a connection that ends takes its followers along`() throws {
        var bench = try bench("hello")
        let id = bench.send("@1 FOLLOW h1 5")

        bench.close(1)
        bench.perform(bench.core.fileChanged(id, at: bench.now))

        #expect(bench.items.isEmpty)
        #expect(bench.jobs.isEmpty)
        #expect(bench.core.isIdle)
    }

    /// A bench with files `/0`, `/1` and so on, opened as `h1`, `h2` and so on.
    private func files(_ count: Int) throws -> Bench {
        var bench = Bench()
        for number in 0..<count {
            bench.store.put(try path("/\(number)"), "hello")
            bench.ask("OPEN /\(number) rw")
        }
        return bench
    }

    @Test func `sixteen files are looked at at once and the others in their order`() throws {
        var bench = try files(20)
        bench.runsAtOnce = false
        let ids = (1...20).map { bench.send("@\($0) FOLLOW h\($0) 0") }
        #expect(bench.jobs.map(\.request) == ids.prefix(16).map(Optional.some))

        bench.runNext()

        #expect(bench.jobs.map(\.request) == ids[1..<17].map(Optional.some))
        bench.runsAtOnce = true
        bench.runNext()
        #expect(bench.items.map(\.id) == ids)
    }

    @Test func `a file whose disk stalls holds up its own followers only`() throws {
        var bench = try files(2)
        bench.runsAtOnce = false
        let stalled = (1...20).map { bench.send("@\($0) FOLLOW h1 0") }
        let other = bench.send("@21 FOLLOW h2 0")
        #expect(bench.jobs.map(\.request) == [stalled[0], other])

        bench.runNext(1)
        #expect(bench.items.map(\.id) == [other])
        bench.cancel(stalled[0])
        bench.cancel(stalled[1])
        #expect(bench.jobs.map(\.request) == [stalled[0]], "the look that stalls is not repeated")
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.items.map(\.id) == [other] + stalled[2...])
    }

    @Test func `a look that waits behind a change leaves its turn when it is cancelled`() throws {
        var bench = try bench("hello")
        bench.runsAtOnce = false
        bench.send("@1 WRITE h1 0 J")
        let first = bench.send("@2 FOLLOW h1 0")
        let second = bench.send("@3 FOLLOW h1 0")
        #expect(bench.jobs.count == 1)

        bench.cancel(first)
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.items.map(\.id) == [second])
    }
}
