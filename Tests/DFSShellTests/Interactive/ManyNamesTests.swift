import Glibc
import TestCluster
import Testing

/// Tab in a directory with as many names as a directory ever has.
@Suite(.serialized)
struct ManyNamesTests {
    @Test func `a name among a hundred thousand is completed, and all are not poured out`() throws {
        let names = (100_000..<200_000).map { number in
            (name: [UInt8]("many/f\(number)".utf8), contents: [UInt8]())
        }
        let fixture = try TerminalFixture(files: names)
        try fixture.cluster.awaitFile([UInt8]("/many/f199999".utf8), on: "fs1")
        let terminal = try fixture.open()
        try terminal.waitForLine(TerminalFixture.prompt)

        // Where the answer takes longer than Tab waits, it rings and serves the next Tab.
        func tab(_ line: String, until isReached: @escaping (TerminalScreen) -> Bool) throws {
            try terminal.type(line)
            try Deadline(after: .seconds(60)).await("the names") {
                let bells = terminal.screen.bells
                try terminal.type("\t")
                try terminal.waitUntil("an answer") { $0.bells > bells || isReached($0) }
                return isReached(terminal.screen) ? true : nil
            }
        }
        try tab("cat many/f15432") { $0.text.contains("f154329") }
        try terminal.waitForLine("\(TerminalFixture.prompt) cat many/f15432")
        try tab("1") { $0.line == "\(TerminalFixture.prompt) cat many/f154321" }
        try terminal.type("\u{15}")
        try terminal.waitForLine(TerminalFixture.prompt)
        try tab("cat many/f") { $0.line == "Show all 100000 names? (y or n)" }
        try terminal.type("n")
        try terminal.waitForLine("\(TerminalFixture.prompt) cat many/f")

        #expect(terminal.screen.unknown.isEmpty)
    }
}
