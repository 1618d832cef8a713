import DFSProtocol
import Synchronization
import TestCluster
import Testing

/// Tab in a directory with as many names as a directory ever has.
@Suite(.serialized)
struct ManyNamesTests {
    /// A name server that answers LIST as Protocol.md has it, for a directory with files `f100000`
    /// to `f199999`, and counts the names that it was asked for.
    private final class HugeDirectory: Sendable {
        let asked: Asked
        let server: HostileServer

        final class Asked: Sendable {
            let names = Mutex(0)
        }

        init() throws {
            let asked = Asked()
            self.asked = asked
            server = try HostileServer(greeting: .say(HostileCluster.nameGreeting)) { line in
                let words = line.split(separator: " ")
                guard words.first == "LIST", words.count > 1, words[1] == "/many" else {
                    return .say(words.first == "STAT" ? "~ERR not-found\n" : "~OK count=0\n")
                }
                func option(_ name: String) -> [UInt8]? {
                    let word = words.first { $0.hasPrefix("\(name)=") }
                    // What can not be read is as if it were not there, and the test fails by that.
                    return word.flatMap {
                        try? Quoting.unquote([UInt8]($0.utf8.dropFirst(name.count + 1)))
                    }
                }
                let limit = option("limit").flatMap { Number.parse($0.span) }
                let text = HugeDirectory.page(after: option("after") ?? [], limit ?? 10_000)
                asked.names.withLock { $0 += text.utf8.count { $0 == UInt8(ascii: "\n") } - 1 }
                return .say(text)
            }
        }

        private static func page(after: [UInt8], _ limit: Int64) -> String {
            // The names are as long as each other: their order is that of the numbers.
            var (first, last) = (100_000, 200_000)
            while first < last {
                let middle = (first + last) / 2
                let isBehind = after.lexicographicallyPrecedes("f\(middle)".utf8)
                if isBehind { last = middle } else { first = middle + 1 }
            }
            let end = min(200_000, first + Int(min(limit, 10_000)))
            let file = "size=0 mtime=2026-11-01T08:30:00Z server=fs1 state=up"
            let items = (first..<end).map { "~* file name=f\($0) \(file)\n" }
            let more = end < 200_000 ? " more=yes after=f\(end - 1)" : ""
            return items.joined() + "~OK count=\(items.count)\(more)\n"
        }
    }

    @Test func `a name among a hundred thousand is completed, and few of them are read`() throws {
        let directory = try HugeDirectory()
        let fixture = try TerminalFixture()
        let terminal = try fixture.open(nameServer: "\(directory.server.endpoint)")
        try terminal.waitForLine(TerminalFixture.prompt)
        // On a busy machine an answer may be there for the next Tab only.
        func tab(_ line: String, until isReached: @escaping (TerminalScreen) -> Bool) throws {
            try terminal.type(line)
            try Deadline().await("the names") {
                let bells = terminal.screen.bells
                try terminal.type("\t")
                try terminal.waitUntil("an answer") { $0.bells > bells || isReached($0) }
                return isReached(terminal.screen) ? true : nil
            }
        }

        try tab("cat many/f15432") { $0.text.contains("f154320") && $0.text.contains("f154329") }
        try terminal.waitForLine("\(TerminalFixture.prompt) cat many/f15432")
        try tab("1") { $0.line == "\(TerminalFixture.prompt) cat many/f154321" }
        #expect(directory.asked.names.withLock { $0 } <= 500)
        try terminal.type("\u{15}")
        try terminal.waitForLine(TerminalFixture.prompt)
        // What all of them begin with is known from the first ones, and a name behind those.
        try tab("cat many/") { $0.line == "\(TerminalFixture.prompt) cat many/f1" }
        try tab("") { $0.line == "Show the first 1000 names? (y or n)" }
        try terminal.type("n")
        try terminal.waitForLine("\(TerminalFixture.prompt) cat many/f1")

        #expect(directory.asked.names.withLock { $0 } <= 10_000)
        #expect(terminal.screen.unknown.isEmpty)
    }
}
