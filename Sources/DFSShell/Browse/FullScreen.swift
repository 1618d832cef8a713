import CEditLine
import Glibc

/// The terminal as one screen of rows, while it is ours; what it showed before comes back.
///
/// It comes back too where a signal stops or ends the process, which is done in C.
final class FullScreen {
    /// Becomes readable when all is to be drawn anew: another size, or back from a stop.
    private(set) var changes: Int32 = -1
    private let output: ShellOutput
    private var drawn: [CellRow] = []

    /// Nothing is shown before `open`.
    init(_ output: ShellOutput) { self.output = output }

    deinit { dfs_screen_close() }

    /// Takes the terminal: keys come one by one, and nothing is echoed.
    ///
    /// - Throws: `ShellFailure` where there is none.
    func open() throws {
        changes = dfs_screen_open(STDOUT_FILENO)
        guard changes >= 0 else { throw LocalFailure.failure([UInt8]("terminal".utf8), errno) }
        // Nothing has been drawn that would have to be drawn anew.
        _ = dfs_screen_take_change()
        drawn = []
    }

    /// Gives the terminal back, once everything that was drawn is written.
    func close() async {
        _ = await output.settle()
        dfs_screen_close()
    }

    /// Columns and rows.
    var size: (columns: Int, height: Int) {
        var (columns, rows) = (Int32(0), Int32(0))
        dfs_terminal_size(STDOUT_FILENO, &columns, &rows)
        return (Int(columns), Int(rows))
    }

    /// Forgets what is shown: the next drawing draws all.
    func forget() { drawn = [] }

    /// Shows rows; writes only those that have changed.
    func draw(_ rows: [CellRow]) {
        var text = drawn.isEmpty ? CellStyle.plain.sequence + "\u{1B}[H\u{1B}[2J" : ""
        for (number, row) in rows.enumerated()
        where number < drawn.count ? drawn[number] != row : !row.spans.isEmpty {
            text += "\u{1B}[\(number + 1);1H" + CellStyle.plain.sequence + "\u{1B}[K"
            for span in row.spans { text += span.style.sequence + span.text }
            text += CellStyle.plain.sequence
        }
        drawn = rows
        if text.isEmpty { return }
        output.trace([UInt8](text.utf8)) { writeAll($0, to: STDOUT_FILENO) }
    }
}
