import DFSClient
import DFSProtocol
import Glibc

/// `wire`: the protocol itself, line by line, as a transcript.
///
/// A person has it on the main thread, see `WireConversation`; here standard input is sent as it
/// comes, payloads among the lines, and each request waits for the answer to the one before.
enum WireCommand {
    static let all: [Command] = [Command(row: row, run: run)]

    static let row = CommandSpecification(
        "wire", .servers,
        [.init("server", .server, .optional), .init("port", .number, .optional)],
        options: [
            .init(
                "record", "writes a transcript that can be executed again", value: .localPath,
                isLong: true)
        ],
        "Speaks the protocol with a server, the name server where none is named.",
        examples: [
            ("wire", "HELP lists the verbs, Tab completes them, QUIT or Ctrl-D leaves"),
            ("wire fs1", "a file server by its id, or any server by host:port or host and port"),
            ("wire --record talk.md fs1", "what was said, to be taken into a document"),
        ], exits: [.notFound, .unreachable, .integrity, .interrupted])

    private static func run(_ session: ShellSession, _ call: Invocation) async throws {
        let endpoint = try await address(call, session)
        let hasTerminal = isatty(STDIN_FILENO) == 1 && session.output.isTerminal
        if hasTerminal, session.output.isOfProcess, !session.isJob {
            return try await runBeside(session, call, endpoint)
        }
        guard !session.isJob, !session.readsCommandsFromInput else {
            throw call.misuse("standard input holds the commands, and wire has nothing to read")
        }
        try await WirePipe(
            session: session, endpoint: endpoint, record: call.value("record")?.bytes
        ).run()
    }

    /// The server that the operands name.
    static func address(_ call: Invocation, _ session: ShellSession) async throws -> Endpoint {
        guard let word = call.operands.first else {
            guard let first = session.client.nameServers.first else {
                throw call.misuse("no name server is known")
            }
            return first
        }
        if call.operands.count > 1 {
            guard let port = call.number(at: 1).flatMap({ UInt16(exactly: $0) }) else {
                throw call.misuse("\(call.operands[1].shown) is no port")
            }
            return Endpoint(host: word.text, port: port)
        }
        if word.bytes.contains(UInt8(ascii: ":")) {
            do throws(RequestError) {
                return try Endpoint(word.text)
            } catch {
                throw call.misuse("\(word.shown): \(error.advice)")
            }
        }
        guard let address = try await session.server(named: word).address else {
            throw ShellFailure(.temporary, "\(word.shown): its address is not known now")
        }
        return address
    }

    /// Where the terminal's lines are somebody else's to read, a dfsh of its own reads these.
    private static func runBeside(
        _ session: ShellSession, _ call: Invocation, _ endpoint: Endpoint
    ) async throws {
        var words = ["/proc/self/exe", "wire"].map { [UInt8]($0.utf8) }
        if let path = call.value("record") { words += [[UInt8]("--record".utf8), path.bytes] }
        words.append([UInt8]("\(endpoint)".utf8))
        _ = await session.output.settle()
        let code = try await LocalProgram(
            words: words, keys: session.isInteractive ? .program : .both
        ).run()
        try Task.checkCancellation()
        if let code = ExitCode(rawValue: code) {
            if code != .ok { throw ShellFailure.told(code) }
        } else {
            throw ShellFailure.told(.failed)
        }
    }

    /// What comes of a conversation that is over.
    ///
    /// - Throws: `ShellFailure`.
    static func check(_ dialogue: WireDialogue) throws {
        if let violation = dialogue.violation {
            throw ShellFailure(
                .integrity, "the server broke the protocol: \(ErrorSentence.safe(violation))")
        }
        if dialogue.isOver, !dialogue.isEndExpected {
            throw ShellFailure(.unreachable, "the server closed the connection")
        }
    }
}
