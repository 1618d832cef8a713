import CEditLine
import Dispatch
import Glibc
import Synchronization

/// A program of this machine that dfsh starts, and may lend the terminal.
struct LocalProgram {
    /// Which descriptors it gets as its first three, and one more that a script may write to.
    struct Streams {
        /// nil for nothing to read.
        var input: Int32?
        var output = STDOUT_FILENO
        var errors = STDERR_FILENO
        /// Becomes descriptor 3.
        var ready: Int32?
    }

    /// Who gets the keys that are signals, such as Ctrl-C, while it runs.
    enum Keys: Equatable {
        /// The program alone, and a stop stops dfsh with it, as one job; where dfsh itself is not
        /// in the terminal's foreground, nobody.
        case program
        /// Both: it stays in dfsh's process group, which somebody else may have made.
        case both
        /// dfsh alone: the program runs beside it.
        case dfsh
    }

    /// The program and its arguments; the program is looked for in `PATH`.
    let words: [[UInt8]]
    private let streams: Streams?
    private let keys: Keys

    /// A command line of `sh`, with one word behind it as its last argument or none.
    ///
    /// - Parameter input: What it reads; nil for the terminal, and where there is none for nothing.
    init(shell command: String, _ last: [UInt8]? = nil, input: Int32? = nil) {
        let script = last == nil ? command : command + " \"$1\""
        words =
            ["sh", "-c", script, "sh"].map { [UInt8]($0.utf8) } + (last.map { [$0] } ?? [])
        streams = input.map { Streams(input: $0) }
        keys = .program
    }

    /// Words that are run as they are, on dfsh's own three streams.
    init(words: [[UInt8]], keys: Keys) {
        self.words = words
        streams = Streams(input: STDIN_FILENO)
        self.keys = keys
    }

    /// A text for `sh`.
    init(text: [UInt8], _ streams: Streams, keys: Keys) {
        // A NUL would end a word early; no text that was typed or read as a line of text has one.
        words = [[UInt8]("sh".utf8), [UInt8]("-c".utf8), text.filter { $0 != 0 }]
        self.streams = streams
        self.keys = keys
    }

    /// Runs it to its end; cancelling the task ends it with SIGTERM.
    ///
    /// - Returns: Its exit code, or 128 and the signal that ended it.
    /// - Throws: `ShellFailure` where it can not be started.
    func run() async throws -> Int32 {
        try await start().end()
    }

    /// Starts it.
    ///
    /// - Throws: `ShellFailure` where it can not be started.
    func start() throws -> Running {
        var terminal: Int32 = -1
        if keys == .program { terminal = Glibc.open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY) }
        let owns = dfs_program_owns_terminal(terminal) != 0
        var nothing: Int32 = -1
        if streams == nil ? terminal < 0 : streams?.input == nil {
            nothing = Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC)
        }
        defer { if nothing >= 0 { Glibc.close(nothing) } }
        let given = streams ?? Streams(input: terminal)
        let places = dfs_program_places(
            input: nothing >= 0 ? nothing : given.input ?? -1, output: given.output,
            errors: given.errors, extra: given.ready ?? -1, terminal: owns ? terminal : -1,
            has_own_group: keys == .dfsh ? 1 : 0)
        if owns { dfs_program_keep_mode(terminal) }
        let pid = LocalProgram.withArguments(words) { dfs_program_start($0, places) }
        guard pid > 0 else {
            let number = errno
            if terminal >= 0 { Glibc.close(terminal) }
            throw LocalFailure.failure(words.first ?? [], number)
        }
        return Running(
            pid: pid, terminal: terminal, ownsTerminal: owns, hasOwnGroup: owns || keys == .dfsh)
    }

    private static func withArguments<Result>(
        _ words: [[UInt8]], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers: [UnsafeMutablePointer<CChar>?] = words.map { word in
            let copy = UnsafeMutablePointer<CChar>.allocate(capacity: word.count + 1)
            for (index, byte) in word.enumerated() { copy[index] = CChar(bitPattern: byte) }
            copy[word.count] = 0
            return copy
        }
        pointers.append(nil)
        defer { for pointer in pointers { pointer?.deallocate() } }
        let constants = pointers.map { UnsafePointer($0) }
        return constants.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { preconditionFailure("it holds the nil") }
            return body(base)
        }
    }
}

extension LocalProgram {
    /// A program that has been started, until its end.
    ///
    /// Its end is waited for on a thread of its own, and it is never signalled after it.
    final class Running: Sendable {
        private let pid: pid_t
        private let hasOwnGroup: Bool
        private let state = Mutex(State())

        private struct State {
            /// The number may belong to another program once this one is reaped.
            var code: Int32?
            /// Whether dfsh has its terminal back.
            var isOver = false
            var waiters: [CheckedContinuation<Void, Never>] = []
        }

        /// - Parameters:
        ///   - terminal: Is closed at the end; -1 where there is none.
        ///   - ownsTerminal: Whether the program has it until then.
        fileprivate init(pid: pid_t, terminal: Int32, ownsTerminal: Bool, hasOwnGroup: Bool) {
            self.pid = pid
            self.hasOwnGroup = hasOwnGroup
            DispatchQueue(label: "dfsh.program").async { [self] in
                watch(terminal, ownsTerminal: ownsTerminal)
            }
        }

        private func watch(_ terminal: Int32, ownsTerminal: Bool) {
            dfs_program_wait(pid, ownsTerminal ? terminal : -1)
            let code = state.withLock { state in
                let code = dfs_program_reap(pid)
                state.code = code
                return code
            }
            if ownsTerminal {
                dfs_program_take_terminal(terminal)
                // The terminal has shown ^C; what comes next starts a line.
                if code == 128 + SIGINT { _ = writeAll([UInt8(ascii: "\n")], to: terminal) }
            }
            if terminal >= 0 { Glibc.close(terminal) }
            let waiters = state.withLock { state in
                defer { state.waiters = [] }
                state.isOver = true
                return state.waiters
            }
            for waiter in waiters { waiter.resume() }
        }

        /// Waits for the end, when dfsh has the terminal again; cancelled, it asks for the end.
        ///
        /// - Returns: Its exit code, or 128 and the signal that ended it.
        func end() async -> Int32 {
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isOver = state.withLock { state in
                        if !state.isOver { state.waiters.append(continuation) }
                        return state.isOver
                    }
                    if isOver { continuation.resume() }
                }
            } onCancel: {
                terminate()
            }
            return state.withLock { $0.code } ?? -1
        }

        /// Ends it with SIGTERM, and what it started where it has a group of its own.
        ///
        /// May be called at any time.
        func terminate() {
            state.withLock { state in
                if state.code != nil { return }
                let target = hasOwnGroup ? -pid : pid
                kill(target, SIGTERM)
                // One that is stopped hears nothing else.
                kill(target, SIGCONT)
            }
        }
    }
}
