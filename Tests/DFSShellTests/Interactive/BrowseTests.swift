import Glibc
import TestCluster
import Testing

/// The tree on the whole screen, as a person sees it.
@Suite(.serialized)
struct BrowseTests {
    private let down = "\u{1B}[B"

    private func fixture() throws -> TerminalFixture {
        try TerminalFixture(
            files: [
                ([UInt8]("a.txt".utf8), [UInt8]("hello\n".utf8)),
                ([UInt8]("dir/deep.txt".utf8), [UInt8]("below\n".utf8)),
                ([UInt8]("wild\u{1B}[2J".utf8), [UInt8]("x".utf8)),
            ], pace: .fast)
    }

    /// A screen with the tree on it.
    private func browsing(_ terminal: Terminal) throws {
        try terminal.waitUntil("the tree") { screen in
            screen.rows.first?.hasPrefix(" /") == true
                && screen.rows.contains { $0.hasPrefix("   a.txt") }
                && screen.rows.contains(" + dir/")
        }
    }

    @Test func `the tree is shown, opened by keys, and what was there before comes back`() throws {
        let fixture = try fixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("browse\r")
        try browsing(terminal)
        try terminal.waitForRow("   \"wild\\x1b[2J\"")
        #expect(!terminal.isInLineMode)
        try terminal.type("\(down)\u{1B}[C")
        try terminal.waitForRow("     deep.txt")
        try terminal.type("q")
        try terminal.waitForLine(TerminalFixture.prompt)
        try terminal.type("pwd\r")

        try terminal.waitForRow("/")
        #expect(terminal.screen.unknown.isEmpty)
    }

    @Test func `Enter shows a file in the pager, and its end shows the tree again`() throws {
        let fixture = try fixture()
        let terminal = try fixture.open(["browse"])
        try browsing(terminal)

        try terminal.type("\r")
        try terminal.waitForRow("hello")
        try terminal.type("q")
        try browsing(terminal)
        try terminal.type("/deep\r")
        try terminal.waitForRow("     deep.txt")
        try terminal.type("\u{3}")

        #expect(try terminal.waitForEnd() == .exit(0))
    }

    @Test func `a server that goes is seen within seconds, and so is its return`() throws {
        let fixture = try fixture()
        let terminal = try fixture.open(["browse"])
        try browsing(terminal)
        try terminal.type(down)
        let server = try #require(fixture.cluster.servers.first { $0.id == "fs1" })
        try server.kill()
        try terminal.waitUntil("the reason") { screen in
            screen.rows.contains { $0.hasPrefix("   a.txt  (server-down: fs1, silent for") }
        }
        let dim = [UInt8]("\u{1B}[0;2m  a.txt".utf8)
        #expect(terminal.output.indices.contains { terminal.output[$0...].starts(with: dim) })
        try server.start()

        try terminal.waitForRow("   a.txt")
    }

    @Test func `another size is drawn anew`() throws {
        let fixture = try fixture()
        let terminal = try fixture.open(["browse"])
        try browsing(terminal)

        terminal.resize(columns: 30, rows: 5)
        try browsing(terminal)
        try terminal.waitUntil("the file in the last row") { screen in
            screen.rows.last?.hasPrefix("/a.txt") == true
        }
        terminal.resize(columns: 120, rows: 40)

        try browsing(terminal)
    }

    @Test(
        arguments: [
            (SIGTERM, true), (SIGHUP, true), (SIGINT, true), (SIGTERM, false), (SIGHUP, false),
            (SIGINT, false), (SIGQUIT, false),
        ])
    func `a signal ends it with the terminal as it was`(signal: Int32, isCommand: Bool) throws {
        let fixture = try fixture()
        let terminal = try fixture.open(isCommand ? ["browse"] : [])
        if !isCommand {
            try terminal.waitForLine(TerminalFixture.prompt)
            try terminal.type("browse\r")
        }
        try browsing(terminal)
        #expect(!terminal.isInLineMode)

        terminal.signal(signal)
        if signal == SIGINT, !isCommand {
            try terminal.waitForLine(TerminalFixture.prompt)
            try terminal.type("\u{4}")
            _ = try terminal.waitForEnd()
        } else {
            #expect(
                try terminal.waitForEnd() == (signal == SIGINT ? .exit(130) : .signal(signal)))
        }

        #expect(terminal.isInLineMode)
        let back = [UInt8]("\u{1B}[?1049l".utf8)
        #expect(terminal.output.indices.contains { terminal.output[$0...].starts(with: back) })
    }

    @Test func `control-Z gives the terminal back, and fg brings the tree`() throws {
        let fixture = try fixture()
        let program = try Executable.shell.path
        let shell = try fixture.open(
            program: "/usr/bin/env", ["PS1=sh: ", "/bin/bash", "--norc", "--noediting", "-i"])
        try shell.waitForLine("sh:")
        try shell.type("\(program) browse\r")
        try browsing(shell)

        try shell.type("\u{1A}")
        try shell.waitForLine("sh:")
        #expect(shell.isInLineMode)
        try shell.type("fg\r")
        try browsing(shell)
        try shell.type("q")

        try shell.waitForLine("sh:")
        #expect(shell.isInLineMode)
    }
}
