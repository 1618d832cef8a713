/// One row of the table of commands: parsing, help and completion derive from it.
public struct CommandSpecification: Sendable {
    /// Under which heading `help` lists the command.
    public enum Group: String, CaseIterable, Sendable {
        case files = "Files"
        case servers = "Where and who"
        case sessions = "Sessions by hand"
        case local = "This machine"
        case shell = "Shell"
    }

    /// What a word means; decides how it is read and how it is completed.
    public enum Kind: Equatable, Sendable {
        /// A path in the tree, from the working directory; patterns expand.
        case remotePath
        /// A directory in the tree.
        case remoteDirectory
        /// A path on this machine.
        case localPath
        /// A directory on this machine.
        case localDirectory
        /// The id of a file server.
        case server
        /// A session that `session open` opened.
        case handle
        /// Any session of a file server, by the name that `handles` lists.
        case serverHandle
        /// A command of this table.
        case command
        case number
        /// Seconds, such as 2 or 0.5.
        case seconds
        /// Bytes a second, such as 500K.
        case rate
        case text
        /// A pattern for names, which the command matches itself.
        case pattern
        /// One of a few words.
        case choice([String])
        /// What `set` can change, and a value for it.
        case setting
        case settingValue
        /// A name that `alias` made.
        case alias
        /// A job, as `%1`.
        case job
        /// A whole command: all words from here on are its own.
        case line
    }

    /// How often an operand stands.
    public enum Presence: Sendable {
        case required
        case optional
        /// Once or more.
        case oneOrMore
        /// Any number of times.
        case any
    }

    /// A word at a position.
    public struct Operand: Sendable {
        /// How help calls it.
        public let name: String
        /// What the word means.
        public let kind: Kind
        /// How often it stands.
        public let presence: Presence

        init(_ name: String, _ kind: Kind, _ presence: Presence = .required) {
            self.name = name
            self.kind = kind
            self.presence = presence
        }
    }

    /// A word that begins with `-`.
    public struct Option: Sendable {
        /// Without its dashes: one letter, which may be bundled, or a longer name.
        public let name: String
        /// Whether it is typed with two dashes.
        public let isLong: Bool
        /// What follows it as a word of its own; nil for a plain flag.
        public let value: Kind?
        /// What it changes, for help.
        public let summary: String

        init(_ name: String, _ summary: String, value: Kind? = nil, isLong: Bool = false) {
            self.name = name
            self.isLong = isLong
            self.value = value
            self.summary = summary
        }

        /// As it is typed and shown.
        public var typed: String { (isLong ? "--" : "-") + name }
    }

    /// Whether a word may be an option of this command.
    ///
    /// Where all of them are long, a word with one dash is an operand: a text may begin with one.
    /// Without options it is one only where a text is expected; a name goes behind `--`.
    func takesAsOption(_ word: Word) -> Bool {
        guard word.looksLikeOption else { return false }
        if options.isEmpty { return !operands.contains { $0.kind.isText } }
        return word.text.hasPrefix("--") || options.contains { !$0.isLong }
    }

    /// A line to type, and what it does.
    public struct Example: Sendable {
        /// What is typed.
        public let line: String
        /// What it does or prints.
        public let meaning: String
    }

    /// As it is typed; two words for the commands of `session`.
    public let name: String
    /// Other spellings of the same command.
    public let aliases: [String]
    /// Where help lists it.
    public let group: Group
    /// The words at positions.
    public let operands: [Operand]
    /// The words that begin with `-`.
    public let options: [Option]
    /// One sentence.
    public let summary: String
    /// Lines to type, for help.
    public let examples: [Example]
    /// Codes other than ok and usage that the command ends with, as help lists them.
    public let exits: [ExitCode]

    init(
        _ name: String, aliases: [String] = [], _ group: Group, _ operands: [Operand] = [],
        options: [Option] = [], _ summary: String, examples: [(String, String)] = [],
        exits: [ExitCode] = []
    ) {
        self.name = name
        self.aliases = aliases
        self.group = group
        self.operands = operands
        self.options = options
        self.summary = summary
        self.examples = examples.map { Example(line: $0.0, meaning: $0.1) }
        self.exits = exits
    }

    /// `ls [-l] [-1] [path...]`, as help shows it.
    public var usage: String {
        var parts = [name]
        for option in options {
            let value = option.value.map { " " + $0.placeholder } ?? ""
            parts.append("[\(option.typed)\(value)]")
        }
        for operand in operands {
            switch operand.presence {
            case .required: parts.append(operand.name)
            case .optional: parts.append("[\(operand.name)]")
            case .oneOrMore: parts.append("\(operand.name)...")
            case .any: parts.append("[\(operand.name)...]")
            }
        }
        return parts.joined(separator: " ")
    }

    /// The operand that a position belongs to; where one of them repeats, the last has no end.
    public func operand(at position: Int) -> Operand? {
        if position < operands.count { return operands[position] }
        return mostOperands == nil ? operands.last : nil
    }

    var fewestOperands: Int {
        operands.count { $0.presence == .required || $0.presence == .oneOrMore }
    }

    var mostOperands: Int? {
        operands.contains { $0.presence == .any || $0.presence == .oneOrMore }
            ? nil : operands.count
    }
}

extension CommandSpecification.Kind {
    /// Whether it is anything at all, and not the name of something.
    var isText: Bool {
        switch self {
        case .text, .pattern, .line, .settingValue: true
        default: false
        }
    }

    /// What help writes for a value of this kind.
    public var placeholder: String {
        switch self {
        case .remotePath: "PATH"
        case .remoteDirectory: "DIR"
        case .localPath: "LOCAL"
        case .localDirectory: "LOCAL-DIR"
        case .server: "SERVER"
        case .handle, .serverHandle: "HANDLE"
        case .command, .line: "COMMAND"
        case .number: "N"
        case .seconds: "SECONDS"
        case .rate: "RATE"
        case .text: "TEXT"
        case .pattern: "PATTERN"
        case .choice(let words): words.joined(separator: "|")
        case .setting: "SETTING"
        case .settingValue: "VALUE"
        case .alias: "NAME"
        case .job: "%N"
        }
    }
}
