import Glibc
import TestCluster
import Testing

/// `dfsh wire` on a terminal, with real servers.
@Suite(.serialized)
struct WireTests {
    private struct Scene {
        let fixture: TerminalFixture
        let terminal: Terminal

        init(_ words: [String] = ["fs1"]) throws {
            fixture = try TerminalFixture(files: [([UInt8]("a.txt".utf8), [UInt8]("one\n".utf8))])
            terminal = try fixture.open(["wire"] + words, columns: 120)
            try terminal.waitUntil("the greeting") { screen in
                screen.rows[0].hasPrefix("S: OK DFS/1 role=") && screen.line == "C:"
            }
        }

        /// Types a line, and waits for what is said and for the next prompt.
        func ask(_ line: String, _ answer: String) throws {
            try terminal.type("\(line)\r")
            try terminal.waitUntil("the answer to \(line)") { screen in
                screen.rows.contains { $0.hasPrefix(answer) } && screen.line == "C:"
            }
        }
    }

    @Test func `the screen reads like a transcript, and QUIT leaves`() throws {
        let scene = try Scene()

        try scene.ask("PING 'a'", "S: OK 'a'")
        try scene.ask("C: FETCH /a.txt", "S| one\\n")
        try scene.ask("NONSENSE", "S: ERR unknown-verb")
        try scene.terminal.type("QUIT\r")

        #expect(try scene.terminal.waitForEnd() == .exit(0))
        let rows = scene.terminal.screen.rows
        #expect(rows.contains("C: PING 'a'") && rows.contains("S! closed"))
        #expect(scene.terminal.isInLineMode)
        #expect(scene.terminal.screen.unknown.isEmpty)
    }

    @Test func `Tab knows the verbs of that server, their words, and what may come`() throws {
        let scene = try Scene()
        let terminal = scene.terminal

        try terminal.type("fet\t")
        try terminal.waitForLine("C: FETCH")
        try terminal.type("\u{15}HELP trun\t")
        try terminal.waitForLine("C: HELP TRUNCATE")
        try terminal.type("\u{15}OPEN /a.txt r le\t")
        try terminal.waitForLine("C: OPEN /a.txt r lease=")
        try terminal.type("\u{15}OPEN /a.txt rw lock=ex\t")
        try terminal.waitForLine("C: OPEN /a.txt rw lock=exclusive")
        try terminal.type("\u{15}@t RE\t")
        try terminal.waitUntil("the verbs") { screen in
            screen.rows.contains { $0.hasPrefix("READ") && $0.contains("RENEW") }
        }
        try terminal.type("\u{15}READ \t")
        try terminal.waitUntil("the syntax") { screen in
            screen.rows.contains { $0.hasPrefix("READ h ") }
        }
        try terminal.type("\u{15}LOC\t")

        // That is the name server's.
        try terminal.waitUntil("the bell") { $0.bells > 0 && $0.line == "C: LOC" }
    }

    @Test func `a payload is typed with escapes, and sent when it is whole`() throws {
        let scene = try Scene()
        let terminal = scene.terminal

        try terminal.type("STORE /new {5}\r")
        try terminal.waitForLine("C|")
        try terminal.type("a\\nb and more\r")
        try terminal.waitUntil("that it is too much") { screen in
            screen.rows.contains { $0.hasPrefix("dfsh: 5 bytes are left") } && screen.line == "C|"
        }
        try terminal.type("a\\n\r")
        try terminal.waitUntil("the next line") { screen in
            screen.rows.contains("C| a\\n") && screen.line == "C|"
        }
        try terminal.type("b\\x00c\r")
        try terminal.waitUntil("the answer") { screen in
            screen.rows.contains { $0.hasPrefix("S: OK size=5") } && screen.line == "C:"
        }

        let folder = try scene.fixture.cluster["fs1"].exports[0].folder
        #expect(
            try FileSystem.read(folder + [UInt8]("/new".utf8)) == [0x61, 0x0A, 0x62, 0, 0x63])
    }

    @Test func `Ctrl-C drops a line and a wait, and Ctrl-D leaves`() throws {
        let scene = try Scene()
        let terminal = scene.terminal

        try terminal.type("STORE /never {5}\r")
        try terminal.waitForLine("C|")
        try terminal.type("\u{3}")
        try terminal.waitForLine("C:")
        try scene.ask("OPEN /a.txt rw lock=exclusive", "S: OK h=h1")
        try scene.ask("PING still", "S: OK still")
        try scene.fixture.cluster["fs1"].pause()
        try terminal.type("PING waits\r")
        try terminal.waitUntil("the wait") { $0.line.isEmpty }
        try terminal.type("\u{3}")
        try terminal.waitForLine("C:")
        try scene.fixture.cluster["fs1"].resume()
        // What comes late is shown above the line that is being typed.
        try terminal.type("half")
        try terminal.waitUntil("the late answer") { screen in
            screen.rows.contains("S: OK waits") && screen.line == "C: half"
        }
        try terminal.type("\u{15}\u{4}")

        #expect(try terminal.waitForEnd() == .exit(0))
        let folder = try scene.fixture.cluster["fs1"].exports[0].folder
        #expect(!FileSystem.exists(folder + [UInt8]("/never".utf8)))
    }

    @Test func `what a FOLLOW tells is shown while another line is typed`() throws {
        let scene = try Scene()
        let terminal = scene.terminal
        try scene.ask("OPEN /a.txt rw", "S: OK h=h1")

        try terminal.type("@f FOLLOW h1 0\r")
        try terminal.waitUntil("the beginning") { screen in
            screen.rows.contains("S| one\\n") && screen.line == "C:"
        }
        try terminal.type("APPEND h1 two\r")

        try terminal.waitUntil("what was added") { screen in
            screen.rows.contains("S| two") && screen.line == "C:"
        }
    }

    @Test func `its history is its own, and in a shell it has the terminal for itself`() throws {
        let scene = try Scene()
        try scene.ask("PING first", "S: OK first")
        try scene.terminal.type("\u{4}")
        #expect(try scene.terminal.waitForEnd() == .exit(0))
        let shell = try scene.fixture.open(columns: 120)
        try shell.waitForLine(TerminalFixture.prompt)

        try shell.type("wire fs1\r")
        try shell.waitForLine("C:")
        try shell.type("\u{1B}[A")
        try shell.waitForLine("C: PING first")
        try shell.type("\r")
        try shell.waitForRow("S: OK first")
        try shell.waitForLine("C:")
        try shell.type("\u{4}")
        try shell.waitForLine(TerminalFixture.prompt)
        try shell.type("\u{1B}[A")

        try shell.waitForLine("\(TerminalFixture.prompt) wire fs1")
    }

    @Test func `a terminal that can not be edited on has the same lines`() throws {
        let fixture = try TerminalFixture(files: [([UInt8]("a".utf8), [UInt8]("x".utf8))])
        let terminal = try fixture.open(["wire"], terminal: "dumb", columns: 120)
        try terminal.waitForLine("C:")

        try terminal.type("PING plain\r")
        try terminal.waitForRow("S: OK plain")
        try terminal.waitForLine("C:")
        try terminal.type("\u{4}")

        #expect(try terminal.waitForEnd() == .exit(0))
    }
}
