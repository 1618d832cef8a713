/// A line of the one form that nearly all frequent requests have: `[@tag ]VERB argument`.
///
/// It is read in one pass, before the framer and the parser, which would read it alike; a line of
/// any other form, right or wrong, is theirs. One space between the parts, none at the ends, no
/// pair, no escape, no literal.
public struct PlainLine {
    /// Where the tag stands, with its `@`; empty where there is none.
    public let tag: Range<Int>
    /// Where the argument's value stands, without its quotation marks.
    public let value: Range<Int>
    /// Whether the value stands without quotation marks and is answered without them too.
    public let isBare: Bool
    /// Where the next line begins.
    public let end: Int

    /// Reads a line that begins at an index; nil where none of this form is whole there.
    ///
    /// - Parameters:
    ///   - verb: In capital letters; as in every request, small ones do as well.
    ///   - most: The longest line in bytes, without its end.
    @inline(__always)
    public init?(
        _ bytes: Span<UInt8>, from start: Int, verb: StaticString, most: Int
    ) {
        var index = start
        if index < bytes.count, bytes[index] == UInt8(ascii: "@") {
            guard let end = PlainLine.endOfTag(bytes, from: index) else { return nil }
            index = end
        }
        tag = start..<max(start, index &- 1)
        guard PlainLine.has(verb, bytes, at: index) else { return nil }
        index &+= verb.utf8CodeUnitCount &+ 1
        guard let newline = ByteScan.newline(bytes, from: index) else { return nil }
        var end = newline
        if end > index, bytes[end &- 1] == 0x0D { end &-= 1 }
        guard end > index, end &- start <= most else { return nil }
        if bytes[index] == UInt8(ascii: "\"") {
            value = (index &+ 1)..<max(index &+ 1, end &- 1)
            isBare = false
            guard PlainLine.isQuoted(bytes.extracting(index..<end)) else { return nil }
        } else {
            value = index..<end
            isBare = true
            guard LineWriter.isBareWord(bytes.extracting(index..<end)) else { return nil }
        }
        self.end = newline &+ 1
    }

    /// Where the verb stands behind a tag; nil where this is no tag and one space.
    private static func endOfTag(_ bytes: Span<UInt8>, from start: Int) -> Int? {
        var index = start &+ 1
        while index < bytes.count, bytes[index].isASCIILetter || bytes[index].isASCIIDigit {
            index &+= 1
        }
        guard (2...17).contains(index &- start), index < bytes.count,
            bytes[index] == UInt8(ascii: " ")
        else { return nil }
        return index &+ 1
    }

    /// Whether the verb and one space stand at an index.
    @inline(__always)
    private static func has(_ verb: StaticString, _ bytes: Span<UInt8>, at index: Int) -> Bool {
        let count = verb.utf8CodeUnitCount
        guard index &+ count < bytes.count, bytes[index &+ count] == UInt8(ascii: " ") else {
            return false
        }
        return verb.withUTF8Buffer { letters in
            for offset in 0..<count where bytes[index &+ offset] & 0xDF != letters[offset] {
                return false
            }
            return true
        }
    }

    /// Whether a text is one quoted argument whose bytes are its value.
    private static func isQuoted(_ text: Span<UInt8>) -> Bool {
        guard text.count >= 2, text[text.count &- 1] == UInt8(ascii: "\"") else { return false }
        for index in 1..<(text.count &- 1) {
            switch text[index] {
            case 0..<0x20, 0x7F, UInt8(ascii: "\""), UInt8(ascii: "\\"): return false
            default: continue
            }
        }
        return true
    }
}
