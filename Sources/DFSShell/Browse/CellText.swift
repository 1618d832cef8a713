/// How text looks on a screen of cells.
enum CellStyle: Equatable {
    case plain
    /// What can not be had, and notes.
    case dim
    case bold
    /// The row with the cursor, and bars.
    case reverse
    /// The row with the cursor where that can not be had.
    case dimReverse

    /// What a terminal is sent before text of this style.
    var sequence: String {
        switch self {
        case .plain: "\u{1B}[0m"
        case .dim: "\u{1B}[0;2m"
        case .bold: "\u{1B}[0;1m"
        case .reverse: "\u{1B}[0;7m"
        case .dimReverse: "\u{1B}[0;2;7m"
        }
    }
}

/// A row of a screen: text in styles, no wider than the screen.
struct CellRow: Equatable {
    /// A piece in one style.
    struct Span: Equatable {
        let text: String
        let style: CellStyle
    }

    private(set) var spans: [Span] = []
    /// How many cells are used.
    private(set) var width = 0
    private let limit: Int

    /// Starts empty.
    init(limit: Int) { self.limit = max(0, limit) }

    /// Adds text as far as there is room; what is cut ends in an ellipsis.
    ///
    /// Control bytes have been made harmless before: every scalar is a character to show.
    mutating func add(_ text: String, _ style: CellStyle = .plain) {
        let room = limit - width
        if room <= 0 || text.isEmpty { return }
        let full = CellRow.width(of: text)
        if full <= room {
            spans.append(Span(text: text, style: style))
            width += full
            return
        }
        var kept = ""
        var used = 0
        for scalar in text.unicodeScalars {
            let next = CellRow.width(of: scalar)
            if used + next > room - 1 { break }
            kept.unicodeScalars.append(scalar)
            used += next
        }
        spans.append(Span(text: kept + "…", style: style))
        width += used + 1
        // Nothing stands behind the ellipsis.
        if width < limit { fill(style) }
    }

    /// Fills the row to its end.
    mutating func fill(_ style: CellStyle) {
        if width >= limit { return }
        spans.append(Span(text: String(repeating: " ", count: limit - width), style: style))
        width = limit
    }

    /// The row's text without styles.
    var text: String { spans.map(\.text).joined() }

    /// How many cells text takes.
    static func width(of text: String) -> Int {
        text.unicodeScalars.reduce(0) { $0 + width(of: $1) }
    }

    private static func width(of scalar: UnicodeScalar) -> Int {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: return wide.contains { $0.contains(scalar.value) } ? 2 : 1
        }
    }

    /// What East Asian fonts and emoji draw over two cells.
    ///
    /// - Source: Unicode, EastAsianWidth.txt, W and F, in ranges that terminals agree on.
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF,
        0xA000...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
        0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1F9FF,
        0x20000...0x3FFFD,
    ]
}
