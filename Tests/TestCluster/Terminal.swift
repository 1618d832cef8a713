import Glibc

/// A program on a terminal of its own, driven by keys and judged by its screen.
///
/// Nothing here sleeps: a wait reads what the program writes until the screen is as it should be.
/// Belongs to the one thread of its test. The program ends with the last reference.
public final class Terminal {
    /// What the person sees now.
    public private(set) var screen: TerminalScreen
    /// Everything that the program wrote, for what a screen does not show.
    public private(set) var output: [UInt8] = []
    /// The program's number, which is that of its session and process group too.
    public let pid: pid_t

    /// What the program needs, such as its servers; lives as long as the terminal does.
    private let surroundings: AnyObject?
    private let master: Int32
    private let leash: Leash
    private var ending: ChildProcess.Ending?
    private var isHungUp = false

    /// Starts a program as the leader of a session with a new terminal.
    ///
    /// - Parameters:
    ///   - environment: `NAME=value`; `PATH` is added, `TERM` is not.
    ///   - surroundings: What the program needs, kept for as long as the terminal.
    public init(
        _ path: String, _ arguments: [String] = [], environment: [String], columns: Int = 80,
        rows: Int = 24, surroundings: AnyObject? = nil
    ) throws {
        self.surroundings = surroundings
        screen = TerminalScreen(columns: columns, height: rows)
        leash = try Leash.shared()
        // What posix_openpt(3) and its kin do, which the headers show to GNU programs only.
        let (unlocks, tellsNumber) = (UInt(0x4004_5431), UInt(0x8004_5430))
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var (lock, number) = (Int32(0), UInt32(0))
        guard master >= 0, ioctl(master, unlocks, &lock) == 0,
            ioctl(master, tellsNumber, &number) == 0
        else { throw TestFailure("no terminal: \(systemMessage())") }
        Terminal.setSize(master, columns, rows)
        let inherited = ["PATH", "LD_LIBRARY_PATH"].compactMap { variable in
            Leash.variable(variable).map { "\(variable)=\($0)" }
        }
        pid = try Terminal.spawn(
            [path] + arguments, environment: inherited + environment, terminal: "/dev/pts/\(number)"
        )
        leash.started(pid)
    }

    deinit {
        if ending == nil {
            kill(-pid, SIGKILL)
            _ = reap()
        }
        close(master)
    }

    private static func setSize(_ descriptor: Int32, _ columns: Int, _ rows: Int) {
        var size = winsize(
            ws_row: UInt16(clamping: rows), ws_col: UInt16(clamping: columns), ws_xpixel: 0,
            ws_ypixel: 0)
        _ = ioctl(descriptor, UInt(TIOCSWINSZ), &size)
    }

    /// The first terminal that a session leader opens becomes its controlling one.
    private static func spawn(
        _ words: [String], environment: [String], terminal: String
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, terminal, O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, 0, 1)
        posix_spawn_file_actions_adddup2(&actions, 0, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        // POSIX_SPAWN_SETSID, which the headers show to GNU programs only.
        let newSession: Int32 = 0x80
        posix_spawnattr_setflags(
            &attributes, Int16(newSession | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let argv = words.map { strdup($0) } + [nil]
        let envp = environment.map { strdup($0) } + [nil]
        defer { (argv + envp).forEach { free($0) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, words[0], &actions, &attributes, argv, envp)
        guard code == 0 else { throw TestFailure("no \(words[0]): \(systemMessage(code))") }
        return pid
    }

    /// Types text as a person would; `\r` is Enter, `\t` Tab, `\u{3}` Ctrl-C.
    public func type(_ text: String) throws {
        var rest = Array(text.utf8)[...]
        let deadline = Deadline()
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(master, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR && errno != EAGAIN || deadline.isOver {
                throw TestFailure("the terminal takes no keys: \(systemMessage())")
            }
        }
    }

    /// Changes the terminal's size and, as a window does, tells the program.
    ///
    /// The screen is blank afterwards: how a terminal rewraps old rows is its own affair.
    public func resize(columns: Int, rows: Int) {
        screen = TerminalScreen(columns: columns, height: rows)
        Terminal.setSize(master, columns, rows)
    }

    /// Whether the terminal echoes and collects lines, as it did before the program started.
    public var isInLineMode: Bool {
        var settings = termios()
        guard tcgetattr(master, &settings) == 0 else { return false }
        return settings.c_lflag & UInt32(ECHO) != 0 && settings.c_lflag & UInt32(ICANON) != 0
    }

    /// Sends a signal to the program alone.
    public func signal(_ number: Int32) { kill(pid, number) }

    /// Waits until the screen is as it should be.
    ///
    /// - Throws: `TestFailure` with the screen, when the time is over or the program has ended.
    public func waitUntil(
        _ what: String, within duration: Duration = Deadline.usual,
        _ isReached: (TerminalScreen) -> Bool
    ) throws {
        let deadline = Deadline(after: duration)
        while !isReached(screen) {
            guard try readSome(deadline) else {
                throw TestFailure("the screen never showed \(what):\n\(screen.text)\n<end>")
            }
        }
    }

    /// Waits until the row with the cursor is exactly this, trailing spaces aside.
    public func waitForLine(_ line: String) throws {
        try waitUntil("the line \(line)") { $0.line == line }
    }

    /// Waits until some row is exactly this, trailing spaces aside.
    public func waitForRow(_ row: String) throws {
        try waitUntil("the row \(row)") { $0.rows.contains(row) }
    }

    /// Waits for the program's end and reads what it writes until then.
    public func waitForEnd(within duration: Duration = Deadline.usual) throws -> ChildProcess.Ending
    {
        if let ending { return ending }
        let deadline = Deadline(after: duration)
        while try readSome(deadline) {}
        guard isHungUp else {
            throw TestFailure("the program did not end; its screen:\n\(screen.text)\n<end>")
        }
        return reap()
    }

    /// Reads what is there, waiting for it; false at the end and when the time is over.
    private func readSome(_ deadline: Deadline) throws -> Bool {
        guard !isHungUp, deadline.poll(master, for: POLLIN) != 0 else { return false }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(master, &buffer, buffer.count)
        if count < 0, errno == EINTR { return true }
        // EIO: nobody has the terminal open any more.
        guard count > 0 else {
            isHungUp = true
            return false
        }
        output.append(contentsOf: buffer[..<count])
        screen.write(buffer[..<count])
        return true
    }

    private func reap() -> ChildProcess.Ending {
        leash.ended(pid)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7F
        let result = signal == 0 ? ChildProcess.Ending.exit(status >> 8 & 0xFF) : .signal(signal)
        ending = result
        return result
    }
}
