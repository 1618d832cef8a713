import DFSProtocol

/// `help`, `echo`, `history` and `quit`.
enum ShellCommands {
    static let all: [Command] = [
        Command(row: help, run: runHelp),
        Command(row: echo, run: runEcho),
        Command(row: history, run: runHistory),
        Command(row: quit, run: runQuit),
    ]

    private static let help = CommandSpecification(
        "help", aliases: ["?"], .shell, [.init("command", .command, .any)],
        "Lists the commands, or tells all about one.",
        examples: [("help ls", "usage, options, examples and exit codes of ls")])

    private static let echo = CommandSpecification(
        "echo", .shell, [.init("text", .text, .any)], "Writes its words and a newline.",
        examples: [("echo 'to do' > list", "into a file on this machine")])

    private static let history = CommandSpecification(
        "history", .shell, [], "Lists the lines that were typed.",
        examples: [("history | tail", "the last ten")])

    private static let quit = CommandSpecification(
        "quit", aliases: ["exit", "bye"], .shell, [],
        "Leaves; jobs end, and sessions, those with a lease once it has run out.",
        examples: [("quit", "warns once where jobs run")])

    private static func runHelp(_ session: ShellSession, _ call: Invocation) async throws {
        guard !call.operands.isEmpty else {
            return try await session.page(
                HelpText.overview(CommandTable.rows), as: CommandTable.rows.map(\.object))
        }
        let name = call.operands.map(\.text).joined(separator: " ")
        guard let row = CommandTable.row(named: name) else {
            if let text = session.state.withLock({ $0.aliases[[UInt8](name.utf8)] }) {
                return session.output.line(
                    "\(name) stands for: \(ErrorSentence.safe(text))",
                    as: ["alias": .text(name), "command": .bytes(text)])
            }
            throw ShellFailure(.usage, CommandTable.unknown([UInt8](name.utf8)))
        }
        session.show(HelpText.details(row), as: [row.object])
        let below = CommandTable.rows(below: row.name)
        guard !below.isEmpty else { return }
        session.show([""] + HelpText.overview(below), as: below.map(\.object))
    }

    private static func runEcho(_ session: ShellSession, _ call: Invocation) async throws {
        // What a person typed is shown as bytes only where they are harmless.
        let words = call.operands.map { ErrorSentence.safe($0.bytes) }
        session.output.line(
            words.joined(separator: " "),
            as: ["text": .bytes(Array(call.operands.map(\.bytes).joined(separator: [0x20])))])
    }

    private static func runHistory(_ session: ShellSession, _ call: Invocation) async throws {
        let lines = session.state.withLock { $0.history }()
        for (number, line) in lines.enumerated() {
            // As it was typed, so that it can be typed again.
            session.output.line(
                "\(number + 1)  \(ErrorSentence.safe(line))",
                as: ["number": .number(Int64(number + 1)), "line": .bytes(line)])
        }
    }

    private static func runQuit(_ session: ShellSession, _ call: Invocation) async throws {
        if session.mayLeave() { session.state.withLock { $0.wantsToQuit = true } }
    }
}
