import DFSProtocol
import Testing

@testable import FileService

/// `if-ver=`: a request that is for one version of a file and for no other.
@Suite struct ConditionTests {
    private func stored() -> Bench {
        var bench = Bench()
        bench.ask("STORE /f abc")
        bench.ask("STORE /f abcd")
        bench.ask("OPEN /f rw")
        return bench
    }

    @Test func `a request for the version that is there is done`() {
        var bench = stored()

        #expect(bench.ask("OPEN /f rw if-ver=1").hasPrefix("OK h=h2 size=4 ver=1 "))
        #expect(bench.ask("WRITE h1 0 X if-ver=1") == "OK bytes=1 size=4")
        bench.ask("SYNC h1")
        #expect(bench.ask("STORE /f new if-ver=2") == "OK size=3 ver=3 fid=1")
    }

    @Test(arguments: ["OPEN /f rw if-ver=0", "OPEN /f create if-ver=2", "STORE /f x if-ver=0"])
    func `a request for another version is a conflict that tells the version`(line: String) {
        var bench = stored()

        #expect(bench.ask(line).hasPrefix("ERR conflict path=/f ver=1 "))
        #expect(bench.ask("FETCH /f").hasSuffix("abcd"))
        #expect(bench.core.sessions.count == 1)
    }

    @Test func `a write is compared in its turn and not when it is asked for`() {
        var bench = stored()
        bench.runsAtOnce = false
        bench.send("@1 WRITE h1 0 X")
        bench.send("@2 SYNC h1")
        let late = bench.send("@3 WRITE h1 0 Y if-ver=1")
        bench.runsAtOnce = true
        bench.runNext()

        #expect(bench.reply(to: late)?.hasPrefix("ERR conflict path=/f ver=2 ") == true)
        #expect(bench.ask("FETCH /f").hasSuffix("Xbcd"))
    }

    @Test(arguments: [
        "OPEN /none create if-ver=0", "OPEN /none rw if-ver=0", "STORE /none x if-ver=0",
    ])
    func `where nothing is there nothing is made`(line: String) {
        var bench = stored()

        #expect(bench.ask(line).hasPrefix("ERR not-found path=/none "))
        #expect(bench.ask("STAT /none").hasPrefix("ERR not-found "))
    }
}
