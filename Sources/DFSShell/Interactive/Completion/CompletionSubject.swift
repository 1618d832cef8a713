/// What the candidates for a word are taken from.
public enum CompletionSubject: Hashable, Sendable {
    /// First words of commands.
    case commands
    /// Second words of commands such as `session open`.
    case subcommands(of: String)
    /// Options of one command.
    case options(of: String)
    /// Entries of a directory in the tree, named as it was typed: relative to the working directory
    /// unless it begins with `/`; empty for the working directory itself.
    ///
    /// Only those that begin with the prefix are asked for: a directory may have very many.
    case remote(directory: [UInt8], prefix: [UInt8] = [], onlyDirectories: Bool = false)
    /// Entries of a directory on this machine, named in the same way.
    case local(directory: [UInt8])
    /// Ids of file servers.
    case servers
    /// Sessions that were opened by hand.
    case handles
    /// All sessions of all file servers.
    case serverHandles
    /// Names that `alias` made.
    case aliases
    /// Commands that run beside the prompt.
    case jobs
    /// A few fixed words.
    case words([String])
}

/// One way in which a word could go on.
public struct CompletionCandidate: Hashable, Sendable {
    /// The name in raw bytes, without a directory before it.
    public let name: [UInt8]
    /// Whether more can follow below it.
    public let isDirectory: Bool

    /// Takes a name as the server or the disk has it.
    public init(name: [UInt8], isDirectory: Bool = false) {
        self.name = name
        self.isDirectory = isDirectory
    }

    init(_ word: String) { self.init(name: [UInt8](word.utf8)) }
}

/// The candidates of a subject: all of them, or the first of very many.
public struct CompletionAnswer: Equatable, Sendable {
    /// Those that are known, in any order.
    public var candidates: [CompletionCandidate]
    /// What all of them begin with, where `candidates` are the first of very many; nil where they
    /// are all.
    public var beginningOfMore: [UInt8]?

    /// Joins the two.
    public init(_ candidates: [CompletionCandidate] = [], beginningOfMore: [UInt8]? = nil) {
        self.candidates = candidates
        self.beginningOfMore = beginningOfMore
    }
}
