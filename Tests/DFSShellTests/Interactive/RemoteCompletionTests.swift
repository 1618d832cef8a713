import TestCluster
import Testing

/// Tab over names that real servers have.
@Suite(.serialized)
struct RemoteCompletionTests {
    private static func file(_ name: String, _ contents: String) -> (
        name: [UInt8], contents: [UInt8]
    ) {
        ([UInt8](name.utf8), [UInt8](contents.utf8))
    }

    @Test func `a name with a space is inserted in quotes and can be read`() throws {
        let fixture = try TerminalFixture(files: [Self.file("my file.txt", "of mine\n")])
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("cat my\t")
        try terminal.waitForLine(#"\#(TerminalFixture.prompt) cat "my file.txt""#)
        try terminal.type("\r")

        try terminal.waitForRow("of mine")
    }

    @Test(arguments: [
        ([UInt8]("x\u{1B}[2Jy".utf8), #""x\x1b[2Jy""#),
        ([UInt8]("x\nrm -r y".utf8), #""x\nrm -r y""#),
        ([0x78, 0xFF, 0x79], #""x\xffy""#), ([UInt8]("xé日.txt".utf8), "xé日.txt"),
        ([UInt8]("x{5}@7;|*".utf8), #""x{5}@7;|*""#),
    ])
    func `a name of any kind is completed without a raw control byte`(
        name: [UInt8], shown: String
    ) throws {
        let contents = [UInt8]("the content\n".utf8)
        let fixture = try TerminalFixture(files: [(name, contents)])
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("cat x\t")
        try terminal.waitForLine("\(TerminalFixture.prompt) cat \(shown)")
        try terminal.type("\r")
        try terminal.waitForRow("the content")

        #expect(terminal.screen.rows.first == "\(TerminalFixture.prompt) cat \(shown)")
        #expect(terminal.screen.unknown.isEmpty)
    }

    @Test func `several names are listed under the line, directories go on`() throws {
        let fixture = try TerminalFixture(files: [
            Self.file("docs/report-1", "one\n"), Self.file("docs/report-2", "two\n"),
            Self.file("docs/re\u{1B}c", "three\n"),
        ])
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("cd d\t")
        try terminal.waitForLine("\(TerminalFixture.prompt) cd docs/")
        try terminal.type("\r")
        try terminal.waitForLine("dfsh /docs>")
        try terminal.type("cat \t")
        try terminal.waitForLine("dfsh /docs> cat re")
        try terminal.type("\t")
        try terminal.waitForRow(#""re\x1bc"  report-1   report-2"#)
        try terminal.waitForLine("dfsh /docs> cat re")
        try terminal.type("p\t1\t\r")
        try terminal.waitForRow("one")

        #expect(terminal.screen.unknown.isEmpty)
    }

    @Test func `more than a hundred names are shown only when asked for`() throws {
        let names = (100...200).map { Self.file("many/f\($0)", "") }
        let fixture = try TerminalFixture(files: names)
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("cat many/f\t")
        try terminal.waitForLine("Show all 101 names? (y or n)")
        try terminal.type("n")
        try terminal.waitForLine("\(TerminalFixture.prompt) cat many/f")
        #expect(!terminal.screen.text.contains("f101"))
        try terminal.type("\t")
        try terminal.waitForLine("Show all 101 names? (y or n)")
        try terminal.type("y")

        try terminal.waitUntil("the last name") { $0.text.contains("f200") }
        try terminal.waitForLine("\(TerminalFixture.prompt) cat many/f")
    }

    @Test func `names listed under an open quotation mark carry no second one`() throws {
        let fixture = try TerminalFixture(files: [
            Self.file("re port-1", "one\n"), Self.file("re port-2", "two\n"),
        ])
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("cat \"re\t")
        try terminal.waitForLine("\(TerminalFixture.prompt) cat \"re port-")
        try terminal.type("\t")
        try terminal.waitForRow("re port-1  re port-2")
        try terminal.type("2\t\r")

        try terminal.waitForRow("two")
    }

    @Test func `a server that hangs hides no session of the others`() throws {
        // It stays up, whatever it does not say.
        let fixture = try TerminalFixture(
            files: [Self.file("kept", "x")],
            pace: Pace(beat: 1000, suspect: 500_000, down: 600_000))
        try fixture.cluster.startFileServer("fs2", mount: "/b", files: ["f": "of fs2\n"])
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)
        // On a connection that stands only an answer can be missing.
        try terminal.type("cat b/f\r")
        try terminal.waitForRow("of fs2")
        try terminal.type("session open kept\r")
        try terminal.waitUntil("the session") { $0.text.contains("h1") }
        try terminal.waitForLine(TerminalFixture.prompt)
        try fixture.cluster["fs2"].pause()

        // On a machine that is busy the answer may come to the Tab after the next one only.
        try Deadline().await("the name of the session") {
            let bells = terminal.screen.bells
            try terminal.type("session kill \t")
            try terminal.waitUntil("an answer") {
                $0.bells > bells || $0.line.hasSuffix("kill h1")
            }
            if terminal.screen.line.hasSuffix("kill h1") { return true }
            try terminal.type("\u{15}")
            return nil
        }
        try fixture.cluster["fs2"].resume()
    }

    @Test func `names of a server that is down are completed all the same`() throws {
        let fixture = try TerminalFixture(files: [Self.file("kept", "x")])
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)
        try fixture.cluster["fs1"].kill()

        try terminal.type("cat ke\t")

        try terminal.waitForLine("\(TerminalFixture.prompt) cat kept")
    }

    @Test func `a name server that hangs costs a bell, and no error`() throws {
        let fixture = try TerminalFixture(files: [Self.file("kept", "x")])
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)
        try fixture.cluster["ns1"].pause()

        try terminal.type("cat ke\t")
        try terminal.waitUntil("the bell") { $0.bells == 1 }
        try fixture.cluster["ns1"].resume()

        #expect(terminal.screen.text == "\(TerminalFixture.prompt) cat ke")
        // The answer that came too late, or one to a new question, serves the next Tab.
        try terminal.type("\t")
        try terminal.waitForLine("\(TerminalFixture.prompt) cat kept")
    }

    @Test func `the prompt says when the name server goes and when it is back`() throws {
        let fixture = try TerminalFixture(files: [Self.file("kept", "x")])
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)
        try terminal.type("ls\r")
        try terminal.waitForRow("kept")
        try terminal.waitForLine(TerminalFixture.prompt)

        try fixture.cluster["ns1"].kill()
        try terminal.type("ls\r")
        try terminal.waitForLine(TerminalFixture.away)
        try fixture.cluster["ns1"].start()

        try terminal.waitForLine(TerminalFixture.prompt)
    }

    @Test func `local names and servers are completed where the table says so`() throws {
        let fixture = try TerminalFixture(files: [Self.file("kept", "x")])
        let folder = fixture.cluster.folder
        try FileSystem.write([], to: [UInt8]("\(folder)/a local file".utf8))
        let terminal = try fixture.open(columns: 200)
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("put \(folder)/a\t")
        try terminal.waitForLine("\(TerminalFixture.prompt) put \"\(folder)/a local file\"")
        try terminal.type("\u{3}")
        try terminal.waitForLine(TerminalFixture.prompt)
        try terminal.type("handles f\t")

        try terminal.waitForLine("\(TerminalFixture.prompt) handles fs1")
    }

    @Test func `names are completed in the quotes that were begun, and own sessions by name`()
        throws
    {
        let fixture = try TerminalFixture(files: [
            Self.file("my file", "mine\n"), Self.file("it's | \"é\"", "odd\n"),
            Self.file("#hash", "x"), Self.file("#hush", "y"),
        ])
        let terminal = try fixture.open(columns: 120)
        try terminal.waitForLine(TerminalFixture.prompt)
        func tab(_ typed: String, _ line: String) throws {
            try terminal.type("\u{15}\(typed)\t")
            try terminal.waitForLine("\(TerminalFixture.prompt) \(line)")
        }

        try tab("cat 'my", "cat 'my file'")
        try tab(#"cat my\ "#, #"cat my\ file"#)
        try tab("cat 'it", #"cat "it's | \"é\"""#)
        try terminal.type("\r")
        try terminal.waitForRow("odd")
        try tab("cat \"#", "cat \"#h")
        try terminal.type("\t")
        try terminal.waitForRow("#hash  #hush")
        try terminal.type("\u{15}session open '/my file'\r")
        try terminal.waitUntil("the session") { $0.text.contains("h1 ") }
        try terminal.waitForLine(TerminalFixture.prompt)
        try tab("close h", "close h1")

        #expect(terminal.screen.unknown.isEmpty)
    }

    @Test func `a handle of any client is completed where one is killed`() throws {
        let fixture = try TerminalFixture(files: [Self.file("log", "one\n")])
        let opened = try fixture.cluster.shell(["-c", "session open --lease 60000 /log"])
        let words = opened.output.split(separator: " ").first { $0.hasPrefix("handle=") }
        let handle = try #require(words).dropFirst("handle=".count)
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("kill s\t")

        try terminal.waitForLine("\(TerminalFixture.prompt) kill \(handle)")
    }

    @Test func `tail shows what another client adds, and Ctrl-C gives the prompt back`() throws {
        let fixture = try TerminalFixture(files: [Self.file("log", "one\n")])
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("tail -f /log\r")
        try terminal.waitForRow("one")
        let other = try fixture.cluster.shell([
            "-c", "session open /log rw; session append h1 \"two\\n\"; close h1",
        ])
        try terminal.waitForRow("two")
        try terminal.type("\u{3}")
        try terminal.waitForLine(TerminalFixture.prompt)
        try terminal.type("pwd\r")

        try terminal.waitForRow("/")
        #expect(other.exitCode == 0)
    }
}
