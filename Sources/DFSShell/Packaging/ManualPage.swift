/// The manual page dfsh(1), for man: its commands stand in the table, its options in `--help`.
enum ManualPage {
    /// The page, in the language of man(7).
    static func text(_ rows: [CommandSpecification]) -> String {
        var lines = [
            ".TH DFSH 1 \(date) DFS \"User Commands\"", ".SH NAME",
            "dfsh \\- shell of the distributed file system", ".SH SYNOPSIS",
        ]
        let usages = DfshOptions.help.split(separator: "\n").prefix { !$0.isEmpty }
            .filter { $0.contains("dfsh ") && $0.contains("[options]") }
        for (number, usage) in usages.enumerated() {
            let call = usage.drop { $0 == " " }
            let start = call.hasPrefix("usage: ") ? call.dropFirst(7) : call
            if number > 0 { lines.append(".br") }
            lines.append(".B " + escaped(cut(start)))
        }
        lines.append(".SH DESCRIPTION")
        lines += paragraph(
            "dfsh talks to one shared tree of files that lie on several file servers: "
                + "interactively on a terminal, as a script from a file or from standard input, "
                + "or one command as arguments. Results go to standard output, everything else "
                + "to standard error.")
        lines.append(".SH OPTIONS")
        for option in ProgramOption.all { lines += item(option.heading, option.summary) }
        lines.append(".SH COMMANDS")
        for group in CommandSpecification.Group.allCases {
            let members = rows.filter { $0.group == group }
            if members.isEmpty { continue }
            lines.append(".SS \"\(escaped(group.rawValue))\"")
            for row in members { lines += command(row) }
        }
        lines.append(".SH \"EXIT STATUS\"")
        for code in ExitCode.allCases { lines += item("\(code.rawValue)", code.meaning) }
        lines.append(".SH ENVIRONMENT")
        for (name, meaning) in environment { lines += item(name, meaning) }
        lines += [
            ".SH \"SEE ALSO\"", ".BR dfs\\-nameserver (8),", ".BR dfs\\-fileserver (8)",
        ]
        return lines.joined(separator: "\n")
    }

    /// The day of this version, in the form of man(7).
    private static let date = "2026-11-23"

    private static let environment = [
        ("DFSH_NAMESERVER", "Name servers as with -n, where that is not given."),
        ("DFSH_HISTFILE", "Where the lines that were typed are kept."),
        ("DFSH_PAGER, PAGER", "What \"less\" and \"open\" show files with."),
        ("VISUAL, EDITOR", "What \"edit\" edits files with."),
        ("NO_COLOR", "Where it is set, nothing is coloured."),
    ]

    private static func command(_ row: CommandSpecification) -> [String] {
        var lines = item(row.usage, row.summary)
        if !row.aliases.isEmpty {
            lines += paragraph("Also written \(row.aliases.joined(separator: ", ")).")
        }
        if !row.options.isEmpty || !row.examples.isEmpty { lines.append(".RS") }
        for option in row.options {
            let value = option.value.map { " \($0.placeholder)" } ?? ""
            lines += item(option.typed + value, option.summary)
        }
        for example in row.examples { lines += item("Example: " + example.line, example.meaning) }
        if !row.options.isEmpty || !row.examples.isEmpty { lines.append(".RE") }
        return lines
    }

    private static func item(_ heading: String, _ text: String) -> [String] {
        [".TP", ".B " + escaped(heading)] + paragraph(text)
    }

    /// Lines that the reader sees as one paragraph; each sentence begins one, as man(7) asks.
    static func paragraph(_ text: String) -> [String] {
        var lines: [String] = []
        var isNew = true
        for word in text.split(separator: " ") {
            let word = escaped(String(word))
            if let last = lines.last, !isNew, last.utf8.count + word.utf8.count < 78 {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(word)
            }
            isNew = word.hasSuffix(".") && !word.hasSuffix("..")
        }
        return lines
    }

    /// A usage line without its explanation, which stands behind two spaces.
    private static func cut(_ line: Substring) -> String {
        guard let gap = line.indices.first(where: { line[$0...].hasPrefix("  ") }) else {
            return String(line)
        }
        return String(line[..<gap])
    }

    /// Text that stands for itself: no request, no escape, no hyphen that is broken or curled.
    static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            case "\"": result += "\\(dq"
            case "'": result += "\\(aq"
            case "`": result += "\\(ga"
            case "^": result += "\\(ha"
            case "~": result += "\\(ti"
            default: result.append(character)
            }
        }
        return result.hasPrefix(".") ? "\\&" + result : result
    }
}

extension ProgramOption {
    /// Its spellings with the value, for a manual.
    fileprivate var heading: String {
        let isGlued = value.hasPrefix("[") || value.hasPrefix("=")
        return names.joined(separator: ", ") + (value.isEmpty || isGlued ? "" : " ") + value
    }
}
