import DFSProtocol
import Glibc
import Synchronization

/// `watch`: a command again and again.
struct WatchCommand {
    private let session: ShellSession
    private let text: [UInt8]
    private let pause: Duration
    private let title: String

    static func run(_ session: ShellSession, _ call: Invocation) async throws {
        let word = call.value("n") ?? Word(plain: [UInt8(ascii: "2")])
        guard let pause = RunningCommands.seconds(word), pause >= .milliseconds(100) else {
            throw call.misuse("\(word.shown) is no number of seconds from 0.1 on")
        }
        let text = ShellSession.text(of: call.operands)
        let watch = WatchCommand(
            session: session, text: text, pause: pause,
            title: "every \(word.text) s: \(ErrorSentence.safe(text))")
        var runsLeft = call.number("c") ?? .max
        var code = ExitCode.ok
        while runsLeft > 0 {
            code = session.output.isTerminal ? await watch.draw() : await watch.append()
            try Task.checkCancellation()
            runsLeft -= 1
            if session.output.isBroken || session.wantsToQuit { break }
            if runsLeft > 0 { try await Task.sleep(for: pause) }
        }
        if code != .ok { throw ShellFailure.told(code) }
    }

    private func append() async -> ExitCode {
        let heading = "\(WatchCommand.now)  \(title)"
        // For programs it is no result of the command.
        if session.output.isJSON {
            session.output.complain(heading)
        } else {
            session.output.line(heading)
        }
        let code = await session.run(text: text)
        if !session.output.isJSON { session.output.line("") }
        _ = await session.output.settle()
        return code
    }

    /// Puts a run's whole output on the screen at once, in the place of the last one's.
    private func draw() async -> ExitCode {
        let shown = Picture()
        let inner = ShellSession(
            session,
            output: ShellOutput(
                results: shown.take, complaints: shown.take, isTerminal: true, isOneStream: true))
        let code = await inner.run(text: text)
        _ = await inner.output.settle()
        if Task.isCancelled { return code }
        var size = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_row > 4
        let height = isKnown ? Int(size.ws_row) : 24
        let heading = "\(WatchCommand.now)  \(title)"
        session.output.collect(shown.frame(heading, rows: height - 3))
        _ = await session.output.settle()
        return code
    }

    /// The time of this machine's clock and place, to the second.
    private static var now: String {
        var (time, parts) = (Glibc.time(nil), tm())
        localtime_r(&time, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y-%m-%d %H:%M:%S", &parts)
        return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// What a run has written, as much as a screen could ever show.
    private final class Picture: Sendable {
        private static let limitBytes = 1_048_576
        private let bytes = Mutex<[UInt8]>([])

        @Sendable func take(_ more: [UInt8]) -> Bool {
            bytes.withLock { bytes in
                bytes += more
                return bytes.count < Picture.limitBytes
            }
        }

        /// The rows from the top of the screen, where nothing of the last picture is left.
        ///
        /// No line wraps, and what wraps again is the terminal's own when the frame is done.
        func frame(_ heading: String, rows: Int) -> [UInt8] {
            let text = String(decoding: bytes.withLock { $0 }, as: UTF8.self)
            var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            if lines.last == "" { lines.removeLast() }
            let shown: [Substring] = [heading[...], ""] + lines.prefix(rows)
            let body = shown.map { "\($0)\u{1B}[K" }.joined(separator: "\n")
            return [UInt8]("\u{1B}[?7l\u{1B}[H\(body)\u{1B}[J\u{1B}[?7h\n".utf8)
        }
    }
}
