/// One command of a line as it was typed: the words that are dfsh's, and what is for `sh`.
public struct TypedCommand: Equatable, Sendable {
    /// What `sh` is to do.
    public enum Shell: Equatable, Sendable {
        /// Behind an unquoted `|`: it reads the results.
        case pipe([UInt8])
        /// From an unquoted `>` on, with the sign: where the results go.
        case redirection([UInt8])
        /// Behind a `!` at the start: all of the line, and no word of it is dfsh's.
        case command([UInt8])
    }

    /// The words, with the marks before the first one; none where all is for `sh`.
    public let words: [Word]
    /// What is for `sh`; nil where nothing is.
    public let shell: Shell?
    /// What stood before the name.
    public let marks: CommandMarks
    /// Whether an `&` stood behind it.
    public let isBackground: Bool
    /// What was typed, without the `&`.
    public let text: [UInt8]
    /// How many bytes of `text` the first word takes, its marks included.
    let nameBytes: Int
}

/// What stands before a command's name: `-` and `@`.
public struct CommandMarks: Equatable, Sendable {
    /// `-`: a failure is told and then passes.
    public var ignoresFailure = false
    /// `@`: the command is not echoed.
    public var isSilent = false

    /// Takes the marks off the first word.
    public static func take(from words: [Word]) -> (words: [Word], marks: CommandMarks) {
        var marks = CommandMarks()
        guard let first = words.first, !first.hasQuotes else { return (words, marks) }
        var bytes = first.bytes[...]
        while let mark = bytes.first, bytes.count > 1, marks.add(mark) {
            bytes = bytes.dropFirst()
        }
        return ([Word(plain: Array(bytes))] + words.dropFirst(), marks)
    }

    /// Notes a mark; false where the byte is none.
    mutating func add(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "-"): ignoresFailure = true
        case UInt8(ascii: "@"): isSilent = true
        default: return false
        }
        return true
    }
}
