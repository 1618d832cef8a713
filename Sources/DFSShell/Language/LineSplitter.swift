import DFSProtocol

/// Cuts a line into commands and words: the wire's `"..."`, `'...'`, backslash, `;`, `&` and `#`.
///
/// From an unquoted `|` or `>` on, and behind a `!` that begins a command, the text is for `sh` and
/// kept as it is. Works to the end of any line, so that completion can ask about one that is half
/// typed.
public struct LineSplitter: Sendable {
    /// What the end of the line stands in.
    public enum Quote: Equatable, Sendable {
        case none
        case double
        case single
        /// A backslash was the last byte.
        case backslash
    }

    /// What the text is that `sh` gets.
    private enum ShellPart {
        case pipe
        case redirection
        case command
    }

    /// Whole commands, in order; one without words is left away.
    public private(set) var commands: [TypedCommand] = []
    /// The words before the one that is being typed, of the command in which the line ends.
    ///
    /// Where that is text for `sh`, they are the words of that text.
    public private(set) var words: [Word] = []
    /// The word that the line ends in; nil after a space and at the start.
    public private(set) var current: Word?
    /// Where in the line the current word starts, or the end of the line where there is none.
    public private(set) var currentStart = 0
    /// The quote that is still open at the end.
    public private(set) var quote = Quote.none
    /// What was wrong first, if anything; the rest of the line is still cut as well as possible.
    public private(set) var complaint: String?

    private let line: [UInt8]
    /// Where the command starts; nil before its first byte.
    private var start: Int?
    private var nameEnd = 0
    private var marks = CommandMarks()
    private var part: ShellPart?
    private var partStart = 0
    /// The words that stood before the text for `sh`.
    private var ownWords: [Word] = []
    /// Where what counts of the line ends: before a comment.
    private var end: Int

    /// Cuts a line, which holds no newline outside of quotes.
    public init(_ line: [UInt8]) {
        self.line = line
        end = line.count
        var index = 0
        while index < end { index = step(at: index) }
        if current == nil { currentStart = line.count }
    }

    /// Whether the line ends in text for `sh`.
    public var endsInShellText: Bool { part != nil }

    /// Cuts a whole line into commands.
    ///
    /// - Throws: `ShellFailure` with `usage` where a quote is open, an escape is none, or nothing
    ///   stands where something must.
    public static func commands(_ line: [UInt8]) throws -> [TypedCommand] {
        var splitter = LineSplitter(line)
        switch splitter.quote {
        case .none: break
        // What is behind a `!` is all for sh, which tells what is wrong with it.
        case _ where splitter.part == .command: break
        case .double: splitter.complain("a \" is not closed")
        case .single: splitter.complain("a ' is not closed")
        case .backslash: splitter.complain("a backslash stands before the byte that it quotes")
        }
        splitter.endCommand(at: splitter.end)
        if let complaint = splitter.complaint { throw ShellFailure(.usage, complaint) }
        return splitter.commands
    }

    /// The words of each command of a whole line.
    ///
    /// - Throws: As `commands(_:)`.
    public static func split(_ line: [UInt8]) throws -> [[Word]] {
        try commands(line).map(\.words)
    }

    private mutating func step(at index: Int) -> Int {
        let byte = line[index]
        switch quote {
        case .backslash:
            add(byte, isQuoted: true)
            quote = .none
        case .single:
            if byte == UInt8(ascii: "'") { quote = .none } else { add(byte, isQuoted: true) }
        case .double:
            return part == nil ? inDoubleQuotes(at: index) : inShellDoubleQuotes(at: index)
        case .none: return part == nil ? outside(at: index) : inShellText(at: index)
        }
        return index + 1
    }

