import DFSProtocol

/// Short names for the beginnings of commands.
struct Aliases: Sendable {
    private var texts: [[UInt8]: [UInt8]] = [:]

    /// Names and texts, in bytewise order of the names.
    var all: [(name: [UInt8], text: [UInt8])] {
        texts.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { ($0.key, $0.value) }
    }

    /// What a name stands for.
    subscript(name: [UInt8]) -> [UInt8]? { texts[name] }

    /// Gives a text a name.
    ///
    /// - Throws: `ShellFailure` with `usage` where nobody could type the name, or the text is none.
    mutating func set(_ name: [UInt8], _ text: [UInt8]) throws {
        let isWord =
            !name.isEmpty && Quoting.quote(name) == name
            && !name.contains { Aliases.special.contains($0) }
        guard isWord, name[0] != UInt8(ascii: "-"), name[0] != UInt8(ascii: "@") else {
            throw ShellFailure(
                .usage, "alias: \(Quoting.text(name)) can not be typed as the name of a command")
        }
        guard !(try LineSplitter.commands(text)).isEmpty else {
            throw ShellFailure(.usage, "alias \(Quoting.text(name)): an empty text is no command")
        }
        texts[name] = text
    }

    private static let special = Set("'\\;#|&<>*?[]!\"".utf8)

    /// Forgets a name; false where it is none.
    mutating func remove(_ name: [UInt8]) -> Bool { texts.removeValue(forKey: name) != nil }

    /// What a command stands for: itself, or what its first word is an alias of.
    ///
    /// An alias in its own text is not expanded again, so that `alias ls ls -l` has an end.
    /// - Throws: `ShellFailure` with `usage`, where text and words do not make a line together.
    func expanded(_ command: TypedCommand, without used: Set<[UInt8]> = []) throws -> [TypedCommand]
    {
        let (words, _) = CommandMarks.take(from: command.words)
        guard let first = words.first, !first.hasQuotes, !used.contains(first.bytes),
            let text = texts[first.bytes]
        else { return [command] }
        var line = Array(command.text.prefix(command.nameBytes - first.bytes.count))
        line += text + command.text.dropFirst(command.nameBytes)
        if command.isBackground { line += [UInt8](" &".utf8) }
        return try LineSplitter.commands(line).flatMap {
            try expanded($0, without: used.union([first.bytes]))
        }
    }
}
