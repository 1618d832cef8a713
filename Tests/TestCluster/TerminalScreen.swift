/// What a person sees: the screen of a terminal, computed from the bytes that a program wrote.
///
/// Knows what libedit and dfsh send to an xterm; anything else is kept in `unknown`, so that a test
/// notices both a gap here and a byte that should never have reached a terminal.
public struct TerminalScreen: Sendable {
    /// Characters in a row.
    public let columns: Int
    /// Rows.
    public let height: Int
    /// The row of the cursor, counted from 0.
    public private(set) var row = 0
    /// The column of the cursor, counted from 0.
    public private(set) var column = 0
    /// How often the bell rang.
    public private(set) var bells = 0
    /// Sequences and control bytes that mean nothing here.
    public private(set) var unknown: [String] = []

    private var cells: [[String]]
    /// The cursor stands behind the last column; the next character wraps.
    private var isWrapPending = false
    private var isInserting = false
    private var pending: [UInt8] = []

    /// Starts blank.
    public init(columns: Int, height: Int) {
        self.columns = columns
        self.height = height
        cells = Array(repeating: Array(repeating: " ", count: columns), count: height)
    }

    /// The rows as text, without spaces at their ends.
    public var rows: [String] {
        cells.map { row in
            var row = row[...]
            while row.last == " " { row.removeLast() }
            return row.joined()
        }
    }

    /// The row of the cursor.
    public var line: String { rows[row] }

    /// All rows down to the last one with text, for messages.
    public var text: String {
        var rows = rows
        while rows.last == "" { rows.removeLast() }
        return rows.joined(separator: "\n")
    }

    /// Takes bytes as they come; a character or sequence may be cut anywhere.
    public mutating func write(_ bytes: some Sequence<UInt8>) {
        pending.append(contentsOf: bytes)
        while let length = step() { pending.removeFirst(length) }
    }

    /// Handles what stands first; nil where it is not whole yet.
    private mutating func step() -> Int? {
        guard let first = pending.first else { return nil }
        if first == 0x1B { return escape() }
        if first < 0x20 || first == 0x7F {
            control(first)
            return 1
        }
        let length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
        guard pending.count >= length else { return nil }
        guard let text = String(validating: pending[..<length], as: UTF8.self) else {
            unknown.append("byte \(first)")
            return 1
        }
        put(text)
        return length
    }

    private mutating func control(_ byte: UInt8) {
        switch byte {
        case 0x07: bells += 1
        case 0x08: move(toRow: row, column: column - 1)
        case 0x09: move(toRow: row, column: (column / 8 + 1) * 8)
        case 0x0A: lineFeed()
        case 0x0D: move(toRow: row, column: 0)
        case 0x0E, 0x0F: break
        default: unknown.append("control \(byte)")
        }
    }

    private mutating func put(_ text: String) {
        guard let scalar = text.unicodeScalars.first else { return }
        if scalar.value < 0xA0 && scalar.value >= 0x80 {
            return unknown.append("C1 \(scalar.value)")
        }
        if scalar.properties.generalCategory == .nonspacingMark {
            cells[row][max(0, column - 1)] += text
            return
        }
        if isWrapPending {
            move(toRow: row, column: 0)
            lineFeed()
        }
        if isInserting {
            cells[row].insert(text, at: column)
            cells[row].removeLast()
        } else {
            cells[row][column] = text
        }
        if column == columns - 1 { isWrapPending = true } else { column += 1 }
    }

    private mutating func move(toRow row: Int, column: Int) {
        self.row = min(max(0, row), height - 1)
        self.column = min(max(0, column), columns - 1)
        isWrapPending = false
    }

    private mutating func lineFeed() {
        isWrapPending = false
        if row < height - 1 {
            row += 1
        } else {
            cells.removeFirst()
            cells.append(Array(repeating: " ", count: columns))
        }
    }
}

// MARK: - Escape sequences

extension TerminalScreen {
    private mutating func escape() -> Int? {
        guard pending.count >= 2 else { return nil }
        switch pending[1] {
        case UInt8(ascii: "["): return sequence()
        case UInt8(ascii: "]"):
            return pending.firstIndex(of: 0x07).map { $0 + 1 }
        case UInt8(ascii: "("), UInt8(ascii: ")"): return pending.count >= 3 ? 3 : nil
        case UInt8(ascii: "="), UInt8(ascii: ">"): return 2
        default:
            unknown.append("ESC \(pending[1])")
            return 2
        }
    }

    private mutating func sequence() -> Int? {
        guard let end = pending[2...].firstIndex(where: { $0 >= 0x40 && $0 <= 0x7E }) else {
            return nil
        }
        let body = String(decoding: pending[2..<end], as: UTF8.self)
        let numbers = body.split(separator: ";", omittingEmptySubsequences: false).map { Int($0) }
        apply(
            pending[end], numbers.first.flatMap { $0 }, numbers.dropFirst().first.flatMap { $0 },
            body)
        return end + 1
    }

    private mutating func apply(_ final: UInt8, _ first: Int?, _ second: Int?, _ body: String) {
        let count = max(1, first ?? 1)
        switch Character(UnicodeScalar(final)) {
        case "A": move(toRow: row - count, column: column)
        case "B": move(toRow: row + count, column: column)
        case "C": move(toRow: row, column: column + count)
        case "D": move(toRow: row, column: column - count)
        case "G": move(toRow: row, column: count - 1)
        case "d": move(toRow: count - 1, column: column)
        case "H", "f": move(toRow: count - 1, column: (second ?? 1) - 1)
        case "J": eraseBelow(first ?? 0)
        case "K": eraseInLine(first ?? 0)
        case "P": shift(by: -count)
        case "@": shift(by: count)
        case "X": erase(row, column..<min(columns, column + count))
        case "h" where body == "4": isInserting = true
        case "l" where body == "4": isInserting = false
        case "m": break
        case "h", "l": if !body.hasPrefix("?") { unknown.append("CSI \(body)h") }
        default: unknown.append("CSI \(body)\(Character(UnicodeScalar(final)))")
        }
    }

    private mutating func erase(_ row: Int, _ range: Range<Int>) {
        for column in range { cells[row][column] = " " }
    }

    private mutating func eraseInLine(_ mode: Int) {
        switch mode {
        case 0: erase(row, column..<columns)
        case 1: erase(row, 0..<(column + 1))
        default: erase(row, 0..<columns)
        }
    }

    private mutating func eraseBelow(_ mode: Int) {
        let first = mode == 0 ? row + 1 : 0
        if mode == 0 { eraseInLine(0) }
        for row in first..<height { erase(row, 0..<columns) }
    }

    /// Moves the rest of the row to the right, or to the left where the count is negative.
    private mutating func shift(by count: Int) {
        for _ in 0..<min(abs(count), columns) {
            if count > 0 {
                cells[row].insert(" ", at: column)
                cells[row].removeLast()
            } else {
                cells[row].remove(at: column)
                cells[row].append(" ")
            }
        }
    }
}
