import Glibc
import TestCluster
import Testing

/// Servers that want harm, and a person who sees what they say on a terminal.
@Suite(.serialized)
struct HostileScreenTests {
    /// Answers that are no endless ones: of those the tests without a terminal see the end.
    static let titles = HostileServerCommandTests.answers.map(\.title).filter {
        $0 != "a line without an end"
    }

    private func answer(_ title: String) throws -> HostileServer.Answer {
        try #require(HostileServerCommandTests.answers.first { $0.title == title }).answer
    }

    /// Nothing but what dfsh means to send has come to the terminal.
    private func expectHarmless(_ terminal: Terminal, _ title: String) {
        #expect(terminal.screen.unknown.isEmpty, "\(title): \(terminal.screen.text)")
        #expect(!terminal.screen.text.contains("\u{202E}"), "\(title)")
        #expect(
            terminal.screen.rows.allSatisfy { !$0.hasPrefix("dfsh: \\x07") }, "\(title)")
    }

    @Test(arguments: titles, ["LIST", "SERVERS", "STATUS"])
    func `browse shows what is wrong, and q leaves`(title: String, verb: String) throws {
        let liar = try DishonestCluster(lyingTo: verb, try answer(title))
        defer { liar.cluster.shutDown() }
        let fixture = try TerminalFixture()
        let terminal = try fixture.open(["browse", "/d"], nameServer: liar.endpoint)

        try terminal.waitUntil("a row that has been answered") { screen in
            screen.rows[0].hasPrefix(" /d") && screen.rows[1].hasPrefix("   ")
                && screen.rows[1] != "   (asking ...)"
        }
        try terminal.type("jl /x\rG")
        try terminal.waitUntil("the title") { $0.rows[0].hasPrefix(" /d") }
        expectHarmless(terminal, title)
        try terminal.type("q")

        #expect(try terminal.waitForEnd() == .exit(0))
        #expect(terminal.isInLineMode)
    }

    @Test(arguments: titles) func `Tab inserts nothing that was not a name`(title: String) throws {
        let liar = try DishonestCluster(lyingTo: "LIST", try answer(title))
        defer { liar.cluster.shutDown() }
        let fixture = try TerminalFixture()
        let terminal = try fixture.open(nameServer: liar.endpoint)
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("cat /d/\t")
        try terminal.type("\u{15}pwd\r")
        try terminal.waitForRow("/")
        try terminal.waitForLine(TerminalFixture.prompt)

        expectHarmless(terminal, title)
        let lines = terminal.screen.rows.filter { $0.contains("evil") || $0.contains("[2J") }
        #expect(lines == [])
    }

    @Test(arguments: titles) func `a pager gets nothing that harms`(title: String) throws {
        let liar = try DishonestCluster(lyingTo: "file FETCH", try answer(title))
        defer { liar.cluster.shutDown() }
        let fixture = try TerminalFixture()
        let terminal = try fixture.open(
            program: "/usr/bin/env",
            ["DFSH_PAGER=cat -v", try Executable.shell.path, "less", "/d/f"],
            nameServer: liar.endpoint)

        let ending = try terminal.waitForEnd()

        guard case .exit(let code) = ending else {
            Issue.record("\(title): \(ending)")
            return
        }
        #expect((0...8).contains(code), "\(title): \(code)")
        // What cat -v would have shown of a control byte.
        #expect(!terminal.screen.text.contains("^["), "\(title): \(terminal.screen.text)")
        expectHarmless(terminal, title)
    }
}
