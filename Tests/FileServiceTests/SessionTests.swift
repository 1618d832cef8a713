import DFSProtocol
import Testing

@testable import FileService

@Suite struct SessionTests {
    @Test func `the session of the documents answers word for word`() {
        var bench = Bench()

        #expect(bench.ask("OPEN /docs/a.txt create") == "OK h=h1 size=0 ver=0 fid=1 lease=conn")
        #expect(bench.ask(#"WRITE h1 0 "hello world\n""#) == "OK bytes=12 size=12")
        #expect(bench.ask("READ h1 0 100") == "OK bytes=12 eof=yes {12}\nhello world\n")
        #expect(
            bench.ask("READ h1 0 100 as=text") == #"OK bytes=12 eof=yes data="hello world\n""#)
        #expect(bench.ask("CLOSE h1") == "OK size=12 ver=1")
        #expect(bench.ask("OPEN /nope r") == #"ERR not-found path=/nope "no such file""#)
    }

    @Test(arguments: [
        ("READ h1 0 5", "OK bytes=5 eof=no {5}\nhello"),
        ("READ h1 0 6", "OK bytes=6 eof=yes {6}\nhello!"),
        ("READ h1 0 7", "OK bytes=6 eof=yes {6}\nhello!"),
        ("READ h1 5 1", "OK bytes=1 eof=yes {1}\n!"),
        ("READ h1 6 1", "OK bytes=0 eof=yes {0}\n"),
        ("READ h1 7 1", "OK bytes=0 eof=yes {0}\n"),
        ("READ h1 0 0", "OK bytes=0 eof=no {0}\n"),
        ("READ h1 6 0", "OK bytes=0 eof=yes {0}\n"),
        ("READ h1 9223372036854775807 0", "OK bytes=0 eof=yes {0}\n"),
        ("READ h1 0 9223372036854775807", "OK bytes=6 eof=yes {6}\nhello!"),
        ("READ h1 0 0 as=text", #"OK bytes=0 eof=no data="""#),
        ("READ h1 0 5 as=text", #"OK bytes=5 eof=no data="hello""#),
    ])
    func `eof is said where offset and bytes reach the size`(line: String, answer: String) {
        var bench = Bench()
        bench.ask("OPEN /f create")
        bench.ask("WRITE h1 0 hello!")

        #expect(bench.ask(line) == answer)
    }

    @Test(arguments: [
        "READ h1 9223372036854775807 1", "READ h1 1 9223372036854775807",
        "READ h1 99999999999999999999 1", "WRITE h1 9223372036854775807 x",
        "TRUNCATE h1 9223372036854775807", "TRUNCATE h1 9223372036854775808",
        "FETCH /f 9223372036854775807 1", "DIGEST /f 1 9223372036854775807",
    ])
    func `what ends beyond the largest number is out of range`(line: String) {
        var bench = Bench()
        bench.ask("OPEN /f create")

        #expect(bench.ask(line).hasPrefix("ERR range "))
    }

    @Test func `a read without offset moves the cursor, one with offset does not`() {
        var bench = Bench()
        bench.ask("OPEN /f create")
        bench.ask("WRITE h1 0 abcdef")

        let answers = ["READ h1 2", "READ h1 0 1", "READ h1 2 as=text", "READ h1 9", "READ h1 9"]
            .map { bench.ask($0) }

        #expect(
            answers == [
                "OK bytes=2 eof=no {2}\nab", "OK bytes=1 eof=no {1}\na",
                #"OK bytes=2 eof=no data="cd""#, "OK bytes=2 eof=yes {2}\nef",
                "OK bytes=0 eof=yes {0}\n",
            ])
    }

    @Test(arguments: [(0, 1024), (1, 1023)])
    func `an answer is capped at what a payload or a line may hold`(less: Int, count: Int) {
        var limits = Limits()
        limits.payloadBytes = 1024 - less
        limits.lineBytes = 8 * (1024 - less)
        var bench = Bench(limits: limits)
        bench.ask("OPEN /f create")
        bench.ask("TRUNCATE h1 5000")

        #expect(bench.ask("READ h1 0 5000").hasPrefix("OK bytes=\(count) eof=no {\(count)}\n"))
        #expect(bench.ask("READ h1 0 5000 as=text").hasPrefix("OK bytes=\(count) eof=no data="))
    }

    @Test(arguments: ["WRITE h1 0 x", "APPEND h1 x", "TRUNCATE h1 0", "SETATTR h1 mode=0600"])
    func `a session that was opened to read changes nothing`(line: String) {
        var bench = Bench()
        bench.ask("STORE /f abc")
        bench.ask("OPEN /f r")

        #expect(bench.ask(line).hasPrefix("ERR read-only h=h1 "))
        #expect(bench.ask("STAT h1").hasPrefix("OK type=file size=3 "))
    }

    @Test(arguments: [
        "READ h2 1", "READ h01 1", "READ h 1", "READ x 1", "READ h1 1", "WRITE h9 0 x", "SYNC h0",
        "CLOSE h7", "STAT h1", "STAT nothing", "SETATTR h3 mode=0644", "TRUNCATE h-1 0",
    ])
    func `a handle that this connection does not have is stale`(line: String) {
        var bench = Bench()
        bench.ask("OPEN /f create", on: 2)

        #expect(bench.ask(line).hasPrefix("ERR stale-handle h="))
    }

    @Test func `handles are counted for each connection and never used twice`() {
        var bench = Bench()

        #expect(bench.ask("OPEN /f create").contains("h=h1 "))
        #expect(bench.ask("OPEN /f create", on: 2).contains("h=h1 "))
        bench.ask("CLOSE h1")
        #expect(bench.ask("OPEN /none r").hasPrefix("ERR not-found"))
        #expect(bench.ask("OPEN /f r").contains("h=h2 "))
    }

    @Test func `closing again answers as before while the connection lives`() {
        var bench = Bench()
        bench.ask("OPEN /f create")
        bench.ask("APPEND h1 x")

        #expect(bench.ask("CLOSE h1") == "OK size=1 ver=1")
        #expect(bench.ask("CLOSE h1") == "OK size=1 ver=1")
        #expect(bench.ask("READ h1 1").hasPrefix("ERR stale-handle h=h1 "))
    }

    @Test func `endings are remembered for as many handles as may be open`() {
        var limits = Limits()
        limits.handlesPerConnection = 2
        var bench = Bench(limits: limits)
        for handle in 1...3 {
            bench.ask("OPEN /f create")
            bench.ask("CLOSE h\(handle)")
        }

        #expect(bench.ask("CLOSE h1").hasPrefix("ERR stale-handle"))
        #expect(bench.ask("CLOSE h2") == "OK size=0 ver=0")
    }

    @Test func `one handle more than the limit is refused until one is closed`() {
        var limits = Limits()
        limits.handlesPerConnection = 2
        var bench = Bench(limits: limits)
        bench.ask("OPEN /f create")
        bench.ask("OPEN /f r")

        #expect(bench.ask("OPEN /f r").hasPrefix("ERR too-many max=2 "))
        #expect(bench.ask("OPEN /f r", on: 2).contains("h=h1 "))
        bench.ask("CLOSE h1")
        #expect(bench.ask("OPEN /f r").contains("h=h3 "))
    }

    @Test func `an open that fails gives its place back`() {
        var limits = Limits()
        limits.handlesPerConnection = 1
        var bench = Bench(limits: limits)

        #expect(bench.ask("OPEN /none rw").hasPrefix("ERR not-found"))
        #expect(bench.ask("OPEN /f create").contains("h=h1 "))
    }

    @Test func `opens that are on their way count towards the limit`() {
        var limits = Limits()
        limits.handlesPerConnection = 1
        var bench = Bench(limits: limits)
        bench.runsAtOnce = false
        bench.send("OPEN /f create")

        #expect(bench.ask("OPEN /g create").hasPrefix("ERR too-many"))
    }

    @Test(arguments: [
        ("OPEN /f create-new", "ERR exists path=/f"), ("OPEN /d r", "ERR is-dir path=/d"),
        ("OPEN /none rw", "ERR not-found path=/none"), ("OPEN none r", "ERR bad-name "),
        ("OPEN /f w", "ERR bad-argument "), ("OPEN /f r mode=9", "ERR bad-argument "),
        ("OPEN /f r lease=0", "ERR bad-argument argument=lease "),
        ("OPEN /f r wait=9", "ERR bad-argument argument=wait "),
        ("OPEN /a/../f r", "ERR bad-name "),
        ("OPEN /new create mode=4755", "ERR unsupported "),
    ])
    func `an open that can not be says why`(line: String, answer: String) {
        var bench = Bench()
        bench.ask("STORE /f abc")
        bench.ask("STORE /d/x abc")

        #expect(bench.ask(line).hasPrefix(answer))
    }

    @Test func `the version counts once for each sync or close after changes`() {
        var bench = Bench()
        bench.ask("OPEN /f create")

        #expect(bench.ask("SYNC h1") == "OK ver=0")
        bench.ask("WRITE h1 0 a")
        bench.ask("WRITE h1 1 b")
        #expect(bench.ask("SYNC h1") == "OK ver=1")
        #expect(bench.ask("CLOSE h1") == "OK size=2 ver=1")
    }

    @Test func `a connection that ends closes its sessions and counts their changes once`() {
        var bench = Bench()
        bench.ask("OPEN /f create")
        bench.ask("OPEN /f rw")
        bench.ask("WRITE h1 0 a")
        bench.close(1)

        #expect(bench.ask("HANDLES", on: 2) == "OK count=0")
        #expect(bench.ask("STAT /f", on: 2).contains(" ver=1 "))
        #expect(bench.core.isIdle)
    }

    @Test func `an open that is cancelled while it runs leaves no session`() {
        var bench = Bench()
        bench.runsAtOnce = false
        let open = bench.send("@1 OPEN /f create")
        bench.cancel(open)
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.reply(to: open) == nil)
        #expect(bench.ask("HANDLES") == "OK count=0")
        #expect(bench.ask("OPEN /f r") == "OK h=h1 size=0 ver=0 fid=1 lease=conn")
        #expect(bench.core.isIdle)
    }

