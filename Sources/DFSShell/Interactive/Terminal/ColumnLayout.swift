/// Arranges names in as many columns as fit, read from top to bottom.
enum ColumnLayout {
    private static let gap = 2

    /// Lines with a newline after each; `widths` are the columns that the names take.
    static func text(_ names: [String], widths: [Int], columns: Int) -> String {
        guard let widest = widths.max() else { return "" }
        // The last column of the screen stays empty: some terminals wrap there.
        let perRow = max(1, (columns - 1 + gap) / (widest + gap))
        let rows = (names.count + perRow - 1) / perRow
        var text = ""
        for row in 0..<rows {
            var padding = 0
            for index in stride(from: row, to: names.count, by: rows) {
                text += String(repeating: " ", count: padding) + names[index]
                padding = widest - widths[index] + gap
            }
            text += "\n"
        }
        return text
    }
}
