import DFSProtocol

/// What Tab does to a line: text that takes the place of what stands before the cursor, or a list.
struct Completion: Equatable, Sendable {
    /// Characters, not bytes, that go from before the cursor.
    var removedCharacters = 0
    /// What is inserted there; valid UTF-8 without control characters.
    var inserted: [UInt8] = []
    /// What could follow, where nothing can be inserted that all of it begins with; bytewise order.
    var choices: [CompletionCandidate] = []
    /// Whether `choices` are the first of very many.
    var hasMoreChoices = false

    /// Whether there is nothing to insert and nothing to show.
    var isEmpty: Bool { removedCharacters == 0 && inserted.isEmpty && choices.isEmpty }

    /// Decides from the candidates of the query's subject.
    init(_ query: CompletionQuery, line: [UInt8], cursor: Int, _ answer: CompletionAnswer) {
        let matches = Completion.matches(query, answer.candidates)
        let more = answer.beginningOfMore
        guard let first = matches.first else { return }
        let typed = Array(line[query.wordStart..<cursor])
        let rest = line[cursor...]
        let style = query.isOption ? .option : query.style
        if matches.count == 1, more == nil {
            let ending: Ending = first.isDirectory ? .directory : .word
            let value = query.directory + first.name
            replace(typed, by: Completion.text(value, style, ending, before: rest))
            return
        }
        let common = Completion.commonPrefix(of: matches.map(\.name) + (more.map { [$0] } ?? []))
        let value = query.directory + common
        let text = Completion.text(value, style, .open, before: rest)
        if common.count > query.prefix.count { replace(typed, by: text) }
        if inserted.isEmpty { (choices, hasMoreChoices) = (matches, more != nil) }
    }

    private enum Ending {
        case open
        case directory
        case word
    }

    /// The candidates that the word can become, each once, in bytewise order.
    private static func matches(
        _ query: CompletionQuery, _ candidates: [CompletionCandidate]
    ) -> [CompletionCandidate] {
        var found = candidates.filter { $0.name.starts(with: query.prefix) && !$0.name.isEmpty }
        let dots = [UInt8]("..".utf8)
        if query.isPath, query.prefix == dots {
            found.append(CompletionCandidate(name: dots, isDirectory: true))
        }
        if query.isPath, query.prefix.isEmpty {
            // What begins with a dot is offered when it is asked for, or when there is nothing
            // else.
            let shown = found.filter { $0.name.first != UInt8(ascii: ".") }
            if !shown.isEmpty { found = shown }
        }
        if query.wantsDirectory { found = found.filter(\.isDirectory) }
        if query.isShellText { found = found.filter { WordStyle.canStandInShellText($0.name) } }
        var seen: Set<[UInt8]> = []
        return found.filter { seen.insert($0.name).inserted }
            .sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }

    /// What all names begin with, never cut inside a character.
    static func commonPrefix(of names: [[UInt8]]) -> [UInt8] {
        guard let first = names.first else { return [] }
        var count = first.count
        for name in names {
            let equal = zip(first, name).prefix { $0 == $1 }.count
            count = min(count, equal)
        }
        // A cut inside a character of one name is inside the same character of all of them.
        for start in stride(from: count - 1, through: max(0, count - 3), by: -1) {
            guard first[start] & 0xC0 != 0x80 else { continue }
            let length = first[start] >= 0xF0 ? 4 : first[start] >= 0xE0 ? 3 : 2
            let end = min(start + length, first.count)
            let isCut = first[start] >= 0xC0 && end > count
            if isCut, String(validating: first[start..<end], as: UTF8.self) != nil { count = start }
            break
        }
        return Array(first[..<count])
    }

    private static func text(
        _ value: [UInt8], _ style: WordStyle, _ ending: Ending, before rest: ArraySlice<UInt8>
    ) -> [UInt8] {
        let slash = UInt8(ascii: "/")
        let whole = ending == .directory ? value + [slash] : value
        let fitting = style.fitting(whole)
        var text = fitting.opened(whole)
        guard ending == .word else { return text }
        if let mark = fitting.mark {
            if rest.first == mark { return text }
            text.append(mark)
        }
        if rest.first != UInt8(ascii: " ") { text.append(UInt8(ascii: " ")) }
        return text
    }

    private mutating func replace(_ typed: [UInt8], by text: [UInt8]) {
        var equal = zip(typed, text).prefix { $0 == $1 }.count
        // Both are cut at the start of a character.
        while equal > 0,
            (equal < typed.count && typed[equal] & 0xC0 == 0x80)
                || (equal < text.count && text[equal] & 0xC0 == 0x80)
        {
            equal -= 1
        }
        removedCharacters = typed[equal...].count { $0 & 0xC0 != 0x80 }
        inserted = Array(text[equal...])
    }
}

extension CompletionQuery {
    /// Whether the word is an option.
    var isOption: Bool {
        if case .options = subject { return true }
        return false
    }

    /// Whether names stand in directories.
    var isPath: Bool {
        switch subject {
        case .remote, .local: true
        default: false
        }
    }
}
