/// `jobs` and `wait`: commands that run beside the prompt.
enum JobCommands {
    static let all: [Command] = [
        Command(row: jobs, run: runJobs),
        Command(row: wait, run: runWait),
    ]

    private static let jobs = CommandSpecification(
        "jobs", .shell, [],
        "Lists the commands that run beside the prompt, since an & stood behind them.",
        examples: [
            ("jobs", "number, state, time and line of each"),
            ("jobs | grep get", "those that fetch; kill %1 ends the first of all"),
        ])

    private static let wait = CommandSpecification(
        "wait", .shell, [.init("job", .job, .any)],
        "Waits for jobs, all of them where none is named, and ends with their code.",
        examples: [("wait %1", "shows what it says, and Ctrl-C leaves it running")],
        exits: [.notFound, .interrupted])

    private static func runJobs(_ session: ShellSession, _ call: Invocation) async throws {
        if session.output.isJSON {
            for job in session.shared.jobs.all {
                let time = Amounts.milliseconds(ContinuousClock.now - job.start)
                session.output.object([
                    "job": .number(Int64(job.number)), "running": .flag(job.code == nil),
                    "exit": .number(job.code.map { Int64($0.rawValue) }), "time": .number(time),
                    "line": .text(job.text),
                ])
            }
            return
        }
        let rows = session.shared.jobs.all.map { job in
            let state =
                job.code.map(\.meaning) ?? (job.output.isFull ? "waits for \"wait\"" : "runs")
            let time = Amounts.seconds(Amounts.milliseconds(ContinuousClock.now - job.start))
            return ["[\(job.number)]", state, time, job.text]
        }
        for line in Columns.table(rows) { session.output.line(line) }
    }

    private static func runWait(_ session: ShellSession, _ call: Invocation) async throws {
        let named = try call.operands.map { try session.job($0).number }
        let code = try await session.waitForJobs(named.isEmpty ? nil : Set(named))
        if code != .ok { throw JobFailure(code: code) }
    }
}

/// A job that was waited for has failed, as it has told itself.
struct JobFailure: Error {
    let code: ExitCode
}
