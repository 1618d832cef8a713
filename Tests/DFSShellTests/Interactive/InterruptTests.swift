import Glibc
import TestCluster
import Testing

/// Ctrl-C in commands that are under way: the shell stays, and nothing half done does.
@Suite(.serialized)
struct InterruptTests {
    /// A file server whose one file takes hours to read, a folder here, and dfsh in it.
    private struct Scene {
        let fixture: TerminalFixture
        let export: String
        let local: String
        let terminal: Terminal

        init() throws {
            fixture = try TerminalFixture()
            export = "\(fixture.cluster.folder)/export"
            local = "\(fixture.cluster.folder)/local"
            try FileSystem.write("text\n", to: "\(export)/small")
            try Scene.makeHuge("\(export)/huge")
            try FileSystem.makeFolders(local)
            try fixture.cluster.startNameServer()
            try fixture.cluster.startFileServer(
                "fs1", exports: [.init(mount: "/", folder: [UInt8](export.utf8))])
            try fixture.cluster.awaitFile([UInt8]("/huge".utf8), on: "fs1")
            terminal = try fixture.open()
            try terminal.waitForLine(TerminalFixture.prompt)
            try terminal.type("lcd \(local); echo ready\r")
            try terminal.waitForRow("ready")
            try terminal.waitForLine(TerminalFixture.prompt)
        }

        /// Zero bytes that no disk holds.
        static func makeHuge(_ path: String) throws {
            try FileSystem.write("", to: path)
            try #require(truncate(path, 1 << 40) == 0)
        }

        /// Whether a text was written, whatever rows it stands on.
        func said(_ text: String) -> Bool {
            String(decoding: terminal.output, as: UTF8.self).contains(text)
        }

        func run(_ command: String) throws {
            try terminal.type("\(command)\r")
            try terminal.waitUntil("\(command) to run") { !$0.line.hasPrefix("dfsh") }
        }

        func awaitName(below folder: String, _ isIt: @escaping (String) -> Bool) throws {
            try Deadline().await("a temporary file is in \(folder)") {
                try names(in: folder).contains(where: isIt) ? true : nil
            }
        }

        func names(in folder: String) throws -> [String] {
            try FileSystem.names(in: [UInt8](folder.utf8)).map {
                String(decoding: $0, as: UTF8.self)
            }.filter { $0 != ".dfs" }
        }

        /// Presses Ctrl-C and waits for a shell that works and tells 130.
        func interrupt() throws {
            try terminal.type("\u{3}")
            try terminal.waitForLine(TerminalFixture.prompt)
            try terminal.waitUntil("what happened") { screen in
                screen.rows.contains { $0.contains("interrupted") }
            }
            try terminal.type("\u{4}")
            #expect(try terminal.waitForEnd() == .exit(130))
        }
    }

    @Test func `get leaves no file here, but a part, and says how to go on`() throws {
        let scene = try Scene()
        try scene.run("get huge")
        try scene.awaitName(below: scene.local) { $0 == ".dfsh-part-0-huge" }

        try scene.interrupt()

        #expect(try scene.names(in: scene.local) == [".dfsh-part-0-huge"])
        #expect(scene.said("get -c goes on with it"))
    }

    @Test func `put leaves no file there, but a part, and says how to go on`() throws {
        let scene = try Scene()
        try Scene.makeHuge("\(scene.local)/mine")
        try scene.run("put mine")
        try scene.awaitName(below: scene.export) { $0.hasPrefix("mine.dfs-part-") }
        // Before the name server knows it, it can not be removed.
        for name in try scene.names(in: scene.export) {
            try scene.fixture.cluster.awaitFile([UInt8]("/\(name)".utf8), on: "fs1")
        }

        try scene.interrupt()

        let names = try scene.names(in: scene.export)
        #expect(names.count == 3 && names.contains("huge") && names.contains("small"))
        #expect(names.contains { $0.hasPrefix("mine.dfs-part-") })
        #expect(scene.said("put -c goes on with"))
    }

    @Test(arguments: ["cat small", "get small", "stat small; cat small"])
    func `a command that waits for a silent server ends`(command: String) throws {
        let scene = try Scene()
        try scene.fixture.cluster["fs1"].pause()
        try scene.run(command)

        try scene.interrupt()

        #expect(try scene.names(in: scene.local) == [])
    }

    @Test func `tail -f ends`() throws {
        let scene = try Scene()
        try scene.run("tail -f small")
        try scene.terminal.waitForRow("text")

        try scene.interrupt()
    }

    @Test func `what a killed get has left is gone after the next one`() throws {
        let scene = try Scene()
        try scene.run("get huge")
        try scene.awaitName(below: scene.local) { $0 == ".dfsh-part-0-huge" }
        scene.terminal.signal(SIGKILL)
        _ = try scene.terminal.waitForEnd()
        #expect(try scene.names(in: scene.local) == [".dfsh-part-0-huge"])
        try #require(truncate("\(scene.export)/huge", 2_000_000) == 0)
        try scene.fixture.cluster["fs1"].stop()
        try scene.fixture.cluster["fs1"].start()
        try scene.fixture.cluster.awaitFile([UInt8]("/huge".utf8), on: "fs1")

        let run = try scene.fixture.cluster.shell(["get", "/huge"], folder: scene.local)

        #expect(run.exitCode == 0, "\(run.errors)")
        #expect(try scene.names(in: scene.local) == ["huge"])
    }

    @Test(
        arguments: [
            ("y", []), ("n", ["a", "b"]), ("\u{4}", ["a", "b"]), ("\u{3}", ["a", "b"]),
        ] as [(String, [String])])
    func `rm asks before it removes what a pattern fits`(answer: String, left: [String]) throws {
        let files = ["a", "b"].map { (name: [UInt8]($0.utf8), contents: [UInt8]("x".utf8)) }
        let fixture = try TerminalFixture(files: files)
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("rm *\r")
        try terminal.waitUntil("the question") { $0.line.hasSuffix("remove 2 names? (y or n)") }
        try terminal.type(answer.unicodeScalars.first?.value ?? 0 < 0x20 ? answer : answer + "\r")
        try terminal.waitForLine(TerminalFixture.prompt)

        let export = try fixture.cluster["fs1"].exports[0].folder
        let names = try FileSystem.names(in: export).map { String(decoding: $0, as: UTF8.self) }
        #expect(names.filter { $0 != ".dfs" } == left)
    }

    @Test(arguments: ["rm * | cat", "rm * > log"])
    func `nobody is asked while another program has the terminal`(line: String) throws {
        let fixture = try TerminalFixture(files: [([UInt8]("a".utf8), [UInt8]("x".utf8))])
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("lcd \(fixture.cluster.folder)\r\(line)\r")
        try terminal.waitUntil("the refusal") { $0.text.contains("-f says yes before") }
        try terminal.waitForLine(TerminalFixture.prompt)
        try terminal.type("ls\r")

        try terminal.waitForRow("a")
        #expect(terminal.screen.unknown.isEmpty)
    }

    @Test func `the next prompt starts a line where a file did not end its last`() throws {
        let fixture = try TerminalFixture(files: [
            ([UInt8]("f".utf8), [UInt8]("no end \u{1B}[31mred".utf8))
        ])
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("cat f\r")

        try terminal.waitForRow("no end \\x1b[31mred")
        try terminal.waitForLine(TerminalFixture.prompt)
    }
}
