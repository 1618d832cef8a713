import Glibc
import TestCluster
import Testing

/// Jobs, programs, settings and aliases as a person at a terminal has them; without servers.
@Suite(.serialized)
struct LanguageTests {
    private let away = TerminalFixture.away

    private func open(_ fixture: TerminalFixture, columns: Int = 120) throws -> Terminal {
        let terminal = try fixture.open(columns: columns)
        try terminal.waitForLine(away)
        return terminal
    }

    // MARK: Jobs

    @Test func `what a job says is told at a prompt, and never into a line`() throws {
        let fixture = try TerminalFixture()
        let terminal = try open(fixture)

        try terminal.type("echo from the job &\r")
        try terminal.waitForRow("[1]  echo from the job")
        // Each Enter is a new prompt; the job ends when it likes.
        try Deadline().await("the end of the job") {
            let prompts = terminal.screen.rows.count { $0 == away }
            try terminal.type("\r")
            try terminal.waitUntil("a prompt") { screen in
                screen.rows.count { $0 == away } > prompts && screen.line == away
            }
            return terminal.screen.rows.contains("[1]  done  echo from the job") ? true : nil
        }

        #expect(terminal.screen.rows.contains("from the job"))
    }

    @Test func `a job that is killed and one that is waited for are told`() throws {
        let fixture = try TerminalFixture()
        let terminal = try open(fixture)

        try terminal.type("sleep 1000 &\r")
        try terminal.waitForRow("[1]  sleep 1000")
        try terminal.type("wait\r")
        try terminal.waitUntil("the wait") { $0.line.isEmpty }
        try terminal.type("\u{3}")
        try terminal.waitForLine(away)
        try terminal.type("jobs\r")
        try terminal.waitUntil("the job that runs on") { screen in
            screen.rows.contains { $0.hasPrefix("[1]  runs  ") && $0.hasSuffix("sleep 1000") }
        }
        try terminal.waitForLine(away)
        try terminal.type("kill %\t")
        try terminal.waitForLine("\(away) kill %1")
        try terminal.type("\r")
        try terminal.waitForLine(away)
        try terminal.type("wait\r")

        try terminal.waitForRow("[1]  interrupted  sleep 1000")
    }

    @Test func `control-D with a job that runs warns once`() throws {
        let fixture = try TerminalFixture()
        let terminal = try open(fixture)
        try terminal.type("sleep 1000 &\r")
        try terminal.waitForRow("[1]  sleep 1000")
        try terminal.waitForLine(away)

        try terminal.type("\u{4}")
        try terminal.waitUntil("the warning") { screen in
            screen.rows.contains { $0.hasPrefix("dfsh: a job runs; \"wait\" waits for the end") }
        }
        try terminal.waitForLine(away)
        // Whoever went on working is warned again.
        try terminal.type("pwd\rquit\r")
        try terminal.waitUntil("the second warning") { screen in
            screen.rows.count { $0.hasPrefix("dfsh: a job runs; ") } == 2
        }
        try terminal.waitForLine(away)
        try terminal.type("\u{4}")

        #expect(try terminal.waitForEnd() == .exit(0))
    }

    // MARK: Programs

    @Test func `a program has the terminal, and Ctrl-C is its own`() throws {
        let fixture = try TerminalFixture()
        let terminal = try open(fixture)

        try terminal.type("!echo begun; cat\r")
        try terminal.waitForRow("begun")
        try terminal.type("typed\r")
        try terminal.waitUntil("the echo and the copy") { screen in
            screen.rows.count { $0 == "typed" } == 2
        }
        try terminal.type("\u{3}")
        try terminal.waitForLine(away)
        try terminal.type("pwd | cat\r")
        try terminal.waitForRow("/")
        try terminal.waitForLine(away)
        try terminal.type("\u{4}")

        #expect(try terminal.waitForEnd() == .exit(0))
        #expect(terminal.isInLineMode)
    }

    @Test func `a terminal that a program left raw is put right`() throws {
        let fixture = try TerminalFixture()
        let terminal = try open(fixture)

        try terminal.type("!stty raw -echo; echo left\r")
        try terminal.waitUntil("the program") { $0.text.contains("left") }
        try terminal.waitUntil("the prompt") { $0.line.hasSuffix(away) }
        try terminal.type("\u{4}")
        _ = try terminal.waitForEnd()

        #expect(terminal.isInLineMode)
    }

    @Test func `watch draws in one place until Ctrl-C`() throws {
        let fixture = try TerminalFixture()
        let terminal = try open(fixture)

        try terminal.type("echo above\r")
        try terminal.waitForRow("above")
        try terminal.type("watch -n 0.1 echo tick\r")
        try terminal.waitUntil("a picture") { screen in
            screen.rows[0].hasSuffix("every 0.1 s: echo tick") && screen.rows[2] == "tick"
                && !screen.rows.contains("above")
        }
        try terminal.type("\u{3}")
        try terminal.waitForLine(away)

        #expect(terminal.screen.rows.count { $0 == "tick" } == 1)
        #expect(terminal.screen.unknown.isEmpty)
    }

    // MARK: What a person starts with

    private func rc(_ fixture: TerminalFixture, _ text: String, mode: mode_t = 0o600) throws
        -> String
    {
        let folder = "\(fixture.cluster.folder)/home/config/dfsh"
        try FileSystem.makeFolders(folder)
        try FileSystem.write(text, to: "\(folder)/rc")
        try #require(chmod("\(folder)/rc", mode) == 0)
        return "\(folder)/rc"
    }

