import CEditLine
import Dispatch
import Glibc
import Synchronization

/// A text that `sh` runs on this machine.
///
/// Its end is waited for on a thread of its own, and it is never signalled after its end.
final class LocalProcess: Sendable {
    /// How it ended.
    enum Ending: Equatable, Sendable {
        case exit(Int32)
        case signal(Int32)
    }

    /// Which descriptors it gets as its first three, and one more that a script may write to.
    struct Streams {
        /// nil for nothing to read.
        var input: Int32?
        var output = STDOUT_FILENO
        var errors = STDERR_FILENO
        /// Becomes descriptor 3.
        var ready: Int32?
    }

    private let number: pid_t
    private let hasOwnGroup: Bool
    private let state = State()

    private final class State: Sendable {
        struct Values {
            var ending: Ending?
            var waiters: [CheckedContinuation<Void, Never>] = []
        }

        let values = Mutex(Values())
    }

    /// Starts `sh -c text`.
    ///
    /// - Parameter hasOwnGroup: Whether keys of the terminal, such as Ctrl-C, do not reach it.
    /// - Throws: `ShellFailure`.
    init(_ text: [UInt8], _ streams: Streams, hasOwnGroup: Bool) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input = streams.input {
            posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        } else {
            posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_adddup2(&actions, streams.output, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, streams.errors, STDERR_FILENO)
        if let ready = streams.ready { posix_spawn_file_actions_adddup2(&actions, ready, 3) }
        // Nothing else of this process is its business, whoever forgot to say so.
        dfs_spawn_close_from(&actions, streams.ready == nil ? 3 : 4)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        LocalProcess.setSignals(&attributes, hasOwnGroup: hasOwnGroup)

        var started = pid_t()
        let words = [[UInt8]("sh".utf8), [UInt8]("-c".utf8), text]
        let code = LocalProcess.withPointers(words) {
            posix_spawn(&started, "/bin/sh", &actions, &attributes, $0, dfs_environment())
        }
        guard code == 0 else {
            throw ShellFailure(.failed, LocalFailure.sentence("/bin/sh", code))
        }
        number = started
        self.hasOwnGroup = hasOwnGroup
        DispatchQueue(label: "dfsh.child").async { [number, state] in
            LocalProcess.watch(number, state)
        }
    }

    /// What is caught or ignored here is not so there; nothing is held back.
    private static func setSignals(_ attributes: inout posix_spawnattr_t, hasOwnGroup: Bool) {
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var usual = sigset_t()
        sigemptyset(&usual)
        for number in [SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP] { sigaddset(&usual, number) }
        posix_spawnattr_setsigdefault(&attributes, &usual)
        var flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        if hasOwnGroup {
            posix_spawnattr_setpgroup(&attributes, 0)
            flags |= POSIX_SPAWN_SETPGROUP
        }
        posix_spawnattr_setflags(&attributes, Int16(flags))
    }

    private static func withPointers<Result>(
        _ words: [[UInt8]], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        // A NUL would end a word early; no text that was typed or read as a line of text has one.
        var pointers = words.map { word in
            strdup(word.filter { $0 != 0 }.map { CChar(bitPattern: $0) } + [0])
        }
        defer { pointers.forEach { free($0) } }
        pointers.append(nil)
        return body(pointers)
    }

    private static func watch(_ number: pid_t, _ state: State) {
        var information = siginfo_t()
        while waitid(P_PID, id_t(number), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        let waiters = state.values.withLock { values in
            var status: Int32 = 0
            while waitpid(number, &status, 0) < 0, errno == EINTR {}
            let signal = status & 0x7F
            values.ending = signal == 0 ? .exit(status >> 8 & 0xFF) : .signal(signal)
            defer { values.waiters = [] }
            return values.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Waits for its end; cancelled, it asks it to end, and waits all the same.
    func end() async -> Ending {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let hasEnded = state.values.withLock { values in
                    if values.ending == nil { values.waiters.append(continuation) }
                    return values.ending != nil
                }
                if hasEnded { continuation.resume() }
            }
        } onCancel: {
            terminate()
        }
        return state.values.withLock { $0.ending } ?? .exit(0)
    }

    /// Asks it to end, and what it started where it has a group of its own.
    func terminate() {
        state.values.withLock { values in
            if values.ending == nil { _ = kill(hasOwnGroup ? -number : number, SIGTERM) }
        }
    }
}
