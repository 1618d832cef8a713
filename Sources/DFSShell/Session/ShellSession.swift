import DFSClient
import DFSProtocol
import Glibc
import Synchronization

/// One person's or script's place in the tree: working directory, open sessions, and a way to run
/// lines.
///
/// `run` is called for one line at a time; everything else may be called from any thread meanwhile.
public final class ShellSession: Sendable {
    /// What a prompt shows.
    public struct Prompt: Equatable, Sendable {
        /// Where relative paths start.
        public let workingDirectory: TreePath
        /// Whether the name server answered last time; nil before it was asked.
        public let isNameServerReachable: Bool?
    }

    /// What all parts of a shell know, whoever of them changed it.
    final class Shared: Sendable {
        let state = SessionState()
        let disk = LocalDisk()
        let jobs = JobTable()
    }

    /// Asks the servers.
    public let client: DFSClient
    /// Takes results and complaints.
    public let output: ShellOutput
    /// Whether a person sits there: the only case in which anything is asked.
    public let isInteractive: Bool
    /// Whether standard input holds the commands, and is no command's to read.
    public let readsCommandsFromInput: Bool
    /// How long `tail -f` waits for a file server that is away; nil for as long as it takes.
    public let outagePatience: Duration?
    /// Whether this is a job's: nobody can be asked, and the keys are not its.
    let isJob: Bool
    let shared: Shared
    /// The deadline where nobody set another one.
    let usualDeadline: Duration
    private let place: Place

    /// Where relative paths start.
    private final class Place: Sendable {
        let directory: Mutex<(now: TreePath, before: TreePath)>
        init(_ directory: TreePath) { self.directory = Mutex((directory, directory)) }
    }

    /// Starts at the top of the tree.
    public init(
        client: DFSClient, output: ShellOutput, isInteractive: Bool = false,
        readsCommandsFromInput: Bool = false, outagePatience: Duration? = nil
    ) {
        self.outagePatience = outagePatience
        self.readsCommandsFromInput = readsCommandsFromInput || isInteractive
        self.client = client
        self.output = output
        self.isInteractive = isInteractive
        isJob = false
        shared = Shared()
        usualDeadline = client.options.deadline
        place = Place(.root)
    }

    /// The same shell with its results elsewhere; a job stays in the directory it was started in.
    init(_ session: ShellSession, output: ShellOutput, isJob: Bool = false) {
        client = session.client
        outagePatience = session.outagePatience
        readsCommandsFromInput = session.readsCommandsFromInput || isJob
        isInteractive = session.isInteractive
        self.isJob = session.isJob || isJob
        self.output = output
        shared = session.shared
        usualDeadline = session.usualDeadline
        place = isJob ? Place(session.workingDirectory) : session.place
    }

    var state: SessionState { shared.state }
    var disk: LocalDisk { shared.disk }

    /// Tells a failure on standard error, unless that was done.
    func tell(_ error: any Error) -> ExitCode {
        let failure = ShellFailure(error)
        if failure.sentence.isEmpty {
            output.flush()
        } else {
            output.complain(failure.sentence, failure.code, failure.error)
        }
        return failure.code
    }

    /// The same failure, where a server is down with why it said goodbye, if it did.
    func explained(_ error: any Error) async -> any Error {
        guard let failure = error as? DFSError, failure.known == .serverDown,
            let id = failure.server,
            // Without an answer the sentence says less, and nothing that is wrong.
            let servers = try? await client.servers(),
            let server = servers.first(where: { $0.id == id }), server.state == .goodbye
        else { return error }
        return ShellFailure(
            ExitCode(failure.category),
            ErrorSentence.text(failure, goodbye: server.isAway ? .away : .stopped),
            failure)
    }

    /// What a prompt shows now.
    public var prompt: Prompt {
        Prompt(
            workingDirectory: workingDirectory, isNameServerReachable: client.isNameServerReachable)
    }

    /// Where relative paths start.
    public var workingDirectory: TreePath { place.directory.withLock { $0.now } }

    /// Where relative paths started before they were made to start elsewhere.
    var lastDirectory: TreePath { place.directory.withLock { $0.before } }

    /// Makes relative paths start elsewhere.
    func changeDirectory(to path: TreePath) {
        place.directory.withLock { $0 = (path, $0.now) }
    }

    /// Whether `quit` was run.
    public var wantsToQuit: Bool { state.withLock { $0.wantsToQuit } }

    /// Tells `history` where the lines are; there are none before.
    public func setHistory(_ lines: @escaping @Sendable () -> [[UInt8]]) {
        state.withLock { $0.history = lines }
    }

    /// Asks the person whether to go on; a script is not asked.
    ///
    /// The terminal collects lines while a command runs. Its end and an empty line mean no.
    /// - Throws: `CancellationError` after Ctrl-C; `LocalFailure`; `ShellFailure` in a job.
    func confirms(_ question: String) async throws -> Bool {
        guard isInteractive else { return true }
        if isJob {
            throw ShellFailure(
                .usage, "\(question) Nobody is asked in the background: -f says yes before")
        }
        guard tcgetpgrp(STDIN_FILENO) == getpgrp() else {
            throw ShellFailure(
                .usage,
                "\(question) Nobody is asked while the program behind | or > has the terminal: -f "
                    + "says yes before")
        }
        output.tell("dfsh: \(question) (y or n) ")
        _ = await output.settle()
        let answer = try await DescriptorWait.read(STDIN_FILENO, count: 4096)
        return answer.first == UInt8(ascii: "y") || answer.first == UInt8(ascii: "Y")
    }

    /// Ends jobs, and open sessions by closing the connections.
    public func close() async {
        await shared.jobs.endAll()
        _ = await output.settle()
        await client.close()
    }
}
