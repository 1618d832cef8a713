/// Finds rows of the table of commands by the words that a person types.
enum CommandNames {
    /// A command's name without the `@` or `-` that a script puts before it.
    static func withoutSigns(_ name: String) -> String {
        String(name.drop { $0 == "@" || $0 == "-" })
    }

    /// The row that a command line is read by, and how many words its name took.
    static func row(
        for words: [Word], in commands: [CommandSpecification]
    ) -> (row: CommandSpecification, used: Int)? {
        let texts = words.prefix(2).map(\.text)
        guard let first = texts.first.map(withoutSigns) else { return nil }
        if texts.count == 2, let row = row(named: "\(first) \(texts[1])", in: commands) {
            return (row, 2)
        }
        return row(named: first, in: commands).map { ($0, 1) }
    }

    private static func row(
        named name: String, in commands: [CommandSpecification]
    ) -> CommandSpecification? {
        commands.first { $0.name == name || $0.aliases.contains(name) }
    }

    /// Every first word, each once, in bytewise order.
    static func firsts(in commands: [CommandSpecification]) -> [String] {
        Set(spellings(of: commands).map { firstWord(of: $0) }).sorted(by: precedes)
    }

    /// Every second word after a first one, in bytewise order; none for a command of one word.
    static func seconds(after first: String, in commands: [CommandSpecification]) -> [String] {
        let seconds = spellings(of: commands).compactMap { name -> String? in
            let start = firstWord(of: name)
            guard start == first, start.count < name.count else { return nil }
            return String(name.dropFirst(start.count + 1))
        }
        return Set(seconds).sorted(by: precedes)
    }

    /// The options of a command as they are typed, in the table's order.
    static func options(of name: String, in commands: [CommandSpecification]) -> [String] {
        (row(named: name, in: commands)?.options ?? []).map(\.typed)
    }

    private static func spellings(of commands: [CommandSpecification]) -> [String] {
        commands.flatMap { [$0.name] + $0.aliases }
    }

    private static func firstWord(of name: String) -> String {
        String(name.prefix { $0 != " " })
    }

    private static func precedes(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }
}
