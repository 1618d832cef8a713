import TestCluster
import Testing

@testable import DFSShell

/// What is in the table is executed: every command and option stands in a block of a document that
/// runs against real servers, or, where it needs the whole screen, in a test on a terminal.
@Suite struct TranscriptCoverageTests {
    /// Commands that documents can not run, and the test that does.
    private static let onTerminals = ["browse": "Interactive/BrowseTests.swift"]

    @Test func `every command and every option of it is executed in a document`() throws {
        let run = try Executed.all()
        var missing: [String] = []
        for row in CommandTable.rows where Self.onTerminals[row.name] == nil {
            if !run.commands.contains(row.name) { missing.append(row.name) }
            for option in row.options
            where !run.options.contains("\(row.name) \(option.typed)") {
                missing.append("\(row.name) \(option.typed)")
            }
        }

        #expect(missing == [])
    }

    @Test func `every option of dfsh itself is executed in a document`() throws {
        let run = try Executed.all()
        let options = ProgramOption.all.map(\.names) + [["-c"], ["-f"]]
        let missing = options.filter { run.programOptions.isDisjoint(with: $0) }

        #expect(missing == [])
    }

    @Test(arguments: onTerminals.sorted { $0.key < $1.key })
    func `a command of the whole screen is executed by a test`(
        name: String, file: String
    ) throws {
        let folder = try Executed.folder + "/Tests/DFSShellTests/"
        let test = String(decoding: try FileSystem.read(folder + file), as: UTF8.self)

        #expect(CommandTable.row(named: name)?.options.isEmpty == true)
        #expect(test.contains("open([\"\(name)\"])"))
    }

    @Test func `what is executed is read from the blocks, and from nowhere else`() throws {
        var run = Executed()
        run.read(
            """
            `ls -l` and dfsh> ls -a
            ```dfsh --json
            dfsh> -mkdir -p /a; time rm -rf /a | cat
            tree
            ```
            ```sh
            dfsh find /
            ```
            ```dfs-shell
            $ (x; dfsh -n a:1 -c 'stat /a; du -h /' 2>&1) && dfsh --trace=x head -n 3 /b > c
            ```
            """)

        #expect(run.commands == ["mkdir", "time", "rm", "stat", "du", "head"])
        #expect(run.options == ["mkdir -p", "rm -r", "rm -f", "du -h", "head -n"])
        #expect(run.programOptions == ["--echo", "--json", "-n", "-c", "--trace"])
    }
}

/// The commands that documents execute.
private struct Executed {
    var commands: Set<String> = []
    /// `ls -l`.
    var options: Set<String> = []
    var programOptions: Set<String> = []

    /// The top of the project.
    static var folder: String {
        get throws {
            let here = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false)
            return here.dropLast(3).joined(separator: "/")
        }
    }

    static func all() throws -> Executed {
        var documents = ["README.md", "Protocol.md"]
        for name in ["Examples", "Tests/Transcripts"] {
            let files = try FileSystem.files(below: [UInt8]("\(try folder)/\(name)".utf8))
            documents += files.map { "\(name)/" + String(decoding: $0, as: UTF8.self) }
        }
        var run = Executed()
        for document in documents where document.hasSuffix(".md") {
            run.read(
                String(decoding: try FileSystem.read("\(try folder)/\(document)"), as: UTF8.self))
        }
        return run
    }

    /// Takes every block of a document that is executed.
    mutating func read(_ document: String) {
        var language: Substring?
        for line in document.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                let words = line.dropFirst(3).split(separator: " ")
                language = language == nil ? words.first ?? "" : nil
                if language == "dfsh" {
                    programOptions.insert("--echo")
                    note(program: words.dropFirst().map { Word(plain: [UInt8]($0.utf8)) })
                }
            } else if language == "dfsh", line.hasPrefix("dfsh> ") {
                note(line: line.dropFirst(6))
            } else if language == "dfs-shell", line.hasPrefix("$ ") || line.hasPrefix("> ") {
                note(shell: line.dropFirst(2))
            }
        }
    }

    private mutating func note(line: some StringProtocol) {
        for command in Executed.commands(of: line) {
            if case .command = command.shell { commands.insert("!") }
            note(CommandMarks.take(from: command.words).words)
        }
    }

    /// None where the line is refused as a whole.
    private static func commands(of line: some StringProtocol) -> [TypedCommand] {
        // A document shows what is refused too, and that executes nothing.
        (try? LineSplitter.commands([UInt8](line.utf8))) ?? []
    }

    /// Every call of dfsh in a line for `sh`.
    private mutating func note(shell line: some StringProtocol) {
        let isWord: (Character) -> Bool = { $0.isLetter || $0.isNumber || "/._-".contains($0) }
        var rest = String(line)[...]
        while let start = rest.firstRange(of: "dfsh ") {
            let isOwnWord =
                start.lowerBound == rest.startIndex
                || !isWord(rest[rest.index(before: start.lowerBound)])
            rest = rest[start.upperBound...]
            if isOwnWord, let call = Executed.commands(of: Executed.call(rest)).first {
                note(program: call.words)
            }
        }
    }

    /// The words up to what is the business of `sh`.
    private static func call(_ line: Substring) -> String {
        var result = ""
        var (quote, isEscaped): (Character?, Bool) = (nil, false)
        for character in line {
            if isEscaped {
                isEscaped = false
            } else if character == "\\", quote != "'" {
                isEscaped = true
            } else if let open = quote {
                if character == open { quote = nil }
            } else if character == "'" || character == "\"" {
                quote = character
            } else if ";|&<>)".contains(character) {
                // The number of a descriptor belongs to its redirection.
                let isRedirection = character == ">" && (result.last?.isNumber ?? false)
                return isRedirection && result.dropLast().last == " "
                    ? String(result.dropLast()) : result
            }
            result.append(character)
        }
        return result
    }

    /// The words behind `dfsh`: its own options, then a command or a line of them.
    private mutating func note(program words: [Word]) {
        var words = words[...]
        while let word = words.first, word.looksLikeOption {
            words = words.dropFirst()
            let name = String(word.text.prefix { $0 != "=" })
            programOptions.insert(name)
            if name == "-c" || name == "-f" {
                return note(line: String(decoding: words.first?.bytes ?? [], as: UTF8.self))
            }
            let takesWord = ProgramOption.all.first { $0.names.contains(name) }?.takesWord
            if takesWord == true, !word.text.contains("=") { words = words.dropFirst() }
        }
        note(Array(words))
    }

    private mutating func note(_ words: [Word]) {
        // What is refused by the row is no call of it.
        guard let (command, rest) = CommandTable.find(CommandTable.helpCall(words)),
            let call = try? Invocation(command.row, words: rest)
        else { return }
        commands.insert(command.row.name)
        for option in command.row.options where call.has(option.name) {
            options.insert("\(command.row.name) \(option.typed)")
        }
        for (index, _) in call.operands.enumerated()
        where command.row.operand(at: index)?.kind == .line {
            return note(Array(call.operands[index...]))
        }
    }
}
