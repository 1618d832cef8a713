import DFSProtocol
import Glibc
import Synchronization

/// One name server or file server of a test, which can be killed, stopped, paused and started
/// again.
public final class ClusterServer: Sendable {
    /// Its `--id`.
    public let id: String
    /// Which of the two programs it is.
    public let executable: Executable
    /// The folders that it exports, with the mount path of each; empty for a name server.
    public let exports: [(folder: [UInt8], mount: String)]
    /// Where it keeps its state.
    public let stateFolder: String
    private let options: [String]
    private let launch: Launch
    private let logPath: String
    private let state: Mutex<State>

    /// What stands around a server's own command line.
    public struct Launch: Sendable {
        /// A program and its arguments that become the server, such as `setpriv` and what it takes.
        public var prefix: [String] = []
        /// `NAME=value`, besides what every server gets.
        public var environment: [String] = []

        /// Stands for nothing.
        public init() {}
    }

    private struct State {
        var process: ChildProcess?
        var endpoint: Endpoint?
    }

    init(
        id: String, _ executable: Executable, exports: [(folder: [UInt8], mount: String)],
        stateFolder: String, logPath: String, options: [String], launch: Launch = Launch()
    ) {
        self.id = id
        self.executable = executable
        self.exports = exports
        self.stateFolder = stateFolder
        self.logPath = logPath
        self.options = options
        self.launch = launch
        state = Mutex(State())
    }

    /// Where it listens; the same after every start.
    public var endpoint: Endpoint {
        get throws {
            guard let endpoint = state.withLock({ $0.endpoint }) else {
                throw TestFailure("\(id) has never been started")
            }
            return endpoint
        }
    }

    /// The process that runs now, or ran last.
    public var process: ChildProcess {
        get throws {
            guard let process = state.withLock({ $0.process }) else {
                throw TestFailure("\(id) has never been started")
            }
            return process
        }
    }

    /// Starts it, at its earlier port if it had one, and waits for its `ready` line.
    ///
    /// - Parameter more: Options of this start only.
    public func start(
        with more: [String] = [], within duration: Duration = Deadline.usual
    ) throws {
        let running = state.withLock { $0.process }
        if let running, running.ending == nil { throw TestFailure("\(id) runs already") }
        let address = state.withLock { $0.endpoint }?.description ?? "127.0.0.1:0"
        let ends = try LocalPipe()
        defer { close(ends.near) }
        let log = open(logPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard log >= 0 else { throw TestFailure("no log at \(logPath): \(systemMessage())") }
        let process: ChildProcess
        do {
            defer {
                close(ends.far)
                close(log)
            }
            let words =
                try launch.prefix + [executable.path, "--id", id, "--state", stateFolder]
                + ["--listen", address] + options + more
            process = try ChildProcess(
                words[0], Array(words.dropFirst()),
                environment: ["HOME=\(stateFolder)"] + launch.environment, output: ends.far,
                errors: log)
        }
        state.withLock { $0.process = process }
        let endpoint = try ready(ends.near, Deadline(after: duration))
        state.withLock { $0.endpoint = endpoint }
    }

    /// Reads `ready role=file id=fs1 addr=127.0.0.1:40123`.
    private func ready(_ descriptor: Int32, _ deadline: Deadline) throws -> Endpoint {
        var line: [UInt8] = []
        while line.last != 0x0A {
            var byte: UInt8 = 0
            guard deadline.poll(descriptor, for: POLLIN) != 0, read(descriptor, &byte, 1) == 1
            else {
                throw TestFailure("\(id) did not become ready; its log ends:\n\(logEnd)")
            }
            line.append(byte)
        }
        let words = String(decoding: line.dropLast(), as: UTF8.self).split(separator: " ")
        let role = executable == .nameServer ? "name" : "file"
        guard words.prefix(3) == ["ready", "role=\(role)", "id=\(id)"], words.count == 4,
            words[3].hasPrefix("addr=")
        else { throw TestFailure("no ready line: \(FileSystem.shown(line))") }
        return try Endpoint(String(words[3].dropFirst(5)))
    }

    /// Ends it as a power failure ends a process, and waits until it is gone.
    public func kill() throws {
        try process.signal(SIGKILL)
        _ = try process.wait()
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    @discardableResult
    public func stop() throws -> ChildProcess.Ending {
        try process.signal(SIGTERM)
        return try process.wait()
    }

    /// Makes it stand still (SIGSTOP): connections stay open and nothing is answered.
    public func pause() throws { try process.signal(SIGSTOP) }

    /// Lets it go on (SIGCONT).
    public func resume() throws { try process.signal(SIGCONT) }

    /// Ends it at once where it runs; for cleaning up.
    func end() {
        let process = state.withLock { $0.process }
        process?.killGroup()
        // A killed process ends; if the system is too slow to say so, the leash still has it.
        _ = try? process?.wait()
    }

    /// The last lines of its log.
    public var logEnd: String { FileSystem.tail(logPath) }

    /// Its whole log, as bytes.
    public var log: [UInt8] { get throws { try FileSystem.read(logPath) } }
}
