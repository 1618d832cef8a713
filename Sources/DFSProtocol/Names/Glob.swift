/// A pattern for one name: `*`, `?`, `[a-z]`, `[!a-z]` and backslash, by code point.
public struct Glob: Sendable {
    private enum Piece: Sendable {
        case exact([UInt8])
        case anyCharacter
        case anyRun
        case oneOf([ClosedRange<UInt32>], isNegated: Bool)
    }

    private let pieces: [Piece]

    /// Reads a pattern.
    ///
    /// A `[` that is never closed stands for itself. Between brackets a backslash does, too.
    public init(_ pattern: [UInt8]) {
        var pieces: [Piece] = []
        var index = 0
        // Once a set is not closed no later one is; looking again each time would be quadratic.
        var mayHaveSets = true
        while index < pattern.count {
            switch pattern[index] {
            case UInt8(ascii: "*"):
                if case .anyRun? = pieces.last {} else { pieces.append(.anyRun) }
                index += 1
            case UInt8(ascii: "?"):
                pieces.append(.anyCharacter)
                index += 1
            case UInt8(ascii: "[") where mayHaveSets:
                if let (piece, next) = Glob.set(pattern, from: index) {
                    pieces.append(piece)
                    index = next
                } else {
                    mayHaveSets = false
                }
            case UInt8(ascii: "\\") where index + 1 < pattern.count:
                pieces.append(.exact([pattern[index + 1]]))
                index += 2
            case let byte:
                pieces.append(.exact([byte]))
                index += 1
            }
        }
        self.pieces = pieces
    }

    /// Whether text holds a character that is special in a pattern.
    public static func isPattern(_ text: some Collection<UInt8>) -> Bool {
        text.contains {
            $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "[")
        }
    }

    /// Whether the whole name fits the pattern; costs name times pattern at worst.
    public func matches(_ name: [UInt8]) -> Bool {
        var (piece, index) = (0, 0)
        var retry: (piece: Int, index: Int)?
        while index < name.count || piece < pieces.count {
            if piece < pieces.count {
                if case .anyRun = pieces[piece] {
                    retry = (piece, index)
                    piece += 1
                    continue
                }
                if let length = Glob.length(pieces[piece], name, at: index) {
                    piece += 1
                    index += length
                    continue
                }
            }
            guard let (start, from) = retry, from < name.count else { return false }
            let next = from + Glob.character(name, at: from).length
            retry = (start, next)
            (piece, index) = (start + 1, next)
        }
        return true
    }

    private static func length(_ piece: Piece, _ name: [UInt8], at index: Int) -> Int? {
        guard index < name.count else { return nil }
        switch piece {
        case .exact(let bytes): return name[index...].starts(with: bytes) ? bytes.count : nil
        case .anyCharacter: return character(name, at: index).length
        case .anyRun: return nil
        case .oneOf(let ranges, let isNegated):
            let (value, length) = character(name, at: index)
            return ranges.contains { $0.contains(value) } != isNegated ? length : nil
        }
    }

    /// The character at a position; a byte that is not UTF-8 ranks above all characters.
    private static func character(_ bytes: [UInt8], at index: Int) -> (value: UInt32, length: Int) {
        let length = Quoting.sequenceLength(bytes.span, at: index)
        if length == 0 { return (0x110000 + UInt32(bytes[index]), 1) }
        if length == 1 { return (UInt32(bytes[index]), 1) }
        var value = UInt32(bytes[index]) & (0x7F >> UInt32(length))
        for offset in 1..<length { value = value << 6 | UInt32(bytes[index + offset] & 0x3F) }
        return (value, length)
    }

    private static func set(_ pattern: [UInt8], from start: Int) -> (Piece, next: Int)? {
        var index = start + 1
        var isNegated = false
        if index < pattern.count,
            pattern[index] == UInt8(ascii: "!") || pattern[index] == UInt8(ascii: "^")
        {
            isNegated = true
            index += 1
        }
        var ranges: [ClosedRange<UInt32>] = []
        let first = index
        while index < pattern.count {
            if pattern[index] == UInt8(ascii: "]"), index > first {
                return (.oneOf(ranges, isNegated: isNegated), index + 1)
            }
            let (low, length) = character(pattern, at: index)
            index += length
            if index + 1 < pattern.count, pattern[index] == UInt8(ascii: "-"),
                pattern[index + 1] != UInt8(ascii: "]")
            {
                let (high, highLength) = character(pattern, at: index + 1)
                index += 1 + highLength
                if low <= high { ranges.append(low...high) }
            } else {
                ranges.append(low...low)
            }
        }
        return nil
    }
}
