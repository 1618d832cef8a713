import Glibc
import TestCluster
import Testing

/// dfsh on a terminal without any server: keys, history, signals.
@Suite(.serialized)
struct TerminalTests {
    private let up = "\u{1B}[A"
    private let left = "\u{1B}[D"

    @Test func `the prompt waits for no server, and neither does a local command`() throws {
        let silent = try SilentServer()
        let fixture = try TerminalFixture()
        let terminal = try fixture.open(nameServer: silent.endpoint)

        try terminal.waitForLine(TerminalFixture.prompt)
        try terminal.type("pwd\r")

        try terminal.waitForRow("/")
        try terminal.waitForLine(TerminalFixture.prompt)
    }

    @Test func `the prompt says that the name server is away`() throws {
        let fixture = try TerminalFixture()
        let terminal = try fixture.open()

        try terminal.waitForLine(TerminalFixture.away)

        #expect(terminal.screen.rows.filter { !$0.isEmpty } == [TerminalFixture.away])
        #expect(terminal.screen.unknown.isEmpty)
    }

    @Test func `keys edit the line`() throws {
        let fixture = try TerminalFixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.away)

        // Ctrl-A goes to the beginning.
        try terminal.type("wd\u{1}p")
        try terminal.waitForLine("\(TerminalFixture.away) pwd")
        // Ctrl-E, then a word and two characters go.
        try terminal.type("\u{5}x y\u{17}\u{8}\u{7F}")
        try terminal.waitForLine("\(TerminalFixture.away) pwd")
        // Ctrl-K cuts the rest.
        try terminal.type("xy\(left)\(left)\u{B}")
        try terminal.waitForLine("\(TerminalFixture.away) pwd")
        try terminal.type("\r")

