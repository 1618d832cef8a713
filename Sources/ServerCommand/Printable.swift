/// Text for a terminal or a log, in which no byte of a name can move a cursor or forge a line.
enum Printable {
    /// Shows control characters, line separators and bidirectional controls as `\u{..}`; keeps LF
    /// and TAB.
    static func text(_ text: String) -> String {
        escape(text) { $0 == "\n" || $0 == "\t" }
    }

    /// The same on one line.
    static func line(_ text: String) -> String {
        escape(text) { _ in false }
    }

    private static func escape(_ text: String, unless isKept: (Unicode.Scalar) -> Bool) -> String {
        var shown = ""
        for scalar in text.unicodeScalars {
            if isHidden(scalar), !isKept(scalar) {
                shown += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                shown.unicodeScalars.append(scalar)
            }
        }
        return shown
    }

    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}
