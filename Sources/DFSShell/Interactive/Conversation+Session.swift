import DFSClient
import DFSProtocol
import Dispatch
import Glibc

extension Conversation {
    /// Lets a person talk to a session until they leave; blocks the calling thread, the main one.
    ///
    /// The first prompt waits for nothing: the name server is asked behind it.
    /// - Returns: What the last line ended with.
    public static func hold(with session: ShellSession) -> ExitCode {
        let variable = { (name: String) in getenv(name).map { String(cString: $0) } }
        let startup = StartupFile.usual(variable)
        wait { await startup?.run(in: session) }
        let history = HistoryRecord(
            file: HistoryFile.usual(variable), limit: session.historyLines)
        session.setHistory { history.lines }
        let watch = session.watchesNameServer ? Task { await session.watchNameServer() } : nil
        defer { watch?.cancel() }
        let code = Conversation(Shell(session), history: history).run()
        wait(atMost: .seconds(2)) { await session.endJobs() }
        return code
    }

    /// Blocks the calling thread until something is done.
    ///
    /// - Parameter time: How long at most; what is not done then goes on.
    private static func wait(
        atMost time: DispatchTimeInterval = .never, _ body: @escaping @Sendable () async -> Void
    ) {
        let isDone = DispatchSemaphore(value: 0)
        Task {
            await body()
            isDone.signal()
        }
        _ = isDone.wait(timeout: time == .never ? .distantFuture : .now() + time)
    }
}

extension Conversation.Shell {
    /// How long an answer may take that comes too late for Tab, and is kept for the next one.
    private static let patience: Duration = .seconds(3)

    /// Takes a session as the shell behind the prompt.
    public init(_ session: ShellSession) {
        self.init(
            commands: CommandTable.rows,
            prompt: {
                let prompt = session.prompt
                return PromptState(
                    directory: prompt.workingDirectory.bytes,
                    isNameServerAway: prompt.isNameServerReachable == false,
                    text: session.promptText, hasColours: session.hasColours)
            },
            run: { line in
                let code = await session.run(line: line)
                return Conversation.Outcome(code, isOver: session.wantsToQuit)
            },
            candidates: { await Conversation.Shell.candidates(for: $0, in: session) },
            closeConnections: { await session.client.closeConnections() })
        aliases = { session.state.withLock { $0.aliases.all.map(\.name) } }
        jobs = { session.shared.jobs.all.map { [UInt8]("%\($0.number)".utf8) } }
        tellNews = {
            session.tellJobs()
            session.output.endLine()
            session.output.settleBlocking()
        }
        mayLeave = { session.mayLeave() }
        historyLines = { session.historyLines }
    }

    private static func candidates(
        for subject: CompletionSubject, in session: ShellSession
    ) async -> CompletionAnswer {
        if case .remote(let directory, let prefix, let onlyDirectories) = subject {
            // A name that can not be in the tree has no entries.
            guard let path = try? session.path(directory) else { return CompletionAnswer() }
            let names = NamesByPrefix(
                directory: path, prefix: prefix, onlyDirectories: onlyDirectories)
            return await session.find(names, within: patience) ?? CompletionAnswer()
        }
        return CompletionAnswer(await names(of: subject, in: session))
    }

    private static func names(
        of subject: CompletionSubject, in session: ShellSession
    ) async -> [CompletionCandidate] {
        switch subject {
        case .servers:
            return (await session.serverNames(within: patience) ?? []).map {
                CompletionCandidate(name: [UInt8]($0.utf8))
            }
        case .handles:
            return session.handleNames.map { CompletionCandidate(name: [UInt8]($0.utf8)) }
        case .serverHandles:
            // Less than Tab waits: one server that hangs must not hide what the others have.
            return (await session.serverHandleNames(within: .milliseconds(400)) ?? []).map {
                CompletionCandidate(name: $0)
            }
        case .commands, .subcommands, .options, .words, .local, .remote, .aliases, .jobs:
            return []
        }
    }
}

extension ShellSession {
    /// Whether the prompt may ask by itself: not where every line of the wire is shown.
    fileprivate var watchesNameServer: Bool { client.options.trace == nil }

    /// Asks for the name server while it is unknown or away, so that the prompt can tell.
    fileprivate func watchNameServer() async {
        // Both listen before anything is asked. The client knows of a failed attempt long before it
        // gives up trying.
        let (shown, asked) = (client.reachabilityChanges, client.reachabilityChanges)
        await withDiscardingTaskGroup { group in
            group.addTask { for await _ in shown { Conversation.promptChanged() } }
            group.addTask {
                // Whether it answers is seen by the client, and why not is no concern here.
                _ = await self.serverNames(within: .seconds(5))
                await self.askUntilThere()
                for await isThere in asked where !isThere { await self.askUntilThere() }
            }
        }
    }

    /// Asks once a second while nobody answers: a name server that comes back tells nobody.
    private func askUntilThere() async {
        while prompt.isNameServerReachable != true, !Task.isCancelled {
            // Cancelled, the loop ends by itself.
            try? await Task.sleep(for: .seconds(1))
            _ = await serverNames(within: .seconds(5))
        }
    }
}
