/// Text in columns: a table with a row a line, or many words on as few lines as fit.
enum Columns {
    /// Pads every cell but the last of a row; numbers stand at the right.
    static func table(_ rows: [[String]], rightAligned: Set<Int> = []) -> [String] {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in
            rows.map { column < $0.count ? width($0[column]) : 0 }.max() ?? 0
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - width(cell))
                if column > 0 { line += "  " }
                if rightAligned.contains(column) {
                    line += padding + cell
                } else {
                    line += cell + (column == row.count - 1 ? "" : padding)
                }
            }
            return line
        }
    }

    /// Fills lines of a terminal from top to bottom, as ls does.
    static func fill(_ words: [String], width total: Int) -> [String] {
        guard let widest = words.map(width).max(), !words.isEmpty else { return [] }
        let columns = max(1, (total + 2) / (widest + 2))
        let lines = (words.count + columns - 1) / columns
        return (0..<lines).map { line in
            var text = ""
            for index in stride(from: line, to: words.count, by: lines) {
                if index > line { text += "  " }
                text += words[index]
                if index + lines < words.count {
                    text += String(repeating: " ", count: widest - width(words[index]))
                }
            }
            return text
        }
    }

    /// Characters of text without its colours.
    ///
    /// Wide characters count as one, which costs alignment and nothing else.
    private static func width(_ text: String) -> Int {
        guard text.utf8.contains(0x1B) else { return text.count }
        // Names hold no escape: what begins with one is a colour of ours, up to its "m".
        var count = 0
        var isColour = false
        for character in text {
            if character == "\u{1B}" { isColour = true }
            if !isColour { count += 1 }
            if character == "m" { isColour = false }
        }
        return count
    }
}
