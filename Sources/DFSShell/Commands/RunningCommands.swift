import DFSProtocol
import Glibc

/// `time`, `watch`, `sleep` and `source`: what runs other commands, or waits between them.
enum RunningCommands {
    static let all: [Command] = [
        Command(row: time, run: runTime),
        Command(row: watch, run: WatchCommand.run),
        Command(row: sleep, run: runSleep),
        Command(row: source, run: runSource),
    ]

    private static let time = CommandSpecification(
        "time", .shell, [.init("command", .line, .oneOrMore)],
        "Runs a command and tells how long it took.",
        examples: [
            ("time ls -R /", "the time stands on standard error"),
            ("time 'get a | wc -c'", "with | or ; the command stands in quotes"),
        ], exits: [.interrupted])

    private static let watch = CommandSpecification(
        "watch", .servers, [.init("command", .line, .oneOrMore)],
        options: [
            .init("n", "seconds between two runs; 2 where not given", value: .seconds),
            .init("c", "ends after so many runs, and not only with Ctrl-C", value: .number),
        ],
        "Runs a command again and again; on a terminal, always in the same place.",
        examples: [
            ("watch servers", "who is alive, every two seconds"),
            ("watch -n 0.5 -c 10 'ls /docs | wc -l'", "ten times, twice a second"),
        ], exits: [.interrupted])

    private static let sleep = CommandSpecification(
        "sleep", .shell, [.init("seconds", .seconds)], "Waits.",
        examples: [("sleep 0.5", "half a second")], exits: [.interrupted])

    private static let source = CommandSpecification(
        "source", .shell, [.init("file", .localPath)],
        "Runs the commands of a file on this machine, up to the first that fails.",
        examples: [("source nightly.dfsh", "as if its lines were typed, but unseen")],
        exits: ExitCode.allCases.filter { ![.ok, .usage, .failed].contains($0) })

    private static func runTime(_ session: ShellSession, _ call: Invocation) async throws {
        let start = ContinuousClock.now
        let code = await session.run(text: ShellSession.text(of: call.operands))
        session.tellTime(since: start)
        if code != .ok { throw ShellFailure.told(code) }
    }

    private static func runSleep(_ session: ShellSession, _ call: Invocation) async throws {
        let word = call.operands[0]
        guard let time = seconds(word) else {
            throw call.misuse("\(word.shown) is no number of seconds such as 2 or 0.5")
        }
        // The passing of time is what was asked for.
        try await Task.sleep(for: time)
    }

    /// Seconds with up to nine decimals, up to a year; nil for what is no such number.
    static func seconds(_ word: Word) -> Duration? {
        let parts = word.bytes.split(
            separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first.map(Array.init), let number = Number.parse(whole.span),
            number <= 31_536_000
        else { return nil }
        guard parts.count == 2 else { return .seconds(number) }
        let digits = parts[1]
        guard !digits.isEmpty, digits.count <= 9,
            digits.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        let nanoseconds = (Array(digits) + Array(repeating: 0x30, count: 9 - digits.count))
            .reduce(Int64(0)) { $0 * 10 + Int64($1) - 0x30 }
        return .seconds(number) + .nanoseconds(nanoseconds)
    }

    /// Scripts that may run one inside the other.
    static let deepest = 16

    private static func runSource(_ session: ShellSession, _ call: Invocation) async throws {
        let path = call.operands[0].bytes
        let depth = session.state.withLock { state in
            state.openScripts += 1
            return state.openScripts
        }
        defer { session.state.withLock { $0.openScripts -= 1 } }
        guard depth <= deepest else {
            throw ShellFailure(
                .failed, "source: \(deepest) scripts run one inside the other; no further one")
        }
        let descriptor = LocalName.withPath(path) { Glibc.open($0, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw LocalFailure.failure(path, errno) }
        defer { Glibc.close(descriptor) }
        let code = await Script(session: session).run(descriptor: descriptor)
        if code != .ok { throw ShellFailure.told(code) }
    }
}

extension ShellSession {
    /// The line that words stand for: one word is a line of its own, in quotes or not.
    static func text(of words: [Word]) -> [UInt8] {
        words.count == 1 ? words[0].bytes : words.map(\.source).joinedBySpaces
    }
}

extension Amounts {
    /// Whole milliseconds of a duration.
    static func milliseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// How long something took: `0.4 ms`, `12 ms`, `1.25 s`, `2 min 5 s`.
    static func precise(_ duration: Duration) -> String {
        let tenths = Int64(duration / .microseconds(100))
        if tenths < 100 { return "\(tenths / 10).\(tenths % 10) ms" }
        let milliseconds = tenths / 10
        if milliseconds < 1000 { return "\(milliseconds) ms" }
        let seconds = milliseconds / 1000
        if seconds >= 60 { return "\(seconds / 60) min \(seconds % 60) s" }
        let hundredths = milliseconds % 1000 / 10
        return "\(seconds).\(hundredths < 10 ? "0" : "")\(hundredths) s"
    }
}
