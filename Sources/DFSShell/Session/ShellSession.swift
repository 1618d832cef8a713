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

    struct State {
        var workingDirectory = TreePath.root
        var sessions: [String: RemoteFile] = [:]
        var sessionsOpened = 0
        var wantsToQuit = false
        var history: @Sendable () -> [[UInt8]] = { [] }
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
    let state = Mutex(State())
    let disk = LocalDisk()

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
    }

    /// Runs the commands of a line one after another and stops at the first that fails.
    ///
    /// Failures have been told on standard error. Cancelling the task ends the command.
    /// - Returns: The code of the command that failed, or `ok`.
    public func run(line: [UInt8]) async -> ExitCode {
        let code = await runAll(line)
        // The next prompt starts a line, whatever a file ended in.
        if isInteractive { output.endLine() }
        _ = await output.settle()
        return code
    }

    private func runAll(_ line: [UInt8]) async -> ExitCode {
        let commands: [[Word]]
        do {
            commands = try LineSplitter.split(line)
        } catch {
            return tell(error)
        }
        for words in commands {
            let code = await run(words: words)
            if code != .ok || wantsToQuit { return code }
        }
        return .ok
    }

    /// Runs one command; `-` before its name lets its failure pass as `ok`.
    public func run(words: [Word]) async -> ExitCode {
        let (words, marks) = CommandMarks.take(from: words)
        guard let name = words.first else { return .ok }
        var code = ExitCode.ok
        do {
            guard let (command, rest) = CommandTable.find(CommandTable.helpCall(words)) else {
                throw ShellFailure(.usage, "\(name.shown) is no command; help lists them")
            }
            let invocation = try Invocation(command.row, words: rest)
            try await command.run(self, invocation)
        } catch {
            code = tell(await explained(error))
        }
        if let number = await output.settle() {
            output.complain(LocalFailure.sentence("standard output", number), .failed)
            if code == .ok { code = .failed }
            _ = await output.settle()
        }
        return marks.ignoresFailure && code != .interrupted ? .ok : code
    }

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
    public var workingDirectory: TreePath { state.withLock { $0.workingDirectory } }

    /// Whether `quit` was run.
    public var wantsToQuit: Bool { state.withLock { $0.wantsToQuit } }

    /// Tells `history` where the lines are; there are none before.
    public func setHistory(_ lines: @escaping @Sendable () -> [[UInt8]]) {
        state.withLock { $0.history = lines }
    }

    /// Asks the person whether to go on; a script is not asked.
    ///
    /// The terminal collects lines while a command runs. Its end and an empty line mean no.
    /// - Throws: `CancellationError` after Ctrl-C; `LocalFailure`.
    func confirms(_ question: String) async throws -> Bool {
        guard isInteractive else { return true }
        output.tell("dfsh: \(question) (y or n) ")
        _ = await output.settle()
        let answer = try await DescriptorWait.read(STDIN_FILENO, count: 4096)
        return answer.first == UInt8(ascii: "y") || answer.first == UInt8(ascii: "Y")
    }

    /// Ends open sessions by closing the connections.
    public func close() async {
        _ = await output.settle()
        await client.close()
    }
}

/// What stands before a command's name: `-` and `@`.
public struct CommandMarks: Equatable, Sendable {
    /// `-`: a failure is told and then passes.
    public var ignoresFailure = false
    /// `@`: the command is not echoed.
    public var isSilent = false

    /// Takes the marks off the first word.
    public static func take(from words: [Word]) -> (words: [Word], marks: CommandMarks) {
        var marks = CommandMarks()
        guard let first = words.first, !first.hasQuotes else { return (words, marks) }
        var bytes = first.bytes[...]
        while let mark = bytes.first, bytes.count > 1 {
            if mark == UInt8(ascii: "-") {
                marks.ignoresFailure = true
            } else if mark == UInt8(ascii: "@") {
                marks.isSilent = true
            } else {
                break
            }
            bytes = bytes.dropFirst()
        }
        return ([Word(plain: Array(bytes))] + words.dropFirst(), marks)
    }
}
