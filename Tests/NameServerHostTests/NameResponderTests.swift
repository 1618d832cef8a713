import NIOCore
import Testing

/// How the core, its sockets and its timers share one loop.
@Suite struct NameResponderTests {
    private func lines(_ count: Int) -> String {
        (0..<count).map { "+ /d/f\($0) size=5 mtime=2026-11-22T08:30:00Z ver=0\n" }.joined()
    }

    /// A server with one registered file server, which has some files.
    private func served(files: Int) throws -> (server: EmbeddedNameServer, owner: Int) {
        let server = try EmbeddedNameServer()
        let owner = try server.connect()
        let data = lines(files)
        try server.type(
            "HELLO 1 caps=push\nREGISTER fs1 / addr=127.0.0.1:7402 epoch=1\n"
                + "REPORT fs1 inventory=end gen=1 {\(data.utf8.count)}\n\(data)\n", on: owner)
        server.loop.advanceTime(by: .milliseconds(20))
        #expect(try server.output(of: owner).hasSuffix("OK files=\(files)\n"))
        return (server, owner)
    }

    @Test func `between two slices of long work the sockets are read`() throws {
        let (server, _) = try served(files: 9000)
        let (searcher, other) = (try server.connect(), try server.connect())

        try server.type("FIND / name=nothing\n", on: searcher)
        let early = try server.output(of: searcher)
        try server.type("LOCATE /d/f1\n", on: other)
        let between = try server.output(of: other)
        var slices = 0
        var answer = ""
        while answer.isEmpty, slices < 100 {
            // Whatever is ready runs, and still it is one slice: the next waits for time to pass.
            server.loop.advanceTime(by: .microseconds(100))
            server.loop.run()
            slices += 1
            answer = try server.output(of: searcher)
        }

        #expect(early == "")
        #expect(between.hasPrefix("OK path=/d/f1 server=fs1 "))
        #expect(answer == "OK count=0\n")
        #expect(slices == 4)
    }

    @Test func `silence is noticed by itself when its time has come`() throws {
        let (server, _) = try served(files: 1)
        let client = try server.connect()

        server.pass(milliseconds: 2400)
        try server.type("STATUS\n", on: client)
        let before = try server.output(of: client)
        server.pass(milliseconds: 200)
        try server.type("STATUS\n", on: client)
        let after = try server.output(of: client)
        server.pass(milliseconds: 1000)
        try server.type("LOCATE /d/f0\n", on: client)

        #expect(before.contains(" up=1 suspect=0 "))
        #expect(after.contains(" up=0 suspect=1 "))
        #expect(try server.output(of: client).hasPrefix("ERR server-down path=/d/f0 server=fs1 "))
    }

    @Test(arguments: [true, false])
    func `a timer that comes late lets the sockets be read before anybody is silent`(
        isAlive: Bool
    ) throws {
        let (server, owner) = try served(files: 1)
        let client = try server.connect()

        // The loop stands still for a minute; then its timer of 2501 ms comes before the sockets,
        // 20 of which have passed.
        server.clock.milliseconds += 60_000
        server.loop.advanceTime(by: .milliseconds(2481))
        try server.type("STATUS\n", on: client)
        let late = try server.output(of: client)
        if isAlive { try server.type("HEARTBEAT fs1 seq=1\n", on: owner) }
        server.loop.advanceTime(by: .milliseconds(1))
        try server.type("STATUS\n", on: client)
        let after = try server.output(of: client)

        #expect(late.contains(" up=1 suspect=0 down=0 "))
        #expect(after.contains(isAlive ? " up=1 suspect=0 down=0 " : " up=0 suspect=0 down=1 "))
        #expect(server.log.all.contains("warning fs1 is down") == !isAlive)
    }

    @Test func `a watcher that does not read is told of the gap when it reads again`() throws {
        let (server, owner) = try served(files: 1)
        let watcher = try server.connect()
        try server.type("HELLO 1 caps=push\nWATCH /\n", on: watcher)
        _ = try server.output(of: watcher)

        server.setReads(false, watcher)
        try server.type("REPORT fs1 \"- /d/f0\\n\"\n", on: owner)
        let data = lines(6000)
        try server.type("REPORT fs1 {\(data.utf8.count)}\n\(data)\n", on: owner)
        server.loop.advanceTime(by: .milliseconds(20))
        let meanwhile = try server.output(of: watcher)
        server.setReads(true, watcher)
        let after = try server.output(of: watcher)

        #expect(meanwhile == "")
        #expect(after.hasPrefix("! gap seq=6"))
        #expect(after.split(separator: "\n").count == 1)
    }

    @Test func `what is asked on a connection that closes is dropped with it`() throws {
        let (server, _) = try served(files: 9000)
        let (gone, other) = (try server.connect(), try server.connect())
        try server.type("@1 FIND / name=nothing\n@2 DU /\n", on: gone)
        try server.type("DU /\n", on: other)

        server.close(gone)
        server.loop.advanceTime(by: .milliseconds(20))

        #expect(try server.output(of: gone) == "")
        #expect(try server.output(of: other) == "OK files=9000 dirs=1 bytes=45000\n")
    }
}
