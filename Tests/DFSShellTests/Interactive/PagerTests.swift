import Glibc
import TestCluster
import Testing

/// Programs of this machine that dfsh lends its terminal to.
@Suite(.serialized)
struct PagerTests {
    private static let numbers = (1...500).map { "line \($0)\n" }.joined()

    private func fixture() throws -> TerminalFixture {
        try TerminalFixture(files: [
            ([UInt8]("log".utf8), [UInt8](PagerTests.numbers.utf8)),
            ([UInt8]("wild".utf8), [UInt8]("a\u{1B}]0;title\u{7}b\n".utf8)),
        ])
    }

    @Test func `less shows a file, and what is left early ends without a complaint`() throws {
        let fixture = try fixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("less /log\r")
        try terminal.waitForRow("line 20")
        try terminal.type("q")
        try terminal.waitForLine(TerminalFixture.prompt)
        try terminal.type("pwd\r")
        try terminal.waitForRow("/")

        #expect(!terminal.screen.text.contains("dfsh:"))
    }

    @Test func `help that is longer than the terminal stands in the pager, and else it does not`()
        throws
    {
        let fixture = try fixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("help\r")
        try terminal.waitUntil("the first page") { screen in
            screen.rows.first == "Files" && screen.line != TerminalFixture.prompt
        }
        try terminal.type("q")
        try terminal.waitForLine(TerminalFixture.prompt)
        try terminal.type("help pwd\r")
        try terminal.waitForRow("usage: pwd")

        try terminal.waitForLine(TerminalFixture.prompt)
    }

    @Test func `an editor has the terminal, and what it leaves is stored`() throws {
        let fixture = try fixture()
        let editor = #"f() { printf "new text: "; read line; echo "$line" > "$1"; }; f"#
        let terminal = try fixture.open(
            program: "/usr/bin/env",
            ["EDITOR=\(editor)", try Executable.shell.path, "edit", "/log"])

        try terminal.waitForLine("new text:")
        #expect(terminal.isInLineMode)
        try terminal.type("from the keys\r")

        #expect(try terminal.waitForEnd() == .exit(0))
        #expect(terminal.screen.rows.contains("dfsh: /log: stored, 14 bytes"))
        #expect(try fixture.cluster.shell(["cat", "/log"]).output == "from the keys\n")
    }

    @Test func `set pager goes before what the environment names`() throws {
        let fixture = try fixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("set pager 'sed s/line/row/'\r")
        try terminal.waitForLine(TerminalFixture.prompt)
        try terminal.type("less /log\r")

        try terminal.waitForRow("row 500")
    }

    @Test func `a pager gets no control byte of a file`() throws {
        let fixture = try fixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("less /wild\r")
        try terminal.waitUntil("the name in escapes") { $0.text.contains("a\\x1b]0;title\\x07b") }
        try terminal.type("q")

        try terminal.waitForLine(TerminalFixture.prompt)
    }

    @Test func `control-C is the pager's alone while it has the terminal`() throws {
        let fixture = try fixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("less /log\r")
        try terminal.waitForRow("line 20")
        try terminal.type("\u{3}")
        try terminal.waitUntil("the bell of less") { $0.bells == 1 }
        try terminal.type("G")
        try terminal.waitForRow("line 500")
        try terminal.type("q")
        try terminal.waitForLine(TerminalFixture.prompt)

        #expect(!terminal.screen.text.contains("interrupted"))
    }

    @Test func `a signal to dfsh ends its pager, and the terminal is as before`() throws {
        let fixture = try fixture()
        let terminal = try fixture.open(["less", "/log"])
        try terminal.waitForRow("line 20")

        terminal.signal(SIGTERM)
        let ending = try terminal.waitForEnd()

        #expect(ending == .signal(SIGTERM))
        #expect(terminal.isInLineMode)
    }
}