    @Test func `an open that ends after its connection leaves no session`() {
        var bench = Bench()
        bench.runsAtOnce = false
        bench.send("OPEN /f create")
        bench.close(1)
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.ask("HANDLES", on: 2) == "OK count=0")
        #expect(bench.core.isIdle)
    }

    @Test func `a file that was replaced takes no change through an older session`() {
        var bench = Bench()
        bench.ask("STORE /f old")
        bench.ask("OPEN /f rw")
        bench.ask("WRITE h1 0 OLD")
        bench.ask("STORE /f new")

        #expect(bench.ask("READ h1 0 9").hasSuffix("OLD"))
        #expect(bench.ask("WRITE h1 0 x").hasPrefix("ERR stale-file "))
        #expect(bench.ask("CLOSE h1").hasPrefix("ERR stale-file "))
        #expect(bench.ask("CLOSE h1").hasPrefix("ERR stale-file "))
        #expect(bench.ask("READ h1 0 9").hasPrefix("ERR stale-handle "))
        #expect(bench.ask("FETCH /f").hasSuffix("new"))
    }

    @Test func `HANDLES lists every session of the server with a name of its own`() {
        var bench = Bench()
        bench.ask(#"OPEN "/a b" create"#)
        bench.now = bench.now.advanced(milliseconds: 5)
        bench.ask("OPEN /f create", on: 2)
        bench.ask("READ h1 1", on: 2)
        bench.now = bench.now.advanced(milliseconds: 7)

        #expect(
            bench.ask("HANDLES") == """
                * handle h=h1 path="/a b" mode=rw owner=127.0.0.1:50001 client=tester age=12 \
                idle=12 bytes=0 lease=conn lock=none state=attached
                * handle h=c2.h1 path=/f mode=rw owner=127.0.0.1:50002 client=tester age=7 \
                idle=7 bytes=0 lease=conn lock=none state=attached
                OK count=2
                """)
        #expect(bench.ask("@7 HANDLES", on: 3).hasSuffix("\n@7 OK count=2"))
    }
}
