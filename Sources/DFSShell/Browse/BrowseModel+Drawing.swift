import DFSClient
import DFSProtocol

/// The screen as rows of cells; one row a line, none wider than the screen.
extension BrowseModel {
    /// All rows of the screen, from the title to the last line.
    func screen() -> [CellRow] {
        guard height > 2 else { return Array(([title] + [lastLine]).prefix(max(1, height))) }
        let body = mode == .help ? help : tree
        let padding = Array(repeating: CellRow(limit: columns), count: max(0, page - body.count))
        return [title] + body.prefix(page) + padding + [lastLine]
    }

    private var title: CellRow {
        var row = CellRow(limit: columns)
        row.add(" \(Word.typed(top.bytes))  ", .reverse)
        let up = servers.count { $0.state == .up }
        let silent = servers.filter { $0.state != .up }.map { server in
            "\(server.id) \(server.isAway ? "away" : ErrorSentence.safe(server.state.word))"
        }
        if let outage {
            row.add("no name server: \(outage)", .reverse)
        } else if !servers.isEmpty {
            row.add(
                ([Amounts.count(Int64(up), "server") + " up"] + silent).joined(separator: ", "),
                .reverse)
        }
        if !marked.isEmpty { row.add("  \(marked.count) marked", .reverse) }
        row.fill(.reverse)
        return row
    }

    private var tree: [CellRow] {
        (first..<min(rows.count, first + page)).map { drawn(rows[$0], isCurrent: $0 == cursor) }
    }

    private func drawn(_ row: Row, isCurrent: Bool) -> CellRow {
        var cells = CellRow(limit: columns)
        let isDim = row.entry.map { !$0.isAvailable } ?? true
        let style: CellStyle =
            isCurrent ? (isDim ? .dimReverse : .reverse) : isDim ? .dim : .plain
        // A tree deeper than the screen is wide still shows its names.
        let indent = min(row.depth * 2, max(0, columns / 2))
        let mark = marked.contains(row.path) && row.entry != nil ? "*" : " "
        cells.add(mark + String(repeating: " ", count: indent), style)
        if let entry = row.entry {
            let sign = entry.kind == .file ? "  " : isOpen(entry.path) ? "- " : "+ "
            let isBold = entry.kind == .directory && !isCurrent
            cells.add(sign + EntryText.name(entry, entry.name), isBold ? .bold : style)
            cells.add(reason(entry), style)
        } else {
            cells.add("  (\(row.note ?? ""))", style)
        }
        if isCurrent { cells.fill(style) }
        return cells
    }

    private var lastLine: CellRow {
        var row = CellRow(limit: columns)
        if case .search(let text) = mode {
            row.add("/" + ErrorSentence.safe(text), .plain)
        } else if !message.isEmpty {
            row.add(message, .plain)
        } else if let entry = current?.entry {
            var words = ["\(entry.path)"]
            if entry.kind == .file {
                words += [Amounts.sentence(entry.size), Amounts.time(entry.modified)]
                words += entry.server.map { ["on \($0)"] } ?? []
            }
            row.add(words.joined(separator: "  "), .dim)
        } else {
            row.add("? explains the keys, q leaves", .dim)
        }
        return row
    }

    private var help: [CellRow] {
        BrowseModel.keys.map { line in
            var row = CellRow(limit: columns)
            row.add(line)
            return row
        }
    }

    /// What `?` shows, and help.
    static let keys = [
        "",
        "  arrows, h j k l   up, down, close and open a directory",
        "  PageUp, PageDown  a screen up or down (also Ctrl-B, Ctrl-F)",
        "  Home, End         to the first or last row (also 0, G)",
        "  Enter             shows a file; opens or closes a directory",
        "  Space             marks for g, or unmarks",
        "  g                 gets what is marked, or this, into the local directory",
        "  /                 searches all names below; n and N go to the others",
        "  r                 asks for everything anew; changes come by themselves too",
        "  Ctrl-L, Ctrl-Z    draws the screen anew; stops dfsh until fg",
        "  q, Esc            leaves",
        "",
        "  Dim is what can not be had now, with the reason behind it. Any key goes back.",
    ]
}