    private mutating func outside(at index: Int) -> Int {
        let byte = line[index]
        let isDoubled = index + 1 < line.count && line[index + 1] == byte
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"):
            endWord(at: index)
        case UInt8(ascii: ";"): endCommand(at: index)
        case UInt8(ascii: "#") where current == nil: end = index
        case UInt8(ascii: "\""): open(.double, at: index)
        case UInt8(ascii: "'"): open(.single, at: index)
        case UInt8(ascii: "\\"): open(.backslash, at: index)
        case UInt8(ascii: "!") where takesMarks():
            start = start ?? index
            beginShell(.command, from: index + 1)
        case UInt8(ascii: "|"):
            if isDoubled { complain("|| is not supported; \"-cmd\" lets the failure of cmd pass") }
            beginShell(.pipe, from: index + 1, at: index)
        case UInt8(ascii: ">"):
            takeNumber(before: index)
            beginShell(.redirection, from: index, at: index)
        case UInt8(ascii: "&"):
            if isDoubled { complain("&& is not supported; what stands behind ; runs on success") }
            endCommand(at: index, isBackground: true)
        case UInt8(ascii: "<"):
            complain("< is not supported; \"put - PATH\" reads, and in a name it stands in quotes")
            fallthrough
        default:
            begin(at: index)
            add(byte, isQuoted: false)
        }
        return index + 1
    }

    private mutating func inDoubleQuotes(at index: Int) -> Int {
        let byte = line[index]
        if byte == UInt8(ascii: "\"") {
            quote = .none
            return index + 1
        }
        guard byte == UInt8(ascii: "\\") else {
            add(byte, isQuoted: true)
            return index + 1
        }
        // The escape is read by the one inverse of quote(), so that shell and wire can not differ.
        for length in [2, 4] where index + length <= line.count {
            let escape = Array(line[index..<(index + length)])
            let quotation = [UInt8(ascii: "\"")]
            // Losing the reason is right: the next length is tried, and then our own complaint.
            if let value = try? Quoting.unquote(quotation + escape + quotation) {
                for byte in value { add(byte, isQuoted: true) }
                return index + length
            }
        }
        complain("the escapes between \" are \\\\ \\\" \\n \\r \\t and \\xhh")
        add(byte, isQuoted: true)
        return index + 1
    }

    private mutating func open(_ kind: Quote, at index: Int) {
        begin(at: index)
        current?.hasQuotes = true
        quote = kind
    }

    private mutating func begin(at index: Int) {
        if current != nil { return }
        current = Word()
        currentStart = index
        start = start ?? index
    }

    private mutating func add(_ byte: UInt8, isQuoted: Bool) {
        current?.append(byte, isQuoted: isQuoted)
    }

    private mutating func endWord(at index: Int) {
        guard let word = current else { return }
        if words.isEmpty, part == nil { nameEnd = index }
        words.append(word)
        current = nil
    }

    private mutating func endCommand(at index: Int, isBackground: Bool = false) {
        endWord(at: index)
        let shell = shellText(to: index)
        if part != nil { words = ownWords }
        if words.isEmpty, shell == nil {
            if isBackground { complain("nothing stands before &") }
        } else if let start {
            commands.append(
                TypedCommand(
                    words: words, shell: shell,
                    marks: words.isEmpty ? marks : CommandMarks.take(from: words).marks,
                    isBackground: isBackground, text: trimmed(start..<index),
                    nameBytes: max(0, nameEnd - start)))
        }
        (words, ownWords, start, part, marks) = ([], [], nil, nil, CommandMarks())
    }

    private mutating func complain(_ text: String) {
        if complaint == nil { complaint = text }
    }

    private func trimmed(_ range: Range<Int>) -> [UInt8] {
        var range = range
        while let first = range.first, line[first] <= 0x20 { range.removeFirst() }
        while let last = range.last, line[last] <= 0x20 { range.removeLast() }
        return Array(line[range])
    }
}

// MARK: - Text for sh

extension LineSplitter {
    private mutating func beginShell(_ part: ShellPart, from start: Int, at index: Int? = nil) {
        if let index { endWord(at: index) }
        if words.isEmpty, part != .command {
            complain("nothing stands before \(part == .pipe ? "|" : ">")")
        }
        (ownWords, words) = (words, [])
        (self.part, partStart) = (part, start)
    }

    /// Whether nothing but marks stands before a `!`: then all that follows is for `sh`.
    private mutating func takesMarks() -> Bool {
        guard words.isEmpty else { return false }
        guard let word = current else { return true }
        var marks = CommandMarks()
        guard !word.hasQuotes, word.bytes.allSatisfy({ marks.add($0) }) else { return false }
        self.marks = marks
        current = nil
        return true
    }

    /// Looks at a number that stands right before `>`: 1 is what goes without saying.
    private mutating func takeNumber(before index: Int) {
        guard let word = current, !word.hasQuotes, !words.isEmpty,
            word.bytes.allSatisfy({ (0x30...0x39).contains($0) })
        else { return }
        if word.text != "1" {
            complain(
                "\(word.text)> is not supported: only results go elsewhere, complaints go where "
                    + "those of dfsh go; a name of digits stands in quotes or before a space")
        }
        current = nil
    }

    private mutating func inShellText(at index: Int) -> Int {
        let byte = line[index]
        let previous = index > partStart ? line[index - 1] : 0
        let next = index + 1 < line.count ? line[index + 1] : 0
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"):
            endWord(at: index)
        case UInt8(ascii: ";") where part != .command: endCommand(at: index)
        case UInt8(ascii: "#") where part != .command && current == nil: end = index
        case UInt8(ascii: "&") where part != .command && next == byte:
            endWord(at: index)
            return index + 2
        case UInt8(ascii: "&")
        where part != .command && !LineSplitter.joins(previous) && next != UInt8(ascii: ">"):
            endCommand(at: index, isBackground: true)
        case UInt8(ascii: "|"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "("),
            UInt8(ascii: ")"), UInt8(ascii: ";"), UInt8(ascii: "&"):
            endWord(at: index)
        case UInt8(ascii: "\""): open(.double, at: index)
        case UInt8(ascii: "'"): open(.single, at: index)
        case UInt8(ascii: "\\"): open(.backslash, at: index)
        default:
            begin(at: index)
            add(byte, isQuoted: false)
        }
        return index + 1
    }

    /// Whether an `&` behind this byte is a part of a redirection, as in `2>&1`.
    private static func joins(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ">") || byte == UInt8(ascii: "<")
    }

    private mutating func inShellDoubleQuotes(at index: Int) -> Int {
        let byte = line[index]
        if byte == UInt8(ascii: "\"") {
            quote = .none
        } else if byte == UInt8(ascii: "\\"), index + 1 < line.count {
            add(line[index + 1], isQuoted: true)
            return index + 2
        } else {
            add(byte, isQuoted: true)
        }
        return index + 1
    }

    private mutating func shellText(to index: Int) -> TypedCommand.Shell? {
        guard let part else { return nil }
        let text = trimmed(partStart..<max(partStart, index))
        switch part {
        case .command: return .command(text)
        case .pipe:
            if text.isEmpty { complain("nothing stands behind |") }
            return .pipe(text)
        case .redirection:
            let target = text.drop { $0 == UInt8(ascii: ">") || $0 == UInt8(ascii: " ") }
            if target.isEmpty { complain("no file stands behind >") }
            return .redirection(text)
        }
    }
}
