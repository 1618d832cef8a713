/// What `help` prints; every word of it stands in the table of commands.
enum HelpText {
    /// One line a command, under the headings of the groups.
    static func overview(_ rows: [CommandSpecification]) -> [String] {
        let width = rows.map(\.name.count).max() ?? 0
        var lines: [String] = []
        for group in CommandSpecification.Group.allCases {
            let members = rows.filter { $0.group == group }
            if members.isEmpty { continue }
            if !lines.isEmpty { lines.append("") }
            lines.append(group.rawValue)
            for row in members {
                let padding = String(repeating: " ", count: width - row.name.count)
                lines.append("  \(row.name)\(padding)  \(row.summary)")
            }
        }
        return lines
    }

    /// Usage, options, examples and exit codes of one command.
    static func details(_ row: CommandSpecification) -> [String] {
        var lines = ["usage: \(row.usage)", "", row.summary]
        if !row.aliases.isEmpty {
            lines.append("Also written \(row.aliases.joined(separator: ", ")).")
        }
        if !row.options.isEmpty {
            lines += ["", "options"]
            let rows = row.options.map { option in
                [
                    "  \(option.typed)" + (option.value.map { " \($0.placeholder)" } ?? ""),
                    option.summary,
                ]
            }
            lines += Columns.table(rows)
        }
        if !row.examples.isEmpty {
            lines += ["", "examples"]
            lines += Columns.table(row.examples.map { ["  \($0.line)", $0.meaning] })
        }
        let exits =
            [ExitCode.ok, .usage] + row.exits + (row.exits.contains(.failed) ? [] : [.failed])
        lines += ["", "exit codes"]
        for code in exits.sorted(by: { $0.rawValue < $1.rawValue }) {
            lines.append("  \(code.rawValue)  \(code.meaning)")
        }
        return lines
    }
}