    @Test func `the rc file brings aliases and settings`() throws {
        let fixture = try TerminalFixture()
        _ = try rc(fixture, "# mine\nalias hi echo hello\nset prompt '%d! '\n")
        let terminal = try fixture.open()
        try terminal.waitForLine("/!")

        try terminal.type("hi\t you\r")
        try terminal.waitForRow("hello you")
        try terminal.waitForLine("/!")
        try terminal.type("unset prompt\r")

        try terminal.waitForLine(away)
    }

    @Test func `the prompt has its colours and loses no word by them`() throws {
        let fixture = try TerminalFixture()
        _ = try rc(fixture, "set colour always\n")

        let terminal = try fixture.open()

        try terminal.waitForLine(away)
        let output = String(decoding: terminal.output, as: UTF8.self)
        #expect(output.contains("\u{1B}[1;34m/"))
        #expect(output.contains("\u{1B}[31m (name server away)"))
        #expect(terminal.screen.unknown.isEmpty)
    }

    @Test func `an rc file that others can write is left out`() throws {
        let fixture = try TerminalFixture()
        let path = try rc(fixture, "alias ls !touch trap\n", mode: 0o666)
        let terminal = try open(fixture, columns: 250)

        try terminal.waitForRow(
            "dfsh: \(path): others can write it (chmod go-w takes that away); it is left out")
        try terminal.type("alias\recho end\r")
        try terminal.waitForRow("end")

        #expect(!terminal.screen.text.contains("alias ls"))
    }

    @Test func `a line of the rc file that fails is told, and the others count`() throws {
        let fixture = try TerminalFixture()
        let path = try rc(fixture, "set frob 1\nls /\n!touch trap\nalias hi 'echo hello'\n")
        let terminal = try open(fixture, columns: 250)

        try terminal.waitForRow("dfsh: frob is no setting; set lists them")
        try terminal.waitForRow("dfsh: (that was line 1 of \(path))")
        try terminal.waitForRow("dfsh: (that was line 2 of \(path))")
        try terminal.waitForRow("dfsh: (that was line 3 of \(path))")
        try terminal.type("hi\r")

        try terminal.waitForRow("hello")
    }

    @Test func `a script heeds no rc file`() throws {
        let fixture = try TerminalFixture()
        _ = try rc(fixture, "alias pwd echo wrong\n")

        let run = try fixture.cluster.shell(["-c", "pwd"])

        #expect(run.output == "/\n")
    }

    // MARK: Tab and history

    @Test(arguments: [
        ("set col\t", "set colour"), ("set colour al\t", "set colour always"),
        ("unset tim\t", "unset timing"), ("time pw\t", "time pwd"),
        ("watch -n 1 mkd\t", "watch -n 1 mkdir"),
        ("alias x unal\t", "alias x unalias"), ("time session op\t", "time session open"),
        ("jo\t", "jobs"), ("echo & pw\t", "echo & pwd"),
    ])
    func `Tab knows settings, and commands inside of commands`(typed: String, line: String) throws {
        let fixture = try TerminalFixture()
        let terminal = try open(fixture)

        try terminal.type(typed)

        try terminal.waitForLine("\(away) \(line)")
    }

    @Test func `Tab knows aliases`() throws {
        let fixture = try TerminalFixture()
        let terminal = try open(fixture)

        try terminal.type("alias zebra echo stripes; echo made\r")
        try terminal.waitForRow("made")
        try terminal.waitForLine(away)
        try terminal.type("ze\t")
        try terminal.waitForLine("\(away) zebra")
        try terminal.type("\u{15}unalias z\t")
        try terminal.waitForLine("\(away) unalias zebra")
    }

    @Test func `behind a bar and a sign names of this machine stand as sh reads them`() throws {
        let fixture = try TerminalFixture()
        let folder = fixture.cluster.folder
        try FileSystem.write("", to: "\(folder)/a $(touch trap)")
        let terminal = try open(fixture, columns: 250)

        try terminal.type("echo x > \(folder)/a\t")
        try terminal.waitForLine("\(away) echo x > '\(folder)/a $(touch trap)'")
        try terminal.type("\r")
        try terminal.waitForLine(away)

        #expect(try FileSystem.read("\(folder)/a $(touch trap)") == [UInt8]("x\n".utf8))
        #expect(access("\(folder)/trap", F_OK) != 0)
    }

    @Test func `two shells at once keep what was typed in both`() throws {
        let fixture = try TerminalFixture()
        do {
            let (one, other) = (try open(fixture), try open(fixture))
            for (terminal, word) in [(one, "one"), (other, "two"), (one, "three")] {
                try terminal.type("echo \(word)\r")
                try terminal.waitForRow(word)
                try terminal.waitForLine(away)
            }
        }

        let next = try open(fixture)
        try next.type("history\r")

        try next.waitUntil("the lines in their order") { screen in
            ["1  echo one", "2  echo two", "3  echo three"].allSatisfy(screen.rows.contains)
        }
    }

    @Test func `history keeps as many lines as were set`() throws {
        let fixture = try TerminalFixture()
        let terminal = try open(fixture)

        try terminal.type("echo one\recho two\rset history 2\r")
        try terminal.waitForRow("two")
        try terminal.waitForLine(away)
        try terminal.type("history\r")

        try terminal.waitForRow("2  history")
        #expect(terminal.screen.rows.contains("1  set history 2"))
        #expect(!terminal.screen.rows.contains { $0.hasSuffix("  echo two") })
    }
}
