import DFSProtocol

/// From a line to the commands in it.
extension ShellSession {
    /// Runs the commands of a line one after another and stops at the first that fails.
    ///
    /// Failures have been told on standard error. Cancelling the task ends the command.
    /// - Returns: The code of the command that failed, or `ok`.
    public func run(line: [UInt8]) async -> ExitCode {
        let hadWarned = state.withLock { $0.hasWarned }
        let code = await run(text: line)
        // Only leaving twice in a row is meant.
        if hadWarned { state.withLock { $0.hasWarned = false } }
        // The next prompt starts a line, whatever a file ended in.
        if isInteractive { output.endLine() }
        _ = await output.settle()
        return code
    }

    /// As `run(line:)`, where more is to come before the next prompt.
    func run(text: [UInt8]) async -> ExitCode {
        do {
            return await run(try LineSplitter.commands(text))
        } catch {
            return tell(error)
        }
    }

    private func run(_ commands: [TypedCommand]) async -> ExitCode {
        for command in commands {
            let code = await run(command)
            if code != .ok || wantsToQuit { return code }
        }
        return .ok
    }

    /// Runs one command as it was typed, aliases and what is for `sh` included.
    public func run(_ command: TypedCommand) async -> ExitCode {
        let commands: [TypedCommand]
        do {
            commands = try state.withLock { $0.aliases }.expanded(command)
            guard commands.count == 1 || !command.isBackground else {
                throw ShellFailure(
                    .usage,
                    "an alias of several commands can not run behind &: type them one by one")
            }
        } catch {
            return passed(tell(error), command.marks)
        }
        for command in commands {
            let code = await runExpanded(command)
            if code != .ok || wantsToQuit { return code }
        }
        return .ok
    }

    /// Runs one command in which no alias is looked for again.
    private func runExpanded(_ command: TypedCommand) async -> ExitCode {
        if command.isBackground { return startJob(command) }
        let start = ContinuousClock.now
        // Neither the command that turns it on is told, nor the one that turns it off.
        let wasTimed = state.withLock { $0.settings.isTimed }
        let code = await runHere(command)
        if wasTimed, state.withLock({ $0.settings.isTimed }) { tellTime(since: start) }
        return code
    }

    /// Runs a command whose aliases are expanded, until its end.
    func runHere(_ command: TypedCommand) async -> ExitCode {
        guard let shell = command.shell else { return await run(words: command.words) }
        do {
            switch shell {
            case .command(let text): try await runProgram(text)
            case .pipe(let text): return await run(command, into: text, isRedirection: false)
            case .redirection(let text):
                return await run(command, into: text, isRedirection: true)
            }
        } catch {
            return passed(tell(error), command.marks)
        }
        return .ok
    }

    /// Runs one command of dfsh; `-` before its name lets its failure pass as `ok`.
    public func run(words: [Word]) async -> ExitCode {
        let (words, marks) = CommandMarks.take(from: words)
        guard let name = words.first else { return .ok }
        var code = ExitCode.ok
        var isJobs = false
        do {
            guard let (command, rest) = CommandTable.find(CommandTable.helpCall(words)) else {
                throw ShellFailure(.usage, CommandTable.unknown(name.bytes))
            }
            let invocation = try Invocation(command.row, words: rest)
            try await command.run(self, invocation)
        } catch {
            isJobs = error is JobFailure
            code = tell(await explained(error))
        }
        if let number = await output.settle() {
            output.complain(LocalFailure.sentence("standard output", number), .failed)
            if code == .ok { code = .failed }
            _ = await output.settle()
        }
        return passed(code, marks, isJobs: isJobs)
    }

    /// The code that counts: a `-` lets a failure pass, but not a Ctrl-C.
    ///
    /// - Parameter isJobs: Whether it is the code of a job, which `kill` has interrupted then.
    func passed(_ code: ExitCode, _ marks: CommandMarks, isJobs: Bool = false) -> ExitCode {
        marks.ignoresFailure && (code != .interrupted || isJobs) ? .ok : code
    }

    /// Says how long a command took.
    func tellTime(since start: ContinuousClock.Instant) {
        output.complain("took \(Amounts.precise(ContinuousClock.now - start))")
    }
}
