import DFSProtocol

/// A command's row with what it does.
struct Command: Sendable {
    /// What parsing, help and completion see.
    let row: CommandSpecification
    /// Does it; results go to the session's output, failures are thrown.
    let run: @Sendable (ShellSession, Invocation) async throws -> Void
}

/// The one table of dfsh's commands.
public enum CommandTable {
    static let all: [Command] =
        ListingCommands.all + ContentCommands.all + ViewingCommands.all + EditCommand.all
        + ChangingCommands.all + TransferCommands.all
        + TailCommand.all + ServerCommands.all + WireCommand.all + ExplainCommand.all
        + BrowseCommand.all
        + SessionCommands.all + HandleCommands.all + LocalCommands.all + ShellCommands.all
        + RunningCommands.all + SettingCommands.all + JobCommands.all + PackagingCommands.all

    /// Every row, in the order of help.
    public static var rows: [CommandSpecification] { all.map(\.row) }

    /// The rows whose names begin with a word, such as `session`.
    static func rows(below name: String) -> [CommandSpecification] {
        rows.filter { $0.name.hasPrefix(name + " ") }
    }

    /// The row of a command by its name or another spelling of it.
    public static func row(named name: String) -> CommandSpecification? {
        command(named: name)?.row
    }

    static func command(named name: String) -> Command? {
        all.first { $0.row.name == name || $0.row.aliases.contains(name) }
    }

    /// The row that a line's words begin with, and how many words its name took.
    public static func row(of words: [Word]) -> (row: CommandSpecification, nameWords: Int)? {
        find(words).map { ($0.command.row, words.count - $0.rest.count) }
    }

    /// `help CMD` for `CMD --help`; other words as they are.
    static func helpCall(_ words: [Word]) -> [Word] {
        guard let last = words.last, last.looksLikeOption, last.text == "--help" else {
            return words
        }
        let name = words.dropLast().map(\.text).joined(separator: " ")
        let isName = rows.contains {
            $0.name == name || $0.aliases.contains(name) || $0.name.hasPrefix(name + " ")
        }
        return isName ? [Word(plain: [UInt8]("help".utf8))] + words.dropLast() : words
    }

    /// What commands of other shells are called here.
    private static let foreign = [
        "chdir": "cd", "copy": "cp", "del": "rm", "delete": "rm", "dir": "ls", "md": "mkdir",
        "move": "mv", "rd": "rmdir", "ren": "mv", "rename": "mv", "type": "cat",
        "version": "status", "vi": "edit", "vim": "edit", "nano": "edit", "logout": "quit",
    ]

    /// What is said of a name that is no command's.
    static func unknown(_ name: [UInt8]) -> String {
        let nearest =
            foreign[String(decoding: name, as: UTF8.self)]
            ?? NearNames.first(name, among: CommandNames.firsts(in: rows))
        return "\(Quoting.text(name)) is no command; "
            + (nearest.map { "did you mean \($0)? " } ?? "") + "help lists them"
    }

    static func find(_ words: [Word]) -> (command: Command, rest: [Word])? {
        guard let first = words.first else { return nil }
        if words.count > 1, let command = command(named: "\(first.text) \(words[1].text)") {
            return (command, Array(words.dropFirst(2)))
        }
        return command(named: first.text).map { ($0, Array(words.dropFirst())) }
    }
}
