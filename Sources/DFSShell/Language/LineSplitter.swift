import DFSProtocol

/// Cuts a line into commands and words: the wire's `"..."`, `'...'`, backslash, `;` and `#`.
///
/// Works to the end of any line, so that completion can ask about one that is half typed.
public struct LineSplitter: Sendable {
    /// What the end of the line stands in.
    public enum Quote: Equatable, Sendable {
        case none
        case double
        case single
        /// A backslash was the last byte.
        case backslash
    }

    /// Whole words of each command, in order; a command without words is left away.
    public private(set) var commands: [[Word]] = []
    /// The words of the command in which the line ends, without the one that is being typed.
    public private(set) var words: [Word] = []
    /// The word that the line ends in; nil after a space and at the start.
    public private(set) var current: Word?
    /// Where in the line the current word starts, or the end of the line where there is none.
    public private(set) var currentStart = 0
    /// The quote that is still open at the end.
    public private(set) var quote = Quote.none
    /// What was wrong first, if anything; the rest of the line is still cut as well as possible.
    public private(set) var complaint: String?

    /// Cuts a line, which holds no newline outside of quotes.
    public init(_ line: [UInt8]) {
        var index = 0
        while index < line.count { index = step(line, at: index) }
        if current == nil { currentStart = line.count }
    }

    /// Cuts a whole line.
    ///
    /// - Throws: `ShellFailure` with `usage` where a quote is open or an escape is none.
    public static func split(_ line: [UInt8]) throws -> [[Word]] {
        var splitter = LineSplitter(line)
        switch splitter.quote {
        case .none: break
        case .double: splitter.complain("a \" is not closed")
        case .single: splitter.complain("a ' is not closed")
        case .backslash: splitter.complain("a backslash stands before the byte that it quotes")
        }
        if let complaint = splitter.complaint { throw ShellFailure(.usage, complaint) }
        splitter.endCommand()
        return splitter.commands
    }

    private mutating func step(_ line: [UInt8], at index: Int) -> Int {
        let byte = line[index]
        switch quote {
        case .backslash:
            add(byte, isQuoted: true)
            quote = .none
        case .single:
            if byte == UInt8(ascii: "'") { quote = .none } else { add(byte, isQuoted: true) }
        case .double: return inDoubleQuotes(line, at: index)
        case .none: return outside(line, at: index)
        }
        return index + 1
    }

    private mutating func outside(_ line: [UInt8], at index: Int) -> Int {
        let byte = line[index]
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"):
            endWord()
        case UInt8(ascii: ";"): endCommand()
        case UInt8(ascii: "#") where current == nil:
            return line.count
        case UInt8(ascii: "\""): open(.double, at: index)
        case UInt8(ascii: "'"): open(.single, at: index)
        case UInt8(ascii: "\\"): open(.backslash, at: index)
        case UInt8(ascii: "|"), UInt8(ascii: ">"), UInt8(ascii: "<"), UInt8(ascii: "&"):
            let sign = String(UnicodeScalar(byte))
            complain("\(sign) is not supported; in a name it stands in quotes, as '\(sign)'")
            fallthrough
        default:
            begin(at: index)
            add(byte, isQuoted: false)
        }
        return index + 1
    }

    private mutating func inDoubleQuotes(_ line: [UInt8], at index: Int) -> Int {
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
    }

    private mutating func add(_ byte: UInt8, isQuoted: Bool) {
        current?.append(byte, isQuoted: isQuoted)
    }

    private mutating func endWord() {
        if let word = current { words.append(word) }
        current = nil
    }

    private mutating func endCommand() {
        endWord()
        if !words.isEmpty { commands.append(words) }
        words = []
    }

    private mutating func complain(_ text: String) {
        if complaint == nil { complaint = text }
    }
}
