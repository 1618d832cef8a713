import Glibc

/// What goes through `sh`: `!cmd`, `| cmd` and `> file`.
extension ShellSession {
    /// Runs a text of `sh` and waits for its end.
    ///
    /// A person's own shell is run where there is no text.
    /// - Throws: `ShellFailure` where it does not end with 0.
    func runProgram(_ text: [UInt8]) async throws {
        let text = text.isEmpty ? [UInt8]("exec \"${SHELL:-/bin/sh}\"".utf8) : text
        _ = await output.settle()
        // What holds the commands is not a program's to read, but for a terminal.
        let hasInput = isJob ? false : isInteractive || !readsCommandsFromInput
        let input = hasInput ? STDIN_FILENO : nil
        let code = try await withProgram(text, input: input) { await $0.end() }
        try Task.checkCancellation()
        guard let failure = ShellSession.code(code) else { return }
        if failure == .interrupted { throw ShellFailure.told(failure) }
        // Which one it was is lost in our own code.
        throw ShellFailure(
            failure, code < 128 ? "it ended with \(code)" : "it was ended by signal \(code - 128)")
    }

    /// Starts a text of `sh`, whose results and complaints go where those of this shell go.
    private func withProgram<Answer: Sendable>(
        _ text: [UInt8], input: Int32?, ready: Int32? = nil,
        _ body: (LocalProgram.Running) async throws -> Answer
    ) async throws -> Answer {
        guard output.isOfProcess else {
            let drain = try ProgramDrain(output)
            let program = try LocalProgram(
                text: text, drain.streams(input: input, ready: ready), keys: isJob ? .dfsh : .both
            ).start()
            drain.closeFar()
            let passing = Task { await drain.pass() }
            let result: Result<Answer, any Error>
            do {
                result = .success(try await body(program))
            } catch {
                result = .failure(error)
            }
            passing.cancel()
            await passing.value
            return try result.get()
        }
        // A script's terminal belongs to whoever started the script, with all beside it.
        let keys: LocalProgram.Keys = isJob ? .dfsh : isInteractive ? .program : .both
        let streams = LocalProgram.Streams(input: input, ready: ready)
        return try await body(try LocalProgram(text: text, streams, keys: keys).start())
    }

    /// What a program's end means for the command; nil where all is well.
    static func code(_ end: Int32) -> ExitCode? {
        switch end {
        case 0: nil
        // Ended by Ctrl-C, or as a shell has it where its last command was.
        case 128 + SIGINT: .interrupted
        default: .failed
        }
    }

    /// Runs a command whose results `sh` reads.
    ///
    /// - Returns: The command's own code where it failed, else that of `sh`.
    func run(_ command: TypedCommand, into text: [UInt8], isRedirection: Bool) async -> ExitCode {
        do {
            _ = await output.settle()
            let input = try PipeEnds()
            // That the file could be opened is told before anything runs.
            let ready = try isRedirection ? PipeEnds(reads: true) : nil
            let text = isRedirection ? ShellSession.opening + text : text
            return try await withProgram(text, input: input.far, ready: ready?.far) { program in
                input.closeFar()
                ready?.closeFar()
                guard await ready?.isWritten() ?? true else {
                    input.closeNear()
                    _ = await program.end()
                    throw ShellFailure(
                        .failed, "nothing was run: its results could not be written there")
                }
                return await feed(program, through: input, command)
            }
        } catch {
            return passed(tell(error), command.marks)
        }
    }

    /// Says that the redirection behind it is open, then copies what comes.
    private static let opening = [UInt8]("{ printf . >&3; exec 3>&-; cat; } ".utf8)

    private func feed(
        _ program: LocalProgram.Running, through pipe: PipeEnds, _ command: TypedCommand
    ) async -> ExitCode {
        let redirected = ShellOutput(
            results: pipe.write,
            complaints: { [output] in
                output.trace($0)
                return true
            },
            isErrorTerminal: output.isErrorTerminal, isJSON: output.isJSON,
            hangUp: { await DescriptorWait.hangUp(of: pipe.near) })
        redirected.showProgress(state.withLock { $0.settings.showsProgress })
        let session = ShellSession(self, output: redirected)
        let work = Task { await session.run(words: command.words) }
        return await withTaskCancellationHandler {
            async let ending = endOf(program, cancelling: work)
            var code = await work.value
            // A reader who left had what he wanted.
            let hasReaderLeft = redirected.isBroken && !redirected.hasLostResults
            pipe.endWriting()
            let end = ShellSession.code(await ending)
            if end == .interrupted || Task.isCancelled { return .interrupted }
            if hasReaderLeft, code == .failed { code = .ok }
            return code == .ok ? passed(end ?? .ok, command.marks) : code
        } onCancel: {
            work.cancel()
        }
    }

    /// Waits for a program; Ctrl-C is meant for both, and ends what feeds it.
    private func endOf(
        _ program: LocalProgram.Running, cancelling work: Task<ExitCode, Never>
    ) async -> Int32 {
        let end = await program.end()
        if ShellSession.code(end) == .interrupted { work.cancel() }
        return end
    }
}

/// Takes what a program writes where this shell's results and complaints do not go by themselves.
private final class ProgramDrain: Sendable {
    private let results: PipeEnds
    private let complaints: PipeEnds
    private let output: ShellOutput

    init(_ output: ShellOutput) throws {
        results = try PipeEnds(reads: true)
        complaints = try PipeEnds(reads: true)
        self.output = output
    }

    func streams(input: Int32?, ready: Int32?) -> LocalProgram.Streams {
        LocalProgram.Streams(
            input: input, output: results.far, errors: complaints.far, ready: ready)
    }

    /// Closes what the program has now: its end is the end of what it writes.
    func closeFar() {
        results.closeFar()
        complaints.closeFar()
    }

    /// Passes on what is written until the task is cancelled, and then what is there already.
    ///
    /// What a program has left running in the background is not waited for.
    func pass() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [self] in await results.readAll { output.collectContent($0) } }
            group.addTask { [self] in await complaints.readAll { output.trace(Array($0)) } }
        }
    }
}
