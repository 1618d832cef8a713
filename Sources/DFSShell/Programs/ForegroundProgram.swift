import CEditLine
import Dispatch
import Glibc
import Synchronization

/// Runs a program of this machine and lends it the terminal.
///
/// Ctrl-C, Ctrl-Z and the like are the program's alone while it has the terminal; a stop stops dfsh
/// with it, as one job. Where dfsh is in the background or has no terminal, the program stays in
/// its process group.
struct ForegroundProgram {
    /// The program and its arguments; the program is looked for in `PATH`.
    let words: [[UInt8]]
    /// What it reads; nil for the terminal, and where there is none for nothing.
    var input: Int32?

    /// A command line of `sh`, with one word behind it as its last argument or none.
    init(shell command: String, _ last: [UInt8]? = nil, input: Int32? = nil) {
        let script = last == nil ? command : command + " \"$1\""
        words =
            ["sh", "-c", script, "sh"].map { [UInt8]($0.utf8) } + (last.map { [$0] } ?? [])
        self.input = input
    }

    /// Runs it to its end; cancelling the task ends it with SIGTERM.
    ///
    /// - Returns: Its exit code, or 128 and the signal that ended it.
    /// - Throws: `ShellFailure` where it can not be started.
    func run() async throws -> Int32 {
        try await start().end()
    }

    /// Starts it.
    func start() throws -> Running {
        let terminal = Glibc.open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
        let owns = dfs_program_owns_terminal(terminal) != 0
        var source = input ?? terminal
        if source < 0 { source = Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC) }
        defer { if input == nil, terminal < 0, source >= 0 { Glibc.close(source) } }
        if owns { dfs_program_keep_mode(terminal) }
        let pid = ForegroundProgram.withArguments(words) {
            dfs_program_start($0, source, owns ? terminal : -1)
        }
        guard pid > 0 else {
            let number = errno
            if terminal >= 0 { Glibc.close(terminal) }
            throw LocalFailure.failure(words.first ?? [], number)
        }
        return Running(pid: pid, terminal: terminal, ownsTerminal: owns)
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

    /// A program that has been started and whose end has to be awaited.
    final class Running: Sendable {
        private let pid: pid_t
        private let terminal: Int32
        private let ownsTerminal: Bool
        /// The number may belong to another program once this one is reaped.
        private let isReaped = Mutex(false)

        init(pid: pid_t, terminal: Int32, ownsTerminal: Bool) {
            (self.pid, self.terminal, self.ownsTerminal) = (pid, terminal, ownsTerminal)
        }

        /// Waits for the end, and takes the terminal back.
        ///
        /// - Returns: Its exit code, or 128 and the signal that ended it.
        func end() async -> Int32 {
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    DispatchQueue(label: "dfsh.program").async {
                        continuation.resume(returning: self.endBlocking())
                    }
                }
            } onCancel: {
                terminate()
            }
        }

        private func endBlocking() -> Int32 {
            dfs_program_wait(pid, ownsTerminal ? terminal : -1)
            let code = isReaped.withLock { isReaped in
                isReaped = true
                return dfs_program_reap(pid)
            }
            if ownsTerminal { dfs_program_take_terminal(terminal) }
            if terminal >= 0 { Glibc.close(terminal) }
            return code
        }

        /// Ends it with SIGTERM; may be called at any time.
        func terminate() {
            isReaped.withLock { isReaped in
                if isReaped { return }
                let target = ownsTerminal ? -pid : pid
                kill(target, SIGTERM)
                // One that is stopped hears nothing else.
                kill(target, SIGCONT)
            }
        }
    }
}
