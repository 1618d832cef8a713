import Glibc
import Synchronization

/// A running program that the test owns; it is killed when the last reference is gone.
public final class ChildProcess: Sendable {
    /// How a program ended.
    public enum Ending: Equatable, Sendable {
        /// It returned or called `exit`.
        case exit(Int32)
        /// A signal ended it.
        case signal(Int32)
    }

    /// Its number, which is that of its process group too.
    public let pid: pid_t
    /// Hangs up when the process has been waited for.
    private let hangUp: Int32
    /// Shared with the thread that waits, which may outlive this object.
    private let state = State()

    private final class State: Sendable {
        let ending = Mutex<Ending?>(nil)
    }

    /// Starts a program with nothing in its environment but what is given.
    ///
    /// - Parameters:
    ///   - environment: `NAME=value`; `PATH` and what the dynamic linker needs are added.
    ///   - input: Becomes standard input; nil is `/dev/null`, and so with the other two.
    public init(
        _ path: String, _ arguments: [String], environment: [String] = [], input: Int32? = nil,
        output: Int32? = nil, errors: Int32? = nil, folder: String? = nil
    ) throws {
        let leash = try Leash.shared()
        let ends = try LocalPipe()
        hangUp = ends.near
        pid = try Leash.spawn(
            path, arguments, environment: ChildProcess.completed(environment), input: input,
            output: output, errors: errors, folder: folder)
        leash.started(pid)
        let other = ends.far
        try BlockingThread.start { [pid, state] in
            ChildProcess.wait(pid, state, leash)
            close(other)
        }
    }

    deinit {
        killGroup()
        close(hangUp)
    }

    private static func completed(_ environment: [String]) -> [String] {
        let inherited = ["PATH", "LD_LIBRARY_PATH", "TMPDIR"].compactMap { name in
            environment.contains { $0.hasPrefix("\(name)=") }
                ? nil : Leash.variable(name).map { "\(name)=\($0)" }
        }
        return environment + inherited
    }

    /// Waits for the end, then makes it known in one step with the number becoming free.
    private static func wait(_ pid: pid_t, _ state: State, _ leash: Leash) {
        var information = siginfo_t()
        while waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        state.ending.withLock { ending in
            leash.ended(pid)
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            let signal = status & 0x7F
            ending = signal == 0 ? .exit(status >> 8 & 0xFF) : .signal(signal)
        }
    }

    /// How it ended; nil while it runs.
    public var ending: Ending? { state.ending.withLock { $0 } }

    /// Sends a signal to it alone; nothing happens when it has ended.
    public func signal(_ number: Int32) {
        state.ending.withLock { if $0 == nil { _ = kill(pid, number) } }
    }

    /// Ends it and what it started, at once.
    public func killGroup() {
        state.ending.withLock { if $0 == nil { _ = kill(-pid, SIGKILL) } }
    }

    /// Waits until it has ended.
    ///
    /// - Throws: `TestFailure` when the time is over; it runs on then.
    public func wait(within duration: Duration = Deadline.usual) throws -> Ending {
        _ = Deadline(after: duration).poll(hangUp, for: POLLIN)
        guard let ending else { throw TestFailure("process \(pid) did not end in \(duration)") }
        return ending
    }

    /// Memory that it has in use, in bytes, as the system counts it; nil when it has ended.
    public var residentBytes: Int? {
        // Its folder in /proc is gone as soon as it has ended.
        guard let text = try? FileSystem.read("/proc/\(pid)/status") else { return nil }
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n")
        where line.hasPrefix("VmRSS:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map {
                $0 * 1024
            }
        }
        return nil
    }
}
