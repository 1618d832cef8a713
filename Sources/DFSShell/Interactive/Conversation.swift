import CEditLine
import DFSProtocol
import Glibc
import Synchronization

/// Reads lines from a person and has them run, one after another, until Ctrl-D or `quit`.
///
/// Owns the main thread: it blocks there while a command runs on Swift's pool, and looks after
/// Ctrl-C, signals and the terminal meanwhile.
public final class Conversation {
    /// The shell behind the prompt, as far as the prompt needs it.
    public struct Shell: Sendable {
        /// The table that completion goes by.
        public var commands: [CommandSpecification]
        /// What the prompt tells; must not wait.
        public var prompt: @Sendable () -> PromptState
        /// Runs one line to its end, or until its task is cancelled; prints what is to be said.
        public var run: @Sendable (_ line: [UInt8]) async -> Outcome
        /// Names for Tab; no error and no output.
        public var candidates: @Sendable (CompletionSubject) async -> CompletionAnswer
        /// Names that begin a command, beside those of the table.
        public var aliases: @Sendable () -> [[UInt8]] = { [] }
        /// Names of what runs beside the prompt.
        public var jobs: @Sendable () -> [[UInt8]] = { [] }
        /// Writes what is to be told before a prompt; returns when it is written.
        public var tellNews: @Sendable () -> Void = {}
        /// Whether the person may leave now; if not, that was told.
        public var mayLeave: @Sendable () -> Bool = { true }
        /// How many lines of history are kept.
        public var historyLines: @Sendable () -> Int = { LineHistory.limit }
        /// Drops connections at once, so that a command that does not heed its cancellation fails.
        public var closeConnections: @Sendable () async -> Void

        /// Joins the parts.
        public init(
            commands: [CommandSpecification], prompt: @escaping @Sendable () -> PromptState,
            run: @escaping @Sendable (_ line: [UInt8]) async -> Outcome,
            candidates: @escaping @Sendable (CompletionSubject) async -> CompletionAnswer,
            closeConnections: @escaping @Sendable () async -> Void
        ) {
            self.commands = commands
            self.prompt = prompt
            self.run = run
            self.candidates = candidates
            self.closeConnections = closeConnections
        }
    }

    /// What a line led to.
    public struct Outcome: Equatable, Sendable {
        /// What the line ended with.
        public var code: ExitCode
        /// Whether the person wants to leave.
        public var isOver: Bool

        /// Joins the two.
        public init(_ code: ExitCode, isOver: Bool = false) {
            self.code = code
            self.isOver = isOver
        }
    }

    private let shell: Shell
    private let history: HistoryRecord
    private let supply: CandidateSupply
    private let isEditable: Bool
    private var drawn: PromptState?
    /// The last second Ctrl-C.
    private var closing: Task<Void, Never>?

    /// Prepares a conversation on the standard streams; nothing is written before `run`.
    public init(_ shell: Shell, history: HistoryRecord) {
        self.shell = shell
        self.history = history
        let (source, local) = (shell.candidates, LocalNames.candidates)
        supply = CandidateSupply(
            commands: shell.commands,
            aliases: { shell.aliases().map { CompletionCandidate(name: $0) } },
            jobs: { shell.jobs().map { CompletionCandidate(name: $0) } }
        ) { subject in
            if case .local(let directory) = subject {
                return CompletionAnswer(await local(directory))
            }
            return await source(subject)
        }
        let terminal = ShellSession.variable("TERM") ?? "dumb"
        isEditable = terminal != "dumb" && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
    }

    /// Draws the prompt anew where it has changed, while it waits for keys.
    ///
    /// May be called from any thread.
    public static func promptChanged() { dfs_signals_wake() }

