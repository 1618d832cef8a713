/// An option of the program dfsh itself, as its `--help` has it.
///
/// Completion and the manual page read it there: what is not in the help is in neither.
struct ProgramOption: Equatable, Sendable {
    /// Its spellings: `-h` and `--help`.
    let names: [String]
    /// What its value is called; empty for a flag, with `[=` before it where it may be left out.
    let value: String
    /// What it does.
    let summary: String

    /// Whether the next word is its value.
    var takesWord: Bool { !value.isEmpty && !value.hasPrefix("[") }

    /// Every option, in the order of help.
    static let all: [ProgramOption] = read(DfshOptions.help)

    static func read(_ help: String) -> [ProgramOption] {
        help.split(separator: "\n").compactMap { line in
            guard line.hasPrefix("  -") else { return nil }
            var left = Substring(line.drop { $0 == " " })
            var summary = Substring()
            // Two spaces stand between the two columns, and nowhere else.
            if let gap = left.indices.first(where: { left[$0...].hasPrefix("  ") }) {
                summary = left[gap...].drop { $0 == " " }
                left = left[..<gap]
            }
            var names: [String] = []
            var value = ""
            for word in left.split(separator: " ") {
                guard word.hasPrefix("-") else {
                    value = String(word)
                    continue
                }
                let name = word.prefix { $0 != "[" && $0 != "," && $0 != "=" }
                if word.contains("=") { value = String(word[name.endIndex...]) }
                names.append(String(name))
            }
            return ProgramOption(names: names, value: value, summary: String(summary))
        }
    }
}
