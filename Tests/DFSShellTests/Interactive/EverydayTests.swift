import Glibc
import TestCluster
import Testing

/// What hands do every day: searching what was typed, keys of one's own, reading help, waiting for
/// a transfer.
@Suite(.serialized)
struct EverydayTests {
    @Test func `Ctrl-R finds an older line`() throws {
        let fixture = try TerminalFixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.away)
        try terminal.type("echo needle one\recho straw\r")
        try terminal.waitForRow("straw")
        try terminal.waitForLine(TerminalFixture.away)

        try terminal.type("\u{12}needle")
        try terminal.waitUntil("the line that was found") {
            $0.text.contains("\(TerminalFixture.away) echo needle one")
        }
        try terminal.type("\r")

        try terminal.waitUntil("both echoes") { screen in
            screen.rows.count { $0 == "needle one" } == 2
        }
    }

    @Test func `keys are bound in .editrc`() throws {
        let fixture = try TerminalFixture()
        try FileSystem.write(
            "dfsh:bind -s \"^T\" \"echo bound\"\n", to: "\(fixture.cluster.folder)/home/.editrc")
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.away)

        try terminal.type("\u{14}")
        try terminal.waitForLine("\(TerminalFixture.away) echo bound")
        try terminal.type("\r")

        try terminal.waitForRow("bound")
        #expect(terminal.screen.unknown.isEmpty)
    }

    @Test func `help that is longer than the screen goes to the pager`() throws {
        let fixture = try TerminalFixture()
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.away)

        try terminal.type("help\r")
        try terminal.waitUntil("the pager, at the top") { screen in
            screen.rows.last?.hasPrefix(":") == true && !screen.text.contains("unalias")
        }
        try terminal.type("G")
        try terminal.waitUntil("the end of it") { $0.text.contains("quit") }
        try terminal.type("q")

        try terminal.waitForLine(TerminalFixture.away)
    }

    @Test func `a transfer shows how much has come, how fast, and how long it takes still`() throws
    {
        let fixture = try TerminalFixture(files: [
            ([UInt8]("big".utf8), [UInt8](repeating: 0x78, count: 8 << 20))
        ])
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        try terminal.type("get --limit-rate 1M /big \(fixture.cluster.folder)/copy\r")
        try terminal.waitUntil("the progress") { screen in
            screen.rows.contains { row in
                row.hasPrefix("got 0 files, ") && row.contains(" %, ") && row.contains("B/s, ")
                    && row.hasSuffix(" left")
            }
        }
        try terminal.type("\u{3}")

        try terminal.waitForLine(TerminalFixture.prompt)
    }
}
