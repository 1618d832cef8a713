import DFSProtocol

/// Commands that run beside the prompt.
extension ShellSession {
    /// Starts a command and comes back at once; what it says is told at the next prompt.
    func startJob(_ command: TypedCommand) -> ExitCode {
        let said = JobOutput()
        let session = ShellSession(
            self,
            output: ShellOutput(
                results: { said.add(.result, $0) }, complaints: { said.add(.complaint, $0) },
                isTerminal: output.isTerminal, isJSON: output.isJSON),
            isJob: true)
        let text = ErrorSentence.safe(command.text)
        let number = shared.jobs.start(text, said) {
            let code = await session.runHere(command)
            _ = await session.output.settle()
            return code
        }
        if isInteractive { output.tell("[\(number)]  \(text)\n") }
        return .ok
    }

    /// Writes what jobs have said, and which of them have ended.
    ///
    /// - Returns: The codes of those that have ended; they are forgotten.
    @discardableResult
    func tellJobs() -> [Int: ExitCode] {
        var ended: [Int: ExitCode] = [:]
        for job in shared.jobs.all {
            for piece in job.output.take() {
                switch piece.kind {
                case .result: output.collect(piece.bytes)
                case .complaint:
                    output.flush()
                    output.trace(piece.bytes)
                }
            }
            // What it said last was there before its code.
            guard let code = job.code else { continue }
            output.endLine()
            if isInteractive { output.tell("[\(job.number)]  \(code.meaning)  \(job.text)\n") }
            shared.jobs.forget(job.number)
            ended[job.number] = code
        }
        return ended
    }

    /// Waits until jobs have ended, and tells what they say meanwhile.
    ///
    /// - Parameter numbers: Which; nil for all.
    /// - Returns: The code of the first that failed, by number.
    /// - Throws: `CancellationError`; the jobs go on then.
    func waitForJobs(_ numbers: Set<Int>? = nil) async throws -> ExitCode {
        var changes = shared.jobs.changes().makeAsyncIterator()
        var codes: [Int: ExitCode] = [:]
        while true {
            codes.merge(tellJobs()) { $1 }
            await output.awaitRoom()
            let isRunning = shared.jobs.all.contains { numbers?.contains($0.number) ?? true }
            guard isRunning else { break }
            guard await changes.next() != nil else { throw CancellationError() }
        }
        let wanted = codes.filter { numbers?.contains($0.key) ?? true }
        return wanted.sorted { $0.key < $1.key }.first { $0.value != .ok }?.value ?? .ok
    }

    /// The job that a word names, as `%1` or `1`.
    func job(_ word: Word) throws -> JobTable.Job {
        let digits = Array(word.bytes.drop { $0 == UInt8(ascii: "%") })
        let number = Number.parse(digits.span)
        guard let job = shared.jobs.all.first(where: { Int64($0.number) == number }) else {
            throw ShellFailure(.notFound, "\(word.shown): no such job; \"jobs\" lists them")
        }
        return job
    }

    /// Ends a job; what comes of it is told at the next prompt.
    func endJob(_ word: Word) throws {
        let job = try self.job(word)
        guard shared.jobs.cancel(job.number) else {
            throw ShellFailure(.notFound, "\(word.shown): that job has ended already")
        }
    }

    /// Ends all jobs, and waits for that.
    func endJobs() async { await shared.jobs.endAll() }

    /// Whether a person may leave; the first time not where that ends jobs, which is told.
    func mayLeave() -> Bool {
        let running = shared.jobs.all.filter { $0.code == nil }
        guard isInteractive, !running.isEmpty, !state.withLock({ $0.hasWarned }) else {
            return true
        }
        state.withLock { $0.hasWarned = true }
        let jobs = running.count == 1 ? "a job runs" : "\(running.count) jobs run"
        output.complain("\(jobs); \"wait\" waits for the end, and leaving once more ends all jobs")
        return false
    }
}
