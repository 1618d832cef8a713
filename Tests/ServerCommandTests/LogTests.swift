import DFSProtocol
import Dispatch
import Logging
import Synchronization
import Testing

@testable import ServerCommand

@Suite struct `The log` {
    private let time = WallTime(seconds: 1_790_000_000, nanoseconds: 5_000_000)

    private func line(_ message: String, _ metadata: Logger.Metadata = [:]) -> String {
        var log = StandardErrorLog()
        log.metadata = ["a": "1"]
        let event = LogEvent(
            level: .warning, message: "\(message)", metadata: metadata, source: "", file: "",
            function: "", line: 0)
        return log.line(for: event, at: time)
    }

    @Test func `has one line an event, metadata by key`() {
        #expect(
            line("lost", ["server": "fs1", "path": "/a b", "a": "2"])
                == "2026-09-21T14:13:20.005Z warning lost a=2 path=\"/a b\" server=fs1\n")
    }

    @Test func `waits for no reader, and tells how many lines were left out`() {
        let written = Mutex<[String]>([])
        let reader = DispatchSemaphore(value: 0)
        let lines = LogLines(limit: 3) { line in
            reader.wait()
            written.withLock { $0.append(line) }
            return true
        }

        for number in 1...10 { lines.add("\(number)\n") }
        for _ in 1...4 { reader.signal() }
        lines.flush(milliseconds: 60_000)

        let all = written.withLock { $0 }
        #expect(all.filter { $0.count == 2 } == ["1\n", "2\n", "3\n"])
        #expect(
            all.contains { $0.hasSuffix(" 7 lines were left out, because nobody read the log\n") })
    }

    @Test func `lets no name forge a line or move a cursor`() {
        let shown = line("lost\n\u{1b}[2J\u{9b}\u{202e}", ["path": "/a\r\nOK \u{1b}"])

        #expect(shown.filter { $0 == "\n" }.count == 1)
        #expect(shown.hasSuffix("\n"))
        for scalar in shown.unicodeScalars.dropLast() {
            #expect(scalar.value >= 0x20 && !(0x7F...0x9F).contains(scalar.value))
            #expect(scalar.value != 0x202E)
        }
    }

    @Test func `keeps lines apart where a text of several is shown`() {
        #expect(Printable.text("a\nb\tc\u{1b}") == "a\nb\tc\\u{1b}")
        #expect(Printable.line("a\nb\r") == "a\\u{a}b\\u{d}")
        #expect(Printable.line("é ü 漢") == "é ü 漢")
    }
}
