import TestCluster

/// The lines of a block whose commands a program runs: each command with what is expected of it.
struct ShellBlock {
    struct Command {
        /// What is run, without the prompt.
        var text: String
        var position: Int
        /// What it prints, and `? 3` where its run ends with that exit code.
        var expected: Expectation
        /// Whether a `? N` stands after it: the program ends here, and the next command starts
        /// anew.
        var endsRun: Bool { expected.lines.last?.hasPrefix("? ") ?? false }
    }

    var commands: [Command] = []

    /// - Parameter continuation: What a line that continues a command starts with; nil where there
    ///   is none.
    init(_ block: Transcript.Block, prompt: String, continuation: String?) throws {
        for (offset, line) in block.lines.enumerated() {
            let position = block.start + offset
            if line.hasPrefix(prompt) {
                let text = String(line.dropFirst(prompt.count))
                commands.append(
                    Command(
                        text: text, position: position, expected: Expectation(at: position + 1)))
            } else if commands.isEmpty {
                throw TranscriptError(position, "a block starts with a command: \(prompt)COMMAND")
            } else if let continuation, line.hasPrefix(continuation),
                commands[commands.count - 1].expected.lines.isEmpty
            {
                commands[commands.count - 1].text += "\n" + line.dropFirst(continuation.count)
                commands[commands.count - 1].expected = Expectation(at: position + 1)
            } else {
                commands[commands.count - 1].expected.append(line, at: position)
            }
        }
    }

    /// The commands of each run: a `? N` ends one.
    var runs: [[Command]] {
        var runs: [[Command]] = []
        var current: [Command] = []
        for command in commands {
            current.append(command)
            if command.endsRun {
                runs.append(current)
                current = []
            }
        }
        return current.isEmpty ? runs : runs + [current]
    }
}

extension SectionRun {
    /// Pipes the commands into `dfsh --echo`; one run for all up to a `? N`.
    func executeShell(_ block: Transcript.Block, _ options: [String]) throws {
        let shell = try ShellBlock(block, prompt: "dfsh> ", continuation: nil)
        for commands in shell.runs {
            let texts = commands.map { filled($0.text) }
            let run = try at(commands[0].position) {
                try cluster.shell(
                    ["--echo"] + options, input: texts.map { $0 + "\n" }.joined(),
                    mergesErrors: true)
            }
            try check(commands, echoed: texts, SectionRun.lines(of: run))
        }
    }

    /// Gives each command the lines after its echo.
    private func check(
        _ commands: [ShellBlock.Command], echoed texts: [String], _ lines: [String]
    ) throws {
        var said: [[String]] = [[]]
        for line in lines {
            if said.count <= texts.count, line == "dfsh> " + texts[said.count - 1] {
                said.append([])
            } else {
                said[said.count - 1].append(line)
            }
        }
        var early = Expectation(at: commands[0].position)
        early.append("dfsh> \(commands[0].text)", at: commands[0].position)
        let echoes = said.count > 1 ? ["dfsh> \(texts[0])"] : []
        guard try check(early, said[0] + echoes) else { return }
        for (index, command) in commands.enumerated() {
            guard index + 1 < said.count else {
                throw TranscriptError(
                    command.position, "this command was not run: the one before it ended the script"
                )
            }
            let held = try check(command.expected, said[index + 1])
            if !held, said.count == index + 2 { return }
        }
    }

    /// Runs each command with `sh -c` in a folder that the section has for itself.
    func executeCommands(_ block: Transcript.Block) throws {
        let shell = try ShellBlock(block, prompt: "$ ", continuation: "> ")
        let folder = "\(cluster.folder)/work"
        for command in shell.commands {
            let run = try at(command.position) {
                try FileSystem.makeFolders(folder)
                return try ShellRun(
                    "/bin/sh", ["-c", filled(command.text)], environment: try variables,
                    mergesErrors: true, folder: folder, scratch: cluster.folder)
            }
            try check(command.expected, SectionRun.lines(of: run))
        }
    }

    /// `NS1="127.0.0.1 7400"` for every server, `NS` for the first name server, `FS1_FOLDER` for
    /// its export, `EXAMPLES` for the project's folder of that name, and the programs in `PATH`.
    private var variables: [String] {
        get throws {
            var variables = try cluster.environment
            let path = "\(try Executable.folder):/usr/local/bin:/usr/bin:/bin"
            variables += ["PATH=\(path)", "EXAMPLES=\(Project.folder)/Examples"]
            for server in cluster.servers {
                // A server that the section has not started yet has no address to offer.
                guard let endpoint = try? server.endpoint else { continue }
                let name = String(
                    server.id.uppercased().map { $0.isLetter || $0.isNumber ? $0 : "_" })
                variables.append("\(name)=\(endpoint.host) \(endpoint.port)")
                if let export = server.exports.first {
                    let folder = String(decoding: export.folder, as: UTF8.self)
                    variables.append("\(name)_FOLDER=\(folder)")
                }
            }
            if let server = try? cluster.nameServer, let endpoint = try? server.endpoint {
                variables.append("NS=\(endpoint.host) \(endpoint.port)")
            }
            return variables
        }
    }

    /// The output as a transcript has it: lines, what is not printable as escapes, then the exit
    /// code.
    private static func lines(of run: ShellRun) -> [String] {
        var lines = FileSystem.shown(run.outputBytes).split(
            separator: "\n", omittingEmptySubsequences: false
        ).map(String.init)
        if lines.last == "" { lines.removeLast() } else { lines.append("\\ no newline at the end") }
        return run.exitCode == 0 ? lines : lines + ["? \(run.exitCode)"]
    }
}
