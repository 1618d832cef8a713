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

    /// How many bytes at the end are the beginning of a character.
    static func unfinishedCharacter(_ bytes: [UInt8]) -> Int {
        for (count, byte) in bytes.suffix(3).reversed().enumerated() {
            switch byte {
            case 0x80..<0xC0: continue
            case 0xC0..<0xE0: return count < 1 ? count + 1 : 0
            case 0xE0..<0xF0: return count < 2 ? count + 1 : 0
            case 0xF0...: return count < 3 ? count + 1 : 0
            default: return 0
            }
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
