import DFSClient
import DFSProtocol

/// `completion` and `man`: what a packager installs beside the program.
enum PackagingCommands {
    static let all: [Command] = [
        Command(row: completion, run: runCompletion),
        Command(row: man, run: runMan),
    ]

    private static let completion = CommandSpecification(
        "completion", .shell,
        [
            .init("shell", .choice(CompletionScript.allCases.map(\.rawValue) + ["words"])),
            .init("word", .text, .any),
        ],
        "Writes the completion file of bash, zsh or fish; with words, how the last word goes on.",
        examples: [
            ("completion bash", "into /usr/share/bash-completion/completions/dfsh"),
            ("completion zsh", "into /usr/share/zsh/vendor-completions/_dfsh"),
            ("completion fish", "into /usr/share/fish/vendor_completions.d/dfsh.fish"),
            ("completion words -- ls /do", "what those files ask: a line for each way on"),
        ])

    private static let man = CommandSpecification(
        "man", .shell, [], "Writes the manual page dfsh(1), made of the table that help shows.",
        examples: [("man", "\"dfsh man | man -l -\" shows it; into share/man/man1/dfsh.1")])

    private static func runCompletion(_ session: ShellSession, _ call: Invocation) async throws {
        if let script = CompletionScript(rawValue: call.operands[0].text) {
            guard call.operands.count == 1 else {
                throw call.misuse("\(call.operands[1].shown) is one word too many")
            }
            return session.output.line(script.text)
        }
        let completion = WordCompletion(words: call.operands.dropFirst().map(\.bytes))
        guard let named = completion.nameServers else {
            return await write(completion, session)
        }
        let client = DFSClient(
            nameServers: try Endpoint.list(String(decoding: named, as: UTF8.self)),
            options: session.client.options)
        await write(completion, ShellSession(client: client, output: session.output))
        await client.close()
    }

    private static func write(_ completion: WordCompletion, _ session: ShellSession) async {
        for word in await completion.candidates(session) {
            session.output.line(String(decoding: word, as: UTF8.self))
        }
    }

    private static func runMan(_ session: ShellSession, _ call: Invocation) async throws {
        session.output.line(ManualPage.text(CommandTable.rows))
    }
}
