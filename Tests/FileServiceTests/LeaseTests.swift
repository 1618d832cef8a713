import DFSProtocol
import Testing

@testable import FileService

@Suite struct LeaseTests {
    static let handle = "s40000000001"
    static let token = "00000000000000010000000000000abc"
    static let resume = "RESUME \(handle) token=\(token)"

    /// A bench with one session on connection 1 that lives for a second without a request.
    private func leased(_ options: String = "", lease: Int = 1_000) -> Bench {
        var bench = Bench()
        bench.ask("STORE /f abcdef")
        bench.ask("OPEN /f rw lease=\(lease) \(options)")
        return bench
    }

    @Test func `a lease is granted up to the most, with a handle of the server and a token`() {
        var limits = Limits()
        limits.leaseMilliseconds = 2_000
        var bench = Bench(limits: limits)
        let tail = "size=0 ver=0 fid=1"

        #expect(
            bench.ask("OPEN /f create lease=1999")
                == "OK h=s40000000001 \(tail) lease=1999 token=\(LeaseTests.token)")
        #expect(
            bench.ask("OPEN /f create lease=2001")
                == "OK h=s40000000002 \(tail) lease=2000 token=\(LeaseTests.token)")
        #expect(bench.ask("OPEN /f create lease=conn") == "OK h=h1 \(tail) lease=conn")
    }

    @Test func `a session with a lease survives its connection and is resumed on another`() {
        var bench = leased()
        bench.ask("WRITE \(LeaseTests.handle) 0 ABC")
        bench.ask("READ \(LeaseTests.handle) 2")

        bench.close(1)
        bench.pass(milliseconds: 999)

        #expect(
            bench.ask(LeaseTests.resume, on: 2)
                == "OK h=s40000000001 size=6 ver=0 fid=1 lease=1000 token=\(LeaseTests.token)")
        #expect(bench.ask("READ \(LeaseTests.handle) 4", on: 2).hasSuffix("Cdef"))
        #expect(bench.ask("CLOSE \(LeaseTests.handle)", on: 2) == "OK size=6 ver=1")
        #expect(bench.core.sessions.count == 0)
    }

    @Test func `a session that is resumed elsewhere is taken from the connection that had it`() {
        var bench = leased()

        #expect(bench.ask(LeaseTests.resume, on: 2).hasPrefix("OK h=s40000000001 "))

        let stale = "ERR stale-handle h=s40000000001 "
        for line in ["READ", "WRITE", "RENEW", "SYNC", "CLOSE", "STAT"] {
            let operands = line == "READ" ? " 0 9" : line == "WRITE" ? " 0 x" : ""
            #expect(bench.ask("\(line) \(LeaseTests.handle)\(operands)").hasPrefix(stale))
        }
        #expect(bench.ask("READ \(LeaseTests.handle) 0 9", on: 2).hasSuffix("abcdef"))
        #expect(bench.released == [ConnectionID(number: 1)])
        #expect(!bench.core.holdsSession(ConnectionID(number: 1)))
        #expect(bench.core.holdsSession(ConnectionID(number: 2)))
    }

    @Test func `resuming what is one's own is no change`() {
        var bench = leased()

        #expect(bench.ask(LeaseTests.resume).hasPrefix("OK h=s40000000001 "))

        #expect(bench.ask("READ \(LeaseTests.handle) 0 9").hasSuffix("abcdef"))
        #expect(bench.released.isEmpty)
    }

    @Test(arguments: [
        "00000000000000010000000000000abd", "10000000000000010000000000000abc", "abc", "",
        "00000000000000010000000000000abg", "000000000000000100000000000000abc",
    ])
    func `a wrong token is denied and takes nothing away`(token: String) {
        var bench = leased()

        #expect(
            bench.ask("RESUME \(LeaseTests.handle) token=\(token)", on: 2)
                .hasPrefix("ERR denied h=s40000000001 "))
        #expect(bench.ask("READ \(LeaseTests.handle) 0 9").hasSuffix("abcdef"))
    }

    @Test(arguments: [
        ("s40000000002", "stale-handle"), ("s3000000001", "stale-handle"), ("s", "stale-handle"),
        ("s040000000001", "stale-handle"), ("S40000000001", "stale-handle"),
        ("s4000000000A", "stale-handle"), ("sfffffffffffffffff", "stale-handle"),
        ("sffffffffffffffff", "stale-handle"), ("x1", "stale-handle"), ("h1", "bad-argument"),
        ("\"\"", "stale-handle"),
    ])
    func `only a handle that was given can be resumed`(handle: String, code: String) {
        var bench = leased()
        bench.ask("OPEN /f r")

        #expect(
            bench.ask("RESUME \(handle) token=\(LeaseTests.token)").hasPrefix("ERR \(code) "))
    }

    @Test func `a lease runs out to the millisecond, on a connection or without one`() {
        for isConnected in [true, false] {
            var bench = leased()
            if !isConnected { bench.close(1) }

            bench.pass(milliseconds: 999)
            #expect(bench.core.sessions.count == 1)
            bench.pass(milliseconds: 1)

            #expect(bench.core.sessions.count == 0)
            #expect(bench.ask(LeaseTests.resume, on: 2).hasPrefix("ERR lease-expired h=s4"))
        }
    }

    @Test func `an expired session answers so for one more lease time, then it is unknown`() {
        var bench = leased()
        bench.pass(milliseconds: 1_000)

        #expect(bench.ask("READ \(LeaseTests.handle) 1").hasPrefix("ERR lease-expired "))
        bench.pass(milliseconds: 999)
        #expect(bench.ask("CLOSE \(LeaseTests.handle)").hasPrefix("ERR lease-expired "))
        bench.pass(milliseconds: 1)
        #expect(bench.ask("READ \(LeaseTests.handle) 1").hasPrefix("ERR stale-handle "))
        #expect(bench.ask(LeaseTests.resume, on: 2).hasPrefix("ERR stale-handle "))
    }

    @Test(arguments: [
        ("RENEW s40000000001", "OK lease=1000"), ("READ s40000000001 1", "OK bytes=1"),
        ("STAT s40000000001", "OK type=file"), ("SYNC s40000000001", "OK ver=0"),
        ("TRUNCATE s40000000001 1", "OK size=1"), ("APPEND s40000000001 x", "OK bytes=1"),
        ("READ s40000000001 9223372036854775807 1", "ERR range"),
    ])
    func `every request that names the session renews its lease, and so does a failing one`(
        line: String, answer: String
    ) {
        var bench = leased()
        bench.pass(milliseconds: 999)

        #expect(bench.ask(line).hasPrefix(answer))

        bench.pass(milliseconds: 999)
        #expect(bench.ask("RENEW \(LeaseTests.handle)") == "OK lease=1000")
        bench.pass(milliseconds: 1_000)
        #expect(bench.ask("RENEW \(LeaseTests.handle)").hasPrefix("ERR lease-expired "))
    }

    @Test func `a session of its connection renews nothing and does not run out`() {
        var bench = Bench()
        bench.ask("OPEN /f create")

        #expect(bench.ask("RENEW h1") == "OK lease=conn")

        #expect(bench.core.deadline == nil)
        bench.pass(milliseconds: .max)
        #expect(bench.ask("READ h1 1").hasPrefix("OK "))
    }

    @Test func `a request for a session that ran out finds it so, also before anybody looked`() {
        var bench = leased()
        bench.now = bench.now.advanced(milliseconds: 1_000)

        #expect(bench.ask("READ \(LeaseTests.handle) 0 1").hasPrefix("ERR lease-expired "))
        #expect(bench.core.isIdle)
    }

    @Test func `a write whose session runs out while it waits for its turn is refused`() {
        var bench = leased()
        bench.ask("OPEN /f rw")
        bench.runsAtOnce = false
        let slow = bench.send("@1 WRITE h1 0 S")
        let write = bench.send("@2 WRITE \(LeaseTests.handle) 0 XYZ")

        bench.now = bench.now.advanced(milliseconds: 1_000)
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.reply(to: slow)?.hasPrefix("@1 OK ") == true)
        #expect(bench.reply(to: write)?.hasPrefix("ERR lease-expired h=s4") == true)
        #expect(bench.ask("FETCH /f").hasSuffix("Sbcdef"))
    }

    @Test func `a write that runs keeps its session until it is done`() {
        var bench = leased()
        bench.runsAtOnce = false
        let write = bench.send("@1 WRITE \(LeaseTests.handle) 0 XYZ")

        bench.pass(milliseconds: 5_000)
        #expect(bench.core.sessions.count == 1)
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.reply(to: write) == "@1 OK bytes=3 size=6")
        #expect(bench.ask("RENEW \(LeaseTests.handle)").hasPrefix("ERR lease-expired "))
        #expect(bench.core.sessions.count == 0)
    }

    @Test func `a session that is used while its work runs is watched again afterwards`() {
        var bench = leased()
        bench.runsAtOnce = false
        bench.send("@1 READ \(LeaseTests.handle) 0 1")
        bench.pass(milliseconds: 1_000)
        bench.ask("@2 RENEW \(LeaseTests.handle)")
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.ask("STAT \(LeaseTests.handle)").hasPrefix("OK "))
        bench.pass(milliseconds: 999)
        #expect(bench.core.sessions.count == 1)
        bench.pass(milliseconds: 1)
        #expect(bench.core.sessions.count == 0)
    }

    @Test func `a write of the old holder that waits is refused when the session is taken over`() {
        var bench = leased()
        bench.ask("OPEN /f rw")
        bench.runsAtOnce = false
        let running = bench.send("@1 WRITE \(LeaseTests.handle) 0 R")
        let waiting = bench.send("@2 WRITE \(LeaseTests.handle) 0", literal: "XYZ")
        let resume = bench.send(LeaseTests.resume, on: 2)
        #expect(bench.jobs.count == 1)

        bench.runNext()
        #expect(bench.reply(to: running) == "@1 OK bytes=1 size=6")
        #expect(bench.reply(to: waiting)?.hasPrefix("ERR stale-handle h=s4") == true)
        #expect(bench.reply(to: resume) == nil)
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.reply(to: resume)?.hasPrefix("OK h=s40000000001 size=6 ") == true)
        #expect(bench.ask("FETCH /f").hasSuffix("Rbcdef"))
    }

    @Test func `of two that take a session over, the later one has it`() {
        var bench = leased()
        bench.runsAtOnce = false
        let first = bench.send(LeaseTests.resume, on: 2)
        let second = bench.send(LeaseTests.resume, on: 3)
        bench.runsAtOnce = true
        while !bench.jobs.isEmpty { bench.runNext() }

        #expect(bench.reply(to: second)?.hasPrefix("OK ") == true)
        #expect(bench.ask("RENEW \(LeaseTests.handle)", on: 3) == "OK lease=1000")
        #expect(bench.ask("RENEW \(LeaseTests.handle)", on: 2).hasPrefix("ERR stale-handle "))
        // It ran before the other one came; what it was told was true then.
        #expect(bench.reply(to: first)?.contains("h=s40000000001") == true)
    }

    @Test func `what waits for its turn is not done once its connection has ended`() {
        var bench = leased()
        bench.ask("OPEN /f rw")
        bench.runsAtOnce = false
        bench.send("@1 WRITE \(LeaseTests.handle) 0 R")
        bench.send("@2 WRITE \(LeaseTests.handle) 0 X")
        bench.send("@3 WRITE h1 1 Y")
        bench.close(1)
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.ask("FETCH /f", on: 2).hasSuffix("Rbcdef"))
        #expect(bench.core.isIdle)
    }

    @Test func `a session that runs out counts its changes once and lets go of its file`() {
        var bench = leased()
        bench.ask("WRITE \(LeaseTests.handle) 0 X")
        bench.close(1)

        bench.pass(milliseconds: 1_000)

        #expect(bench.ask("STAT /f", on: 2).contains(" ver=1 "))
        #expect(bench.ask("HANDLES", on: 2) == "OK count=0")
        #expect(bench.core.isIdle)
        #expect(bench.core.deadline == nil)
    }

    @Test func `closing a session with a lease is repeatable from anywhere for a lease time`() {
        var bench = leased()
        bench.ask("APPEND \(LeaseTests.handle) x")
        #expect(bench.ask("CLOSE \(LeaseTests.handle)") == "OK size=7 ver=1")
        bench.close(1)

        bench.pass(milliseconds: 999)
        #expect(bench.ask("CLOSE \(LeaseTests.handle)", on: 2) == "OK size=7 ver=1")
        #expect(bench.ask(LeaseTests.resume, on: 2).hasPrefix("ERR stale-handle "))
        bench.pass(milliseconds: 1)
        #expect(bench.ask("CLOSE \(LeaseTests.handle)", on: 2).hasPrefix("ERR stale-handle "))
    }

    @Test func `a close is done although its connection ends, and who repeats it is told`() {
        var bench = leased()
        bench.runsAtOnce = false
        bench.send("@1 WRITE \(LeaseTests.handle) 0 X")
        bench.send("@2 CLOSE \(LeaseTests.handle)")
        bench.close(1)
        let again = bench.send("CLOSE \(LeaseTests.handle)", on: 2)
        let resume = bench.send(LeaseTests.resume, on: 2)
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.reply(to: again) == "OK size=6 ver=1")
        #expect(bench.reply(to: resume)?.hasPrefix("ERR stale-handle ") == true)
        #expect(bench.core.isIdle)
    }

    @Test func `stopping ends every session and counts what was written`() {
        var bench = leased()
        bench.ask("WRITE \(LeaseTests.handle) 0 X")
        bench.close(1)
        bench.ask("OPEN /g create", on: 2)
        bench.ask("APPEND h1 y", on: 2)

        bench.perform(bench.core.endSessions(at: bench.now))

        #expect(bench.core.sessions.count == 0)
        #expect(bench.core.isIdle)
        #expect(bench.ask("STAT /f", on: 3).contains(" ver=1 "))
        #expect(bench.ask("STAT /g", on: 3).contains(" ver=1 "))
    }

    @Test func `a request that is refused because the server is busy renews the lease too`() {
        var bench = Bench(jobLimit: 2)
        bench.ask("OPEN /f create lease=1000")
        bench.runsAtOnce = false
        for tag in 1...2 { bench.send("@\(tag) STAT /f", on: 2) }
        for _ in 0..<3 {
            bench.pass(milliseconds: 600)
            #expect(bench.ask("READ s40000000001 0 1").hasPrefix("ERR busy "))
        }

        #expect(bench.ask("RENEW s40000000001") == "OK lease=1000")
    }

    @Test func `an OPEN that is told its session again renews the lease that it is told`() {
        var bench = Bench()
        let line = "OPEN /f create lease=1000 op=o1"
        let first = bench.ask(line)
        bench.pass(milliseconds: 900)
        #expect(bench.ask(line) == first)

        bench.pass(milliseconds: 900)

        #expect(bench.ask("RENEW s40000000001") == "OK lease=1000")
    }

    @Test func `when many sessions end at once few are put away at a time, and requests go on`() {
        var bench = Bench(jobLimit: 8)
        for connection: UInt64 in 1...100 { bench.ask("OPEN /f create", on: connection) }
        bench.ask("STORE /g x", on: 200)
        bench.runsAtOnce = false
        for connection: UInt64 in 1...100 { bench.close(connection) }

        // They are of one file, so that one runs and the others wait in its lane.
        #expect(bench.core.unasked == 32)
        let fetch = bench.send("STAT /g", on: 200)
        #expect(bench.jobs.count == 2)
        bench.runNext(1)
        #expect(bench.reply(to: fetch)?.hasPrefix("OK ") == true)
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.core.sessions.count == 0)
        #expect(bench.core.unasked == 0)
        #expect(bench.core.isIdle)
    }

    @Test func `the heap of leases stays as small as the number of sessions`() {
        var bench = Bench()
        bench.ask("STORE /f x")
        for number in 1...1_000 {
            bench.ask("OPEN /f r lease=600000")
            bench.ask("CLOSE s4\(LeaseTests.hex(number))")
        }

        #expect(bench.core.sessions.count == 0)
        #expect(bench.core.sessions.watchedCount <= 64)
    }

    private static func hex(_ number: Int) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 10 - digits.count) + digits
    }
}
