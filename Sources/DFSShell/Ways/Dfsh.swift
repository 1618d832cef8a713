import DFSClient
import DFSProtocol
import DFSTransport
import Dispatch
import Glibc
import Synchronization

/// The whole of the dfsh program but for its `main`.
public enum Dfsh {
    /// Runs dfsh and says what the process ends with; blocks the calling thread, the main one.
    ///
    /// - Parameter arguments: Without the program's name.
    public static func run(arguments: [[UInt8]]) -> Int32 {
        // A reader that went away is seen as a write that fails.
        signal(SIGPIPE, SIG_IGN)
        raiseDescriptorLimit()
        let options = Result { try DfshOptions(arguments) }
        let output = ShellOutput.ofProcess(isJSON: wantsJSON(options, arguments))
        do {
            return try run(options.get(), output).rawValue
        } catch {
            let failure = ShellFailure(error)
            output.complain(failure.sentence, failure.code, failure.error)
            output.settleBlocking()
            return failure.code.rawValue
        }
    }

    /// Who asks for JSON is told in JSON also that the options are not understood.
    private static func wantsJSON(
        _ options: Result<DfshOptions, any Error>, _ arguments: [[UInt8]]
    ) -> Bool {
        switch options {
        case .success(let options): options.isJSON
        case .failure: arguments.contains([UInt8]("--json".utf8))
        }
    }

    private static func run(_ options: DfshOptions, _ output: ShellOutput) throws -> ExitCode {
        if options.wantsHelp || options.wantsVersion {
            output.line(options.wantsHelp ? DfshOptions.help : "dfsh DFS/1")
            guard let number = output.settleBlocking() else { return .ok }
            throw ShellFailure(.failed, LocalFailure.sentence("standard output", number))
        }
        let hasTerminal = isatty(STDIN_FILENO) == 1
        let isInteractive = options.source == .standardInput && hasTerminal
        let session = ShellSession(
            client: try client(options, output), output: output,
            isInteractive: isInteractive,
            readsCommandsFromInput: options.source == .standardInput,
            outagePatience: options.deadlineMilliseconds.map { .milliseconds($0) })
        if isInteractive {
            // The end of the process closes its connections, without waiting for a server that is
            // just being dialled and does not answer.
            defer { output.settleBlocking() }
            return Conversation.hold(with: session)
        }
        if case .words(let words) = options.source, hasTerminal, output.isTerminal,
            words.first.map({ $0.elementsEqual(WireCommand.row.name.utf8) }) == true
        {
            defer { output.settleBlocking() }
            return try WireConversation.hold(Array(words.dropFirst()), with: session)
        }
        return interruptible { await run(options, session) }
    }

    private static func client(
        _ options: DfshOptions, _ output: ShellOutput
    ) throws -> DFSClient {
        var settings = ClientOptions()
        // Ctrl-C takes back one request, and sessions that are held stay on their connection; bytes
        // do not wait behind a digest. Untagged, a trace reads like a session that was typed.
        settings.tagsEveryRequest = options.trace == .none
        if let milliseconds = options.deadlineMilliseconds {
            settings.deadline = .milliseconds(milliseconds)
            settings.connectTimeout = min(settings.connectTimeout, settings.deadline)
        }
        let writer: TraceWriter? =
            switch options.trace {
            case .none: nil
            case .standardError: TraceWriter { output.trace($0) }
            case .file(let path): try TraceWriter(file: path, output)
            }
        if let writer { settings.trace = { writer.write($1, at: $0) } }
        return DFSClient(nameServers: try nameServers(options), options: settings)
    }

    private static func nameServers(_ options: DfshOptions) throws -> [Endpoint] {
        var text = options.nameServers.map { String(decoding: $0, as: UTF8.self) }
        if text == nil, let value = getenv("DFSH_NAMESERVER"), value.pointee != 0 {
            text = String(cString: value)
        }
        guard let text else { return [Endpoint(host: "127.0.0.1", port: 7400)] }
        do throws(RequestError) {
            return try Endpoint.list(text)
        } catch {
            let shown = Quoting.text([UInt8](text.utf8))
            throw ShellFailure(.usage, "name server \(shown): \(error.advice)")
        }
    }

    private static func run(_ options: DfshOptions, _ session: ShellSession) async -> ExitCode {
        let script = Script(
            session: session, echoes: options.echoes, keepsGoing: options.keepsGoing)
        let code: ExitCode
        switch options.source {
        case .standardInput: code = await script.run(descriptor: STDIN_FILENO)
        case .line(let line): code = await script.run(line)
        case .words(let words): code = await run(words, session)
        case .file(let path):
            let descriptor = LocalName.withPath(path) { Glibc.open($0, O_RDONLY | O_CLOEXEC) }
            if descriptor < 0 {
                code = session.tell(LocalFailure(path: path, number: errno))
            } else {
                code = await script.run(descriptor: descriptor)
                Glibc.close(descriptor)
            }
        }
        // What was started is finished, unless somebody wants an end now: that is why it throws.
        let jobs = (try? await session.waitForJobs()) ?? .interrupted
        await session.close()
        return code == .ok ? jobs : code
    }

    /// Words of the process stand for themselves: nothing in them is a pattern.
    private static func run(_ words: [[UInt8]], _ session: ShellSession) async -> ExitCode {
        await session.run(words: words.map(Word.init(argument:)))
    }

    /// Waits for a task on the calling thread; Ctrl-C cancels it, a second one ends the process.
    private static func interruptible(
        _ body: @escaping @Sendable () async -> ExitCode
    ) -> ExitCode {
        let finished = DispatchSemaphore(value: 0)
        let outcome = Outcome()
        let task = Task {
            let code = await body()
            outcome.code.withLock { $0 = code }
            finished.signal()
        }
        let sources = [SIGINT, SIGTERM, SIGHUP].compactMap {
            number -> (any DispatchSourceSignal)? in
            // What was ignored from outside stays so: nohup, a job in the background.
            if isIgnored(signal(number, SIG_IGN)) { return nil }
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler {
                if task.isCancelled { _exit(128 + number) }
                outcome.signal.withLock { $0 = number }
                task.cancel()
            }
            source.resume()
            return source
        }
        finished.wait()
        for source in sources { source.cancel() }
        if let number = outcome.signal.withLock({ $0 }), number != SIGINT {
            // Whoever sent it sees that it was heeded.
            signal(number, SIG_DFL)
            raise(number)
        }
        return task.isCancelled ? .interrupted : outcome.code.withLock { $0 }
    }

    private final class Outcome: Sendable {
        let code = Mutex(ExitCode.ok)
        /// What cancelled the task.
        let signal = Mutex<Int32?>(nil)
    }

    private static func isIgnored(_ handler: (@convention(c) (Int32) -> Void)?) -> Bool {
        unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// A deep tree needs a descriptor a level, and the system's default is low.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = min(limit.rlim_max, 65_536)
        // Where it can not be raised, a tree that is too deep says so by itself.
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
