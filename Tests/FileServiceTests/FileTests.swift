import DFSProtocol
import Testing

@testable import FileService

@Suite struct FileTests {
    @Test func `a stored file is fetched whole with its identity and version`() {
        var bench = Bench()

        #expect(bench.ask("STORE /d/f hello mode=0600") == "OK size=5 ver=0 fid=1")
        #expect(bench.ask("FETCH /d/f") == "OK size=5 ver=0 fid=1 eof=yes {5}\nhello")
        #expect(bench.ask("STORE /d/f", literal: "again!") == "OK size=6 ver=1 fid=1")
        #expect(bench.ask("@x FETCH /d/f") == "@x OK size=6 ver=1 fid=1 eof=yes {6}\nagain!")
        #expect(bench.ask(#"STORE /empty """#) == "OK size=0 ver=0 fid=3")
        #expect(bench.ask("FETCH /empty") == "OK size=0 ver=0 fid=3 eof=yes {0}\n")
    }

    @Test(arguments: [
        ("FETCH /f 0 2", "OK size=5 ver=0 fid=1 eof=no {2}\nhe"),
        ("FETCH /f 3 2", "OK size=5 ver=0 fid=1 eof=yes {2}\nlo"),
        ("FETCH /f 3 9", "OK size=5 ver=0 fid=1 eof=yes {2}\nlo"),
        ("FETCH /f 5 1", "OK size=5 ver=0 fid=1 eof=yes {0}\n"),
        ("FETCH /f 9 9", "OK size=5 ver=0 fid=1 eof=yes {0}\n"),
        ("FETCH /f 0 0", "OK size=5 ver=0 fid=1 eof=no {0}\n"),
    ])
    func `a range ends at the end of the file`(line: String, answer: String) {
        var bench = Bench()
        bench.ask("STORE /f hello")

        #expect(bench.ask(line) == answer)
    }

    @Test(arguments: [(8, true), (9, false)])
    func `a whole file over the payload limit is refused, and a range is capped`(
        size: Int, fits: Bool
    ) {
        var limits = Limits()
        limits.payloadBytes = 8
        var bench = Bench(limits: limits)
        bench.ask("OPEN /f create")
        bench.ask("TRUNCATE h1 \(size)")

        let whole = bench.ask("FETCH /f")

        #expect(whole.hasPrefix(fits ? "OK size=8 " : "ERR too-large path=/f size=9 max=8 "))
        #expect(bench.ask("FETCH /f 0 100").contains(" eof=\(fits ? "yes" : "no") {8}\n"))
    }

    @Test(arguments: [
        ("FETCH /f 1", "ERR bad-argument "), ("DIGEST /f 1", "ERR bad-argument "),
        ("FETCH /none", "ERR not-found path=/none "), ("FETCH /d", "ERR is-dir path=/d "),
        ("DIGEST /none", "ERR not-found path=/none "), ("STAT /none", "ERR not-found path=/none "),
        ("SETATTR /f", "ERR bad-argument "), ("SETATTR /f mode=7777", "ERR unsupported "),
        ("SETATTR /f mtime=yesterday", "ERR bad-argument "),
        ("SETATTR /none mode=0644", "ERR not-found path=/none "),
        ("LIST /d limit=0", "ERR bad-argument "), ("LIST /d limit=10001", "ERR bad-argument "),
        ("PULL /x source=f", "ERR bad-name "), ("PULL /x source=/f", "ERR unsupported "),
        ("LOCATE /f", "ERR unknown-verb "),
    ])
    func `a request that can not be says why`(line: String, answer: String) {
        var bench = Bench()
        bench.ask("STORE /d/x y")
        bench.ask("STORE /f z")

        #expect(bench.ask(line).hasPrefix(answer))
    }

