import ArgumentParser
import DFSProtocol
import Glibc
import Logging

extension ServerProgram {
    /// Reads the options, starts the server, says that it is ready, serves until a signal, and
    /// ends.
    ///
    /// Exit codes: 0 after a planned stop, `--help` or `--version`; 1 with a sentence on standard
    /// error where the server can not start or could not come to rest; 2 where the options make no
    /// sense.
    public static func launch() async -> Never {
        signal(SIGPIPE, SIG_IGN)
        // A limit on file sizes is then an error of write, which has its own answer.
        signal(SIGXFSZ, SIG_IGN)
        DescriptorLimit.raise()
        let signals = StopSignals()
        LoggingSystem.bootstrap { _ in StandardErrorLog() }
        let program = read(Array(CommandLine.arguments.dropFirst()))
        do {
            try await program.serve(until: signals)
            ExitStatus.stopped.exitProcess()
        } catch {
            end(with: sentence(for: error))
        }
    }

    private func serve(until signals: StopSignals) async throws {
        try refuseStrangers(listen)
        let path = try StateDirectory.path(option: shared.state, id: id)
        let state = try StateDirectory(at: path)
        let log = Logger(label: Self.name)
        let server = try await start(in: state, log: log)
        try announce(server.endpoint)
        let stop = await signals.first()
        log.notice("stopping", metadata: ["signal": "\(stop)"])
        try await server.stop()
        try state.release()
    }

    /// Writes the one line on standard output that says where the server can be reached.
    private func announce(_ endpoint: Endpoint) throws {
        let line = "ready role=\(Self.role.rawValue) id=\(id) addr=\(endpoint)\n"
        guard writeAll(line, to: STDOUT_FILENO) else {
            throw StartError("the ready line can not be written to standard output")
        }
    }

    private static var name: String { configuration.commandName ?? _commandName }

    /// Reads the options from the configuration file and the command line, or ends the process.
    private static func read(_ arguments: [String]) -> Self {
        do {
            if arguments == [ServerManual.option] {
                let isShown = writeAll(
                    try ServerManual.text(of: Self.self) + "\n", to: STDOUT_FILENO)
                (isShown ? ExitStatus.stopped : .failed).exitProcess()
            }
            let merged = try SettingsFile.merge(into: arguments, for: Self.self)
            let command = try parseAsRoot(merged)
            if let program = command as? Self { return program }
            throw CleanExit.helpRequest(Self.self)
        } catch let error as StartError {
            end(with: error.description, status: .usage)
        } catch {
            let text = fullMessage(for: error)
            guard exitCode(for: error) == .success else {
                _ = writeAll(Printable.text(text) + "\n", to: STDERR_FILENO)
                ExitStatus.usage.exitProcess()
            }
            let isShown = writeAll(text + "\n", to: STDOUT_FILENO)
            (isShown ? ExitStatus.stopped : .failed).exitProcess()
        }
    }

    /// Ends the process with exit code 1 and one sentence on standard error.
    ///
    /// What was logged before stands before it. Who does not read is waited for a second at most.
    public static func end(with sentence: String) -> Never { end(with: sentence, status: .failed) }

    private static func end(with sentence: String, status: ExitStatus) -> Never {
        LogLines.ofProcess.add("\(name): \(Printable.text(sentence))\n", isLast: true)
        status.exitProcess()
    }

    private static func sentence(for error: any Error) -> String {
        (error as? RequestError)?.advice ?? "\(error)"
    }
}

/// How the process ends.
enum ExitStatus: Int32, CaseIterable {
    case stopped = 0
    case failed = 1
    case usage = 2

    /// What the manual says of it.
    var meaning: String {
        switch self {
        case .stopped: "Stopped as planned by SIGTERM, SIGINT or SIGHUP, or only asked for words."
        case .failed: "Could not start, or could not go on; a sentence on standard error says why."
        case .usage: "Options that make no sense."
        }
    }

    /// Ends it; `ParsableCommand.exit` would answer usage errors with 64.
    func exitProcess() -> Never {
        LogLines.ofProcess.flush()
        exit(rawValue)
    }
}

/// Refuses to listen where strangers could come from, as long as nobody is asked who he is.
///
/// - Throws: `StartError` for every address that is not this machine's loopback.
/// - Source: Protocol.md, "Security".
public func refuseStrangers(_ endpoint: Endpoint) throws(StartError) {
    guard endpoint.isLoopback else {
        throw StartError(
            "\(endpoint) can be reached by strangers and there is no authentication yet: listen on "
                + "127.0.0.1 or [::1], and let other machines in through a tunnel such as ssh -L")
    }
}

/// Writes text as a whole; false where the descriptor is gone.
func writeAll(_ text: String, to descriptor: Int32) -> Bool {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        if count < 0, errno == EAGAIN {
            // A terminal that others made non-blocking: until it takes more.
            var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            _ = poll(&room, 1, 1000)
            continue
        }
        guard count > 0 else { return false }
        rest = rest.dropFirst(count)
    }
    return true
}
