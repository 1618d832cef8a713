import DFSProtocol

/// A file's content as it may be shown on a terminal, piece by piece.
///
/// Lines, tabs and characters are as they are. Control bytes, what is no UTF-8 and what hides stand
/// as escapes: no file can move the cursor, change the title or answer for the person.
struct ContentText {
    /// The beginning of a character, or a CR before which nobody knows yet what it is for.
    private var rest: [UInt8] = []

    /// The next piece; the beginning of a character at its end waits for the next one.
    mutating func next(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var whole = rest + bytes
        let cut = whole.count - ContentText.unfinished(whole)
        rest = Array(whole[cut...])
        whole.removeLast(whole.count - cut)
        return ContentText.shown(whole)
    }

    /// What waited, where nothing more comes.
    mutating func end() -> [UInt8] {
        defer { rest = [] }
        return ContentText.shown(rest)
    }

    /// How many bytes at the end may go on in the next piece.
    private static func unfinished(_ bytes: [UInt8]) -> Int {
        bytes.last == UInt8(ascii: "\r") ? 1 : unfinishedCharacter(bytes)
    }

    /// How many bytes at the end are the beginning of a character, which more bytes could end.
    static func unfinishedCharacter(_ bytes: [UInt8]) -> Int {
        for count in 1...3 where count <= bytes.count {
            let start = bytes.count - count
            if bytes[start] & 0xC0 == 0x80 { continue }
            let length =
                switch bytes[start] {
                case 0xC2...0xDF: 2
                case 0xE0...0xEF: 3
                case 0xF0...0xF4: 4
                default: 0
                }
            guard count < length else { return 0 }
            // The byte behind the first says whether any character begins so.
            let whole = bytes[start...] + Array(repeating: 0x80, count: length - count)
            let other = bytes[start...] + Array(repeating: 0xBF, count: length - count)
            let isBeginning = [whole, other].contains {
                String(validating: $0, as: UTF8.self) != nil
            }
            return isBeginning ? count : 0
        }
        return 0
    }

    private static func shown(_ bytes: [UInt8]) -> [UInt8] {
        if bytes.allSatisfy(isPlain) { return bytes }
        var result: [UInt8] = []
        var start = 0
        for (index, byte) in bytes.enumerated() where byte == 0x0A || byte == 0x09 {
            // The CR of a line's end moves the cursor where it goes anyway.
            let hasReturn = byte == 0x0A && index > start && bytes[index - 1] == 0x0D
            result += escaped(bytes[start..<(hasReturn ? index - 1 : index)])
            if hasReturn { result.append(0x0D) }
            result.append(byte)
            start = index + 1
        }
        return result + escaped(bytes[start...])
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        (0x20..<0x7F).contains(byte) || byte == 0x0A || byte == 0x09
    }

    private static func escaped(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        bytes.allSatisfy(isPlain) ? Array(bytes) : Array(ErrorSentence.safe(Array(bytes)).utf8)
    }
}