    @Test func `STAT tells the same of a path and of a session`() {
        var bench = Bench()
        bench.ask("STORE /d/f hello mode=0640 mtime=2026-01-02T03:04:05.000000006Z")
        bench.ask("OPEN /d/f r")
        let facts = """
            OK type=file size=5 mtime=2026-01-02T03:04:05.000000006Z mode=0640 ver=0 fid=1 \
            server=fs1 state=up
            """

        #expect(bench.ask("STAT /d/f") == facts)
        #expect(bench.ask("STAT h1") == facts)
        #expect(
            bench.ask("STAT /d")
                == "OK type=dir mtime=1970-01-01T00:00:00Z mode=0755 server=fs1 state=up")
    }

    @Test func `SETATTR sets mode and time by path and by session`() {
        var bench = Bench()
        bench.ask("STORE /f hello")
        bench.ask("OPEN /f rw")

        #expect(bench.ask("SETATTR /f mode=0600") == "OK")
        #expect(bench.ask("STAT /f").contains(" mode=0600 "))
        #expect(bench.ask("SETATTR h1 mtime=now") == "OK")
        #expect(bench.ask("STAT /f").contains(" mtime=1970-01-01T01:23:20Z "))
    }

    @Test func `a listing is paged in bytewise order`() {
        var bench = Bench()
        for name in ["b", "a", "c/x", #""d e""#] {
            bench.ask("STORE \(name.hasPrefix("\"") ? #""/d e""# : "/" + name) 1")
        }
        let time = "mtime=1970-01-01T00:16:40Z"

        #expect(
            bench.ask("LIST / limit=2") == """
                * file name=a size=1 \(time) ver=0 fid=2
                * file name=b size=1 \(time) ver=0 fid=1
                OK count=2 more=yes after=b
                """)
        #expect(
            bench.ask("@1 LIST / after=b limit=2") == """
                @1 * dir name=c
                @1 * file name="d e" size=1 \(time) ver=0 fid=4
                @1 OK count=2
                """)
        #expect(bench.ask("LIST / after=zz") == "OK count=0")
    }

    @Test func `DIGEST tells hash, size and version`() {
        var bench = Bench()
        bench.ask("STORE /f hello")

        #expect(bench.ask("DIGEST /f") == "OK sha256=digest-of-5 size=5 ver=0 fid=1")
        #expect(bench.ask("DIGEST /f 0 2").hasPrefix("OK sha256="))
    }

    @Test func `STATUS tells how the server is doing`() {
        var bench = Bench()
        bench.ask("STORE /f hello")
        bench.ask("OPEN /f r")
        bench.now = bench.now.advanced(milliseconds: 1_500)
        bench.core.link = LinkSummary(
            state: .registered, nameServer: Endpoint(host: "127.0.0.1", port: 7400), pending: 3)

        #expect(
            bench.ask("STATUS") == """
                OK role=file id=fs1 epoch=4 uptime=1500 files=1 dirs=1 bytes=5 free=4096 handles=1 \
                jobs=0 mounts=/ link=registered name-server=127.0.0.1:7400 pending=3 skipped=0 \
                unreadable=0 unverified=0 scanning=no
                """)
    }

    @Test func `a copy from another server is answered when it is there`() throws {
        var bench = Bench()
        bench.core.link = LinkSummary(state: .connecting)
        let first = bench.send("PULL /copy source=/origin")
        let second = bench.send("@2 PULL /copy2 source=/none")
        #expect(bench.pulls.map(\.source) == [try path("/origin"), try path("/none")])
        let facts = FileFacts(size: 7, mtime: WallTime(seconds: 1), ver: 2)

        let entry = FileEntry(path: try path("/copy"), isDirectory: false, facts: facts)
        bench.perform(bench.core.pulled(first, .success(entry), changed: 9, at: bench.now))
        let refusal = RequestError(.notFound, path: try path("/none"), "no such file")
        bench.perform(bench.core.pulled(second, .failure(refusal), changed: nil, at: bench.now))

        #expect(bench.reply(to: first) == "OK size=7 ver=2")
        #expect(bench.reply(to: second)?.hasPrefix("ERR not-found path=/none") == true)
    }

    @Test func `only so many copies are made at once`() throws {
        var bench = Bench()
        bench.core.link = LinkSummary(state: .connecting)
        for number in 1...16 { bench.send("@\(number) PULL /c\(number) source=/o") }

        #expect(bench.ask("PULL /c17 source=/o").hasPrefix("ERR busy retry=1000 "))
        let first = try #require(bench.pulls.first).id
        let refusal = RequestError(.notFound, "no such file")
        bench.perform(bench.core.pulled(first, .failure(refusal), changed: nil, at: bench.now))
        bench.send("PULL /c17 source=/o")
        #expect(bench.pulls.count == 17)
    }

    @Test func `a disk that fails is told and nothing is made up`() {
        var bench = Bench()
        bench.ask("OPEN /f create")
        for operation in ["write", "sync", "read"] {
            bench.store.state.withLock { $0.failing = operation }
            let line = operation == "write" ? "WRITE h1 0 x" : "\(operation.uppercased()) h1"

            #expect(
                bench.ask(operation == "read" ? "READ h1 5" : line).hasPrefix("ERR io path=/f "))
        }
    }

    @Test func `the last descriptors are for work that gives them back`() {
        var bench = Bench()
        bench.ask("STORE /f text")
        bench.store.state.withLock { $0.failing = "descriptors" }

        #expect(bench.ask("OPEN /f r").hasPrefix("ERR busy path=/f retry=1000 "))
        #expect(bench.ask("FETCH /f").hasPrefix("OK size=4 "))
    }

    @Test func `too much waiting work is refused as busy, but a session can be closed`() {
        var bench = Bench(jobLimit: 2)
        bench.ask("OPEN /f create")
        bench.runsAtOnce = false
        bench.send("FETCH /f")
        bench.send("FETCH /f")

        #expect(bench.ask("FETCH /f").hasPrefix("ERR busy retry=100 "))
        let close = bench.send("CLOSE h1")
        bench.runsAtOnce = true
        bench.perform([])
        #expect(bench.reply(to: close) == "OK size=0 ver=0")
    }
}
