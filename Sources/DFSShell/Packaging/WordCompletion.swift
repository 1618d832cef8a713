import DFSClient
import DFSProtocol

/// How the last of the words behind `dfsh` could go on, for the completion of bash, zsh and fish.
///
/// It tells nothing about names on this machine: those the person's shell knows itself.
struct WordCompletion {
    /// How long servers may take; nothing is said then.
    private static let budget: Duration = .milliseconds(500)

    /// The words behind the program's name; the last one is being typed, and may be empty.
    let words: [[UInt8]]

    /// Whole words that the last one can become, in order; a directory ends in `/`.
    func candidates(_ session: ShellSession) async -> [[UInt8]] {
        var rest = words[...]
        while rest.count > 1, let word = rest.first, word.first == UInt8(ascii: "-") {
            rest = rest.dropFirst()
            if WordCompletion.option(word)?.takesWord == true { rest = rest.dropFirst() }
        }
        // The value of an option of dfsh itself: a file, an address.
        guard let last = rest.last else { return [] }
        if rest.count == 1, last.first == UInt8(ascii: "-") {
            return ProgramOption.all.flatMap(\.names).map { [UInt8]($0.utf8) }
                .filter { $0.starts(with: last) }
        }
        let line =
            rest.dropLast().map { WordCompletion.escaped($0) + [UInt8(ascii: " ")] }
            .flatMap { $0 } + WordCompletion.escaped(last)
        guard
            let query = CompletionQuery(
                line: line, cursor: line.count, commands: CommandTable.rows)
        else { return [] }
        var found = await candidates(for: query.subject, session)
            .filter { $0.name.starts(with: query.prefix) && WordCompletion.canBeTyped($0.name) }
        if query.wantsDirectory, found.contains(where: \.isDirectory) {
            found = found.filter(\.isDirectory)
        }
        return found.map { query.directory + $0.name + ($0.isDirectory ? [TreePath.slash] : []) }
    }

    /// The value of `-n` among the words; nil where it was not given.
    var nameServers: [UInt8]? {
        var found: [UInt8]?
        var rest = words[...]
        while rest.count > 2, let word = rest.first, word.first == UInt8(ascii: "-") {
            rest = rest.dropFirst()
            guard let option = WordCompletion.option(word), option.takesWord else { continue }
            if option.names.contains("-n") { found = rest.first }
            rest = rest.dropFirst()
        }
        return found
    }

    private static func option(_ word: [UInt8]) -> ProgramOption? {
        let text = String(decoding: word, as: UTF8.self)
        return ProgramOption.all.first { $0.names.contains(text) }
    }

    /// A word that the splitter takes for these bytes and nothing else.
    private static func escaped(_ word: [UInt8]) -> [UInt8] {
        let safe = [UInt8]("/._-".utf8)
        return word.flatMap { byte in
            let isLetter =
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            return isLetter || safe.contains(byte) || byte >= 0x80
                ? [byte] : [UInt8(ascii: "\\"), byte]
        }
    }

    /// Whether a name may be put into a command line: one with a control byte never is.
    private static func canBeTyped(_ name: [UInt8]) -> Bool {
        guard let text = String(validating: name, as: UTF8.self) else { return false }
        return text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: false
            default: true
            }
        }
    }

    private func candidates(
        for subject: CompletionSubject, _ session: ShellSession
    ) async -> [CompletionCandidate] {
        func words(_ texts: [String]) -> [CompletionCandidate] {
            texts.map { CompletionCandidate($0) }
        }
        let rows = CommandTable.rows
        switch subject {
        case .commands: return words(CommandNames.firsts(in: rows))
        case .subcommands(let first): return words(CommandNames.seconds(after: first, in: rows))
        case .options(let name): return words(CommandNames.options(of: name, in: rows))
        case .words(let texts): return words(texts)
        case .servers: return words(await session.serverNames(within: Self.budget) ?? [])
        case .serverHandles:
            return (await session.serverHandleNames(within: Self.budget) ?? [])
                .map { CompletionCandidate(name: $0) }
        case .remote(let directory, let prefix, _):
            // A name that can not be in the tree has no entries.
            guard let path = try? session.path(directory) else { return [] }
            let names = NamesByPrefix(directory: path, prefix: prefix)
            let answer = await session.find(names, within: Self.budget) ?? CompletionAnswer()
            // The other shell inserts what all words begin with, and sees only the first of many.
            return answer.candidates
                + (answer.beginningOfMore.map { [CompletionCandidate(name: $0)] } ?? [])
        default: return []
        }
    }
}
