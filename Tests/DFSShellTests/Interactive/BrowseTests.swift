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

    @Test func `letters move as arrows do, Space marks, and g gets what is marked`() throws {
        let fixture = try fixture()
        let local = "\(fixture.cluster.folder)/local"
        try FileSystem.makeFolders(local)
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)
        try terminal.type("lcd \(local)\r")
        try terminal.waitForLine(TerminalFixture.prompt)
        try terminal.type("browse\r")
        try browsing(terminal)

        try terminal.type("j")
        try terminal.waitUntil("the second row's path") { $0.rows.last?.hasPrefix("/dir") == true }
        try terminal.type("l")
        try terminal.waitForRow("     deep.txt")
        try terminal.type("j")
        try terminal.waitUntil("the file's path") {
            $0.rows.last?.hasPrefix("/dir/deep.txt  6 bytes") == true
        }
        try terminal.type(" k")
        try terminal.waitForRow("*    deep.txt")
        try terminal.type("h")
        try terminal.waitUntil("the directory's path") { $0.rows.last?.hasPrefix("/dir") == true }
        try terminal.type("h")
        try browsing(terminal)
        try terminal.type("k ")
        try terminal.waitUntil("two marks") { $0.rows.first?.contains("  2 marked") == true }
        try terminal.type("g")
        try terminal.waitUntil("the question") { $0.text.contains("Enter goes back to the tree") }
        try terminal.type("\r")
        try browsing(terminal)

        #expect(terminal.screen.rows.first?.contains("marked") == false)
        #expect(try FileSystem.read("\(local)/a.txt") == [UInt8]("hello\n".utf8))
        #expect(try FileSystem.read("\(local)/deep.txt") == [UInt8]("below\n".utf8))
    }

    @Test func `a search goes to a name far below, and one that is nowhere is said to be so`()
        throws
    {
        let fixture = try fixture()
        let terminal = try fixture.open(["browse"])
        try browsing(terminal)

        try terminal.type("/dep\u{7F}ep\r")
        try terminal.waitUntil("the name found") { screen in
            screen.rows.contains("     deep.txt")
                && screen.rows.last?.hasPrefix("/dir/deep.txt") == true
        }
        try terminal.type("/nowhere\r")

        try terminal.waitForRow("nothing below / has nowhere in its name")
    }

    @Test func `what others make and remove is seen without a key`() throws {
        let fixture = try fixture()
        let terminal = try fixture.open(["browse"])
        try browsing(terminal)

        #expect(try fixture.cluster.shell(["mkdir", "/made"]).exitCode == 0)
        try terminal.waitForRow(" + made/")
        #expect(try fixture.cluster.shell(["-c", "rmdir /made; rm /a.txt"]).exitCode == 0)

        try terminal.waitUntil("neither of them") { screen in
            !screen.rows.contains { $0.hasPrefix(" + made/") || $0.hasPrefix("   a.txt") }
        }
    }

    @Test func `without a name server what is known stays, keys work, and r says why not`() throws {
        let fixture = try fixture()
        let terminal = try fixture.open(["browse"])
        try browsing(terminal)
        let server = try fixture.cluster.nameServer

        try server.pause()
        try terminal.waitUntil("the outage") {
            $0.rows.first?.contains("no name server: it does not answer") == true
        }
        try terminal.type("j")
        try terminal.waitUntil("the second row's path") { $0.rows.last?.hasPrefix("/dir") == true }
        try server.resume()
        try terminal.waitUntil("the server") { $0.rows.first?.contains("1 server up") == true }
        try server.kill()
        try terminal.waitUntil("the outage") {
            $0.rows.first?.contains("no name server: ") == true
        }
        try terminal.type("r")
        try terminal.waitUntil("the reason") { screen in
            screen.rows.last?.hasPrefix("/: no name server can be reached") == true
                && screen.rows.contains(" + dir/")
        }
        try server.start()

        try terminal.waitUntil("the server") { $0.rows.first?.contains("1 server up") == true }
    }

    @Test func `Enter on what can not be had says why, and opens nothing`() throws {
        let fixture = try fixture()
        let terminal = try fixture.open(["browse"])
        try browsing(terminal)
        try fixture.cluster.servers.first { $0.id == "fs1" }?.kill()
        try terminal.waitUntil("the reason") { screen in
            screen.rows.contains { $0.hasPrefix("   a.txt  (server-down: fs1, silent for") }
        }

        try terminal.type("\r")

        try terminal.waitUntil("the sentence") { screen in
            screen.rows.last?.hasPrefix(
                "/a.txt can not be had now (server-down: fs1, silent for") == true
        }
    }

    @Test func `a hundred thousand names are walked from the first to the last`() throws {
        let fixture = try TerminalFixture()
        let server = try Self.serverOfManyNames()
        let terminal = try fixture.open(
            ["browse", "/many"], nameServer: server.endpoint.description)

        try terminal.waitForRow("   f100021")
        try terminal.type("\u{1B}[6~")
        try terminal.waitForRow("   f100022")
        try terminal.type("G")
        try terminal.waitUntil("the last name") { screen in
            screen.rows.contains("   f199999")
                && screen.rows.last?.hasPrefix("/many/f199999") == true
        }
        try terminal.type("/154321\r")
        try terminal.waitUntil("a name in the middle") {
            $0.rows.last?.hasPrefix("/many/f154321") == true
        }
        try terminal.type("q")

        #expect(try terminal.waitForEnd() == .exit(0))
    }

    /// A name server with /many/f100000 to /many/f199999, in pages as it is asked for them.
    private static func serverOfManyNames() throws -> HostileServer {
        try HostileServer(greeting: .say(HostileCluster.nameGreeting)) { line in
            let words = line.split(separator: " ")
            func value(_ key: String) -> Int? {
                words.first { $0.hasPrefix(key + "=") }.flatMap {
                    Int($0.drop { !"0123456789".contains($0) })
                }
            }
            switch words.first {
            case "LIST":
                let first = value("after").map { $0 + 1 } ?? 100_000
                let end = min(200_000, first + (value("limit") ?? 10_000))
                let items = (first..<end).map { "~* file name=f\($0) size=0 server=m1 state=up\n" }
                let more = end < 200_000 ? " more=yes after=f\(end - 1)" : ""
                return .say(items.joined() + "~OK count=\(end - first)\(more)\n")
            case "FIND": return .say("~* file path=/many/f154321 size=0 server=m1\n~OK count=1\n")
            case "STAT": return .say("~OK type=dir\n")
            case "SERVERS": return .say("~* server id=m1 state=up\n~OK count=1\n")
            default: return .say("~OK\n")
            }
        }
    }

    @Test(arguments: [(1, 1), (3, 2), (10, 3)])
    func `the smallest screen neither ends it nor keeps it from growing`(
        columns: Int, rows: Int
    ) throws {
        let fixture = try fixture()
        let terminal = try fixture.open(["browse"])
        try browsing(terminal)

        terminal.resize(columns: columns, rows: rows)
        try terminal.type("jjjkG0/x\u{1B}?q")
        terminal.resize(columns: 80, rows: 24)

        try browsing(terminal)
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

    @Test func `bg leaves the terminal to the shell, and fg brings the tree all the same`() throws {
        let fixture = try fixture()
        let program = try Executable.shell.path
        let shell = try fixture.open(
            program: "/usr/bin/env", ["PS1=sh: ", "/bin/bash", "--norc", "--noediting", "-i"])
        try shell.waitForLine("sh:")
        try shell.type("\(program) browse\r")
        try browsing(shell)

        try shell.type("\u{1A}")
        try shell.waitForLine("sh:")
        try shell.type("bg; wait; echo stopped again\r")
        try shell.waitForRow("stopped again")
        #expect(shell.isInLineMode)
        #expect(!shell.screen.rows.contains(" + dir/"))
        try shell.type("fg\r")
        try browsing(shell)
        try shell.type("q")

        try shell.waitForLine("sh:")
        #expect(shell.isInLineMode)
    }

    @Test func `behind an & it is refused`() throws {
        let fixture = try fixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("browse & wait\r")

        try terminal.waitForRow("dfsh: browse: needs the terminal, and not an &")
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
