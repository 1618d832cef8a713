import DFSProtocol

/// What a half-typed line asks for at its cursor, by the table of commands.
struct CompletionQuery: Equatable, Sendable {
    /// Where candidates come from.
    let subject: CompletionSubject
    /// Whether only directories can stand here; others are offered when there is none.
    let wantsDirectory: Bool
    /// What stands before the name in the word: a path up to and with its last `/`, else nothing.
    let directory: [UInt8]
    /// What the name begins with.
    let prefix: [UInt8]
    /// Where the word starts in the line.
    let wordStart: Int
    /// Whether the word is of a text that `sh` gets.
    let isShellText: Bool
    /// How the word is quoted so far.
    let style: WordStyle

    /// Reads the line up to the cursor; nil where nothing can be completed.
    init?(line: [UInt8], cursor: Int, commands: [CommandSpecification]) {
        guard cursor <= line.count else { return nil }
        let typed = Array(line[..<cursor])
        let splitter = LineSplitter(typed)
        if splitter.quote == .backslash || splitter.complaint != nil { return nil }
        if splitter.current == nil, CompletionQuery.endsInComment(typed) { return nil }
        let word = splitter.current ?? Word()
        if word.isPattern { return nil }
        let begun = WordStyle(raw: typed[splitter.currentStart...], quote: splitter.quote)
        let place: Place
        isShellText = splitter.endsInShellText
        if splitter.endsInShellText {
            // Between " and behind \ sh sees what dfsh does not: there it is better to insert
            // nothing.
            guard let style = begun.forShell, WordStyle.canStandInShellText(word.bytes) else {
                return nil
            }
            place = Place(subject: .local(directory: []), isPath: true)
            self.style = style
        } else {
            guard
                let found = CompletionQuery.place(
                    of: word, after: splitter.words, commands: commands)
            else { return nil }
            place = found
            style = begun
        }
        wordStart = splitter.currentStart
        var (subject, prefix, directory) = (place.subject, word.bytes, [UInt8]())
        if place.isPath {
            let cut = (prefix.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1
            directory = Array(prefix[..<cut])
            prefix.removeFirst(cut)
            if case .local = subject {
                subject = .local(directory: directory)
            } else {
                subject = .remote(
                    directory: directory, prefix: prefix, onlyDirectories: place.wantsDirectory)
            }
        }
        self.subject = subject
        self.prefix = prefix
        self.directory = directory
        wantsDirectory = place.wantsDirectory
    }

    /// An unquoted `#` at the start of a word hides the rest of the line from the splitter, so that
    /// a quote behind it opens nothing.
    private static func endsInComment(_ typed: [UInt8]) -> Bool {
        return LineSplitter(typed + [UInt8(ascii: "'")]).quote != .single
    }

    private struct Place {
        var subject: CompletionSubject
        var isPath = false
        var wantsDirectory = false
    }

    private static func place(
        of word: Word, after words: [Word], commands: [CommandSpecification]
    ) -> Place? {
        guard let first = words.first else { return Place(subject: .commands) }
        let name = CommandNames.withoutSigns(first.text)
        if words.count == 1, !CommandNames.seconds(after: name, in: commands).isEmpty {
            return Place(subject: .subcommands(of: name))
        }
        guard let (row, used) = CommandNames.row(for: words, in: commands) else { return nil }
        var position = 0
        var takesOptions = !row.options.isEmpty
        var awaited: CommandSpecification.Kind?
        for (index, before) in words.enumerated().dropFirst(used) {
            if awaited != nil {
                awaited = nil
            } else if takesOptions, row.takesAsOption(before) {
                if before.text == "--" { takesOptions = false }
                awaited = CompletionQuery.valueKind(of: before, in: row)
            } else if row.operand(at: position)?.kind == .line {
                // From here on it is another command, completed as one.
                return place(of: word, after: Array(words[index...]), commands: commands)
            } else {
                position += 1
            }
        }
        if let awaited { return place(for: awaited) }
        if takesOptions, word.bytes.first == UInt8(ascii: "-"), !word.hasQuotes {
            return Place(subject: .options(of: row.name))
        }
        guard let kind = row.operand(at: position)?.kind else { return nil }
        if kind == .settingValue { return settingValue(of: words.last) }
        // A job's name is told from a session's by its first byte.
        if kind == .serverHandle, word.bytes.first == UInt8(ascii: "%") {
            return Place(subject: .jobs)
        }
        return place(for: kind)
    }

    /// The kind of the value that an option word leaves to the next word.
    private static func valueKind(
        of word: Word, in row: CommandSpecification
    ) -> CommandSpecification.Kind? {
        let text = String(word.text.drop { $0 == "-" })
        if let option = row.options.first(where: { $0.name == text }) { return option.value }
        return text.last.flatMap { letter in
            row.options.first { $0.name == String(letter) }?.value
        }
    }

    private static func settingValue(of word: Word?) -> Place? {
        guard let setting = word.flatMap({ Setting(rawValue: $0.text) }),
            case .choice(let words) = setting.value
        else { return nil }
        return Place(subject: .words(words))
    }

    private static func place(for kind: CommandSpecification.Kind) -> Place? {
        switch kind {
        case .remotePath: Place(subject: .remote(directory: []), isPath: true)
        case .remoteDirectory:
            Place(subject: .remote(directory: []), isPath: true, wantsDirectory: true)
        case .localPath: Place(subject: .local(directory: []), isPath: true)
        case .localDirectory:
            Place(subject: .local(directory: []), isPath: true, wantsDirectory: true)
        case .server: Place(subject: .servers)
        case .handle: Place(subject: .handles)
        case .serverHandle: Place(subject: .serverHandles)
        case .command, .line: Place(subject: .commands)
        case .setting: Place(subject: .words(Setting.allCases.map(\.rawValue)))
        case .alias: Place(subject: .aliases)
        case .job: Place(subject: .jobs)
        case .choice(let words): Place(subject: .words(words))
        case .number, .seconds, .rate, .text, .pattern, .settingValue: nil
        }
    }
}