        try terminal.waitForRow("/")
    }

    @Test func `characters beyond ASCII are typed and deleted whole`() throws {
        let fixture = try TerminalFixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.away)

        try terminal.type("echo naïve€\u{7F}\(left)\(left)\u{7F}i")
        try terminal.waitForLine("\(TerminalFixture.away) echo naive")
        try terminal.type("\u{5} ü\r")

        try terminal.waitForRow("naive ü")
    }

    @Test func `a line longer than the screen is edited over its rows`() throws {
        let fixture = try TerminalFixture()
        let terminal = try fixture.open(columns: 40)
        try terminal.waitForLine(TerminalFixture.away)
        let word = String(repeating: "0123456789", count: 8)

        try terminal.type("echo \(word)\u{1}\u{1B}f\u{4}-\r")

        try terminal.waitUntil("the echo") { screen in
            screen.rows.joined().contains("echo-\(word)")
        }
    }

    @Test func `history is recalled in the same session and in the next`() throws {
        let fixture = try TerminalFixture()
        do {
            let terminal = try fixture.open()
            try terminal.waitForLine(TerminalFixture.away)
            try terminal.type("echo first\recho second\r echo hidden\r")
            try terminal.waitForRow("hidden")
            try terminal.waitForLine(TerminalFixture.away)
            try terminal.type("\(up)\(up)")
            try terminal.waitForLine("\(TerminalFixture.away) echo first")
            try terminal.type("\u{3}\u{4}")
            _ = try terminal.waitForEnd()
        }

        let next = try fixture.open()
        try next.waitForLine(TerminalFixture.away)
        try next.type(up)
        try next.waitForLine("\(TerminalFixture.away) echo second")
        try next.type("\u{3}")
        try next.waitForLine(TerminalFixture.away)
        try next.type("history\r")
        try next.waitUntil("the history") { screen in
            screen.rows.contains { $0.hasSuffix("echo first") }
                && screen.rows.contains { $0.hasSuffix("echo second") }
        }

        #expect(!next.screen.text.contains("hidden"))
    }

    @Test func `control-C drops the line and control-D ends with the last code`() throws {
        let fixture = try TerminalFixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.away)

        try terminal.type("rm -r /\u{1}")
        try terminal.waitForLine("\(TerminalFixture.away) rm -r /")
        try terminal.type("\u{3}")
        try terminal.waitForRow("\(TerminalFixture.away) rm -r /^C")
        try terminal.waitForLine(TerminalFixture.away)
        try terminal.type("pwd\r")
        try terminal.waitForRow("/")
        try terminal.waitForLine(TerminalFixture.away)
        try terminal.type("\u{4}")

        #expect(try terminal.waitForEnd() == .exit(0))
        #expect(terminal.isInLineMode)
    }

    @Test func `control-C in a command cancels it and leaves code 130`() throws {
        let silent = try SilentServer()
        let fixture = try TerminalFixture()
        let terminal = try fixture.open(nameServer: silent.endpoint)
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("ls\r")
        try terminal.waitUntil("the command to run") { $0.line.isEmpty }
        try terminal.type("\u{3}")
        try terminal.waitUntil("the next prompt") { $0.line.hasPrefix("dfsh /") }
        try terminal.type("\u{4}")

        #expect(try terminal.waitForEnd() == .exit(130))
    }

    @Test(arguments: [SIGTERM, SIGHUP])
    func `a signal ends it with the terminal as it was`(signal: Int32) throws {
        let fixture = try TerminalFixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.away)
        #expect(!terminal.isInLineMode)

        terminal.signal(signal)

        #expect(try terminal.waitForEnd() == .signal(signal))
        #expect(terminal.isInLineMode)
    }

    @Test func `a new size draws the line anew`() throws {
        let fixture = try TerminalFixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.away)
        try terminal.type("echo one")
        try terminal.waitForLine("\(TerminalFixture.away) echo one")

        terminal.resize(columns: 60, rows: 10)

        try terminal.waitForLine("\(TerminalFixture.away) echo one")
    }

    @Test func `commands and their options are completed from the table`() throws {
        let fixture = try TerminalFixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.away)

        try terminal.type("pw\t")
        try terminal.waitUntil("pwd and a space") { screen in
            screen.line == "\(TerminalFixture.away) pwd"
                && screen.column == TerminalFixture.away.count + 5
        }
        try terminal.type("\u{3}")
        try terminal.waitForLine(TerminalFixture.away)
        try terminal.type("mk\tx")

        try terminal.waitForLine("\(TerminalFixture.away) mkdir x")
    }

    @Test func `a long option that is completed is understood`() throws {
        let fixture = try TerminalFixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.away)

        try terminal.type("session open --le\t")
        try terminal.waitForLine("\(TerminalFixture.away) session open --lease")
        try terminal.type("\r")

        try terminal.waitUntil("that its value is missing") { screen in
            screen.rows.joined().contains("--lease needs a value")
        }
    }

    @Test func `nothing that fits rings the bell and writes nothing`() throws {
        let fixture = try TerminalFixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.away)

        try terminal.type("zz\t")
        try terminal.waitUntil("the bell") { $0.bells == 1 }
        try terminal.type("cat x\t")
        try terminal.waitUntil("the second bell") { $0.bells == 2 }

        #expect(terminal.screen.text == "\(TerminalFixture.away) zzcat x")
    }

    @Test func `a terminal that can not be edited on gets a plain prompt`() throws {
        for name in ["dumb", "no-such-terminal"] {
            let fixture = try TerminalFixture()
            let terminal = try fixture.open(terminal: name)
            try terminal.waitUntil("a prompt") { $0.line.hasPrefix("dfsh /") }

            try terminal.type("abc\u{3}")
            try terminal.waitUntil("the next prompt") { screen in
                screen.rows.count { $0.hasPrefix("dfsh /") } == 2 && screen.line.hasSuffix(">")
            }
            try terminal.type("pwd\r")
            try terminal.waitForRow("/")
            try terminal.type("\u{4}")

            #expect(try terminal.waitForEnd() == .exit(0))
            #expect(!terminal.output.contains(0x1B))
        }
    }

    @Test func `control-Z stops it and fg brings the line back`() throws {
        let fixture = try TerminalFixture()
        let program = try Executable.shell.path
        let shell = try fixture.open(
            program: "/usr/bin/env", ["PS1=sh: ", "/bin/bash", "--norc", "--noediting", "-i"])
        try shell.waitForLine("sh:")
        try shell.type("\(program) -n 127.0.0.1:1\r")
        try shell.waitForLine(TerminalFixture.away)
        try shell.type("echo ab\(left)")
        try shell.waitForLine("\(TerminalFixture.away) echo ab")

        try shell.type("\u{1A}")
        try shell.waitForLine("sh:")
        #expect(shell.isInLineMode)
        try shell.type("fg\r")
        try shell.waitForLine("\(TerminalFixture.away) echo ab")
        try shell.type("-\r")

        try shell.waitForRow("a-b")
    }

    @Test func `control-Z in a program stops dfsh with it, as one job`() throws {
        let fixture = try TerminalFixture()
        let program = try Executable.shell.path
        let shell = try fixture.open(
            program: "/usr/bin/env", ["PS1=sh: ", "/bin/bash", "--norc", "--noediting", "-i"])
        try shell.waitForLine("sh:")
        try shell.type("\(program) -n 127.0.0.1:1\r")
        try shell.waitForLine(TerminalFixture.away)
        try shell.type("!echo begun; cat\r")
        try shell.waitForRow("begun")
        // Before the program itself runs, a stop would hold up what starts it.
        try shell.type("once\r")
        try shell.waitUntil("the copy") { $0.rows.count { $0 == "once" } == 2 }

        try shell.type("\u{1A}")
        try shell.waitForLine("sh:")

        try shell.type("fg\r")
        // The shell names the job before it gives it the terminal.
        try shell.waitUntil("the job") { screen in
            screen.line.isEmpty && screen.rows.count { $0.contains("127.0.0.1:1") } == 3
        }
        try shell.type("again\r")
        try shell.waitUntil("the copy") { $0.rows.count { $0 == "again" } == 2 }
        try shell.type("\u{4}")

        try shell.waitForLine(TerminalFixture.away)
    }
}