    /// Talks until the person leaves.
    ///
    /// - Returns: What the last line ended with. Does not return after SIGTERM, SIGHUP or SIGQUIT:
    ///   the process ends by that signal, with its terminal as it was.
    public func run() -> ExitCode {
        guard dfs_signals_install() == 0 else { return .failed }
        defer { dfs_signals_restore() }
        let lines = openLines()
        defer { lines.close() }
        var code = ExitCode.ok
        while true {
            shell.tellNews()
            let limit = shell.historyLines()
            history.keep(limit)
            lines.keep(limit)
            switch lines.next() {
            case .end: if shell.mayLeave() { return code }
            case .interrupted: code = .interrupted
            case .terminated(let signal): end(by: signal, lines)
            case .line(let line):
                guard line.contains(where: { $0 != UInt8(ascii: " ") }) else { continue }
                if history.add(line) { lines.remember(line) }
                let outcome = perform(line, lines)
                code = outcome.code
                if outcome.isOver { return code }
            }
        }
    }

    private func openLines() -> any LineSource {
        if isEditable {
            let edited = EditedLines(
                recalling: history.lines, prompt: { [unowned self] in self.prompt() },
                isPromptStale: { [unowned self] in self.drawn != self.shell.prompt() },
                tab: { [unowned self] in self.complete($0, cursor: $1) })
            if let edited { return edited }
        }
        return PlainLines { [unowned self] in
            PromptText.bytes(self.shell.prompt(), hasColours: false)
        }
    }

    private func prompt() -> [UInt8] {
        let state = shell.prompt()
        drawn = state
        return PromptText.bytes(state, hasColours: isEditable && state.hasColours)
    }

    private func end(by signal: Int32, _ lines: any LineSource) -> Never {
        lines.close()
        dfs_signals_end(signal)
    }
}

// MARK: - Running a line

extension Conversation {
    /// Runs a line on Swift's pool and stays on this thread until it is over.
    ///
    /// Ctrl-C cancels it; the second closes the connections that it waits for; the third gives the
    /// whole process up.
    private func perform(_ line: [UInt8], _ lines: any LineSource) -> Outcome {
        let result = Result()
        let task = Task { [shell] in
            let outcome = await shell.run(line)
            result.outcome.withLock { $0 = outcome }
            dfs_signals_wake()
        }
        defer {
            supply.forget()
            // A Ctrl-C that came as the command ended is not the next line's.
            _ = dfs_signals_take_interrupts()
        }
        var interrupts = 0
        while true {
            if let outcome = result.outcome.withLock({ $0 }) {
                return interrupts == 0
                    ? outcome : Outcome(.interrupted, isOver: outcome.isOver)
            }
            if dfs_signals_termination() != 0 {
                task.cancel()
                end(by: dfs_signals_termination(), lines)
            }
            for _ in 0..<dfs_signals_take_interrupts() {
                interrupts += 1
                interrupt(task, time: interrupts, lines)
            }
            dfs_signals_wait(-1, -1)
        }
    }

    private final class Result: Sendable {
        let outcome = Mutex<Outcome?>(nil)
    }

    private func interrupt(_ task: Task<Void, Never>, time: Int, _ lines: any LineSource) {
        switch time {
        case 1:
            // The terminal has shown ^C; what comes next starts a line.
            _ = write(STDERR_FILENO, "\n", 1)
            task.cancel()
        case 2: closing = Task { [shell] in await shell.closeConnections() }
        default: end(by: SIGINT, lines)
        }
    }
}

// MARK: - Tab

extension Conversation {
    /// Decides what Tab does; looks at nothing but the line and the candidates.
    private func complete(_ line: [UInt8], cursor: Int) -> EditedLines.TabAction {
        guard
            let query = CompletionQuery(line: line, cursor: cursor, commands: shell.commands),
            let answer = supply.candidates(for: query.subject)
        else { return .beep }
        let completion = Completion(query, line: line, cursor: cursor, answer)
        if completion.isEmpty { return .beep }
        guard completion.choices.isEmpty else {
            return .list(
                completion.choices.map {
                    (query.isOption ? .option : query.style).shown($0.name)
                        + ($0.isDirectory ? "/" : "")
                },
                hasMore: completion.hasMoreChoices)
        }
        return .replace(
            removedCharacters: completion.removedCharacters, by: completion.inserted)
    }
}
