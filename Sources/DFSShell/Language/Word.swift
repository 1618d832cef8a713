import DFSProtocol

/// One word of a command line: its bytes after quoting is resolved, and which of them were quoted.
///
/// A quoted `*` is a name's own byte, an unquoted one a pattern's: that is why both are kept.
public struct Word: Equatable, Sendable {
    /// The bytes that the word stands for.
    public private(set) var bytes: [UInt8] = []
    /// For every byte whether it was quoted or escaped; as long as `bytes`.
    private var quoted: [Bool] = []
    /// Whether quotation marks or a backslash stood anywhere in it; `""` is a word, though empty.
    public internal(set) var hasQuotes = false

    init() {}

    /// Takes bytes as they are: nothing in them is special.
    public init(literal bytes: [UInt8]) {
        self.bytes = bytes
        quoted = Array(repeating: true, count: bytes.count)
        hasQuotes = true
    }

    /// Takes unquoted text, such as an argument of the process that may be an option.
    public init(plain bytes: [UInt8]) {
        self.bytes = bytes
        quoted = Array(repeating: false, count: bytes.count)
    }

    /// Takes an argument of the process, which stands for itself or is an option.
    init(argument bytes: [UInt8]) {
        let isOption = bytes.first == UInt8(ascii: "-")
        self = isOption ? Word(plain: bytes) : Word(literal: bytes)
    }

    mutating func append(_ byte: UInt8, isQuoted: Bool) {
        bytes.append(byte)
        quoted.append(isQuoted)
    }

    /// Whether the word asks for expansion: an unquoted `*`, `?` or `[`.
    public var isPattern: Bool {
        zip(bytes, quoted).contains { byte, isQuoted in
            !isQuoted && Glob.isPattern(CollectionOfOne(byte))
        }
    }

    /// The word for `Glob`: quoted bytes that are special there stand behind a backslash.
    public var pattern: [UInt8] {
        var result: [UInt8] = []
        for (byte, isQuoted) in zip(bytes, quoted) {
            if isQuoted, Word.special.contains(byte) { result.append(UInt8(ascii: "\\")) }
            result.append(byte)
        }
        return result
    }

    private static let special = [UInt8]("*?[]\\!^-".utf8)

    /// Bytes as a word that stands for them when it is typed here; so dfsh shows every name.
    ///
    /// The wire's form, with quotation marks also where only this shell sees something special.
    public static func typed(_ bytes: some Collection<UInt8>) -> String {
        let isSpecial =
            bytes.first == UInt8(ascii: "-") || bytes.first == UInt8(ascii: "#")
            || bytes.contains(where: isSpecial)
        return isSpecial
            ? String(decoding: Quoting.quoteAlways(bytes), as: UTF8.self) : Quoting.text(bytes)
    }

    /// Whether an unquoted byte means something wherever it stands in a line of dfsh.
    private static func isSpecial(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "*"), UInt8(ascii: "?"), UInt8(ascii: "["), UInt8(ascii: "'"),
            UInt8(ascii: "|"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"),
            UInt8(ascii: ";"):
            true
        default: false
        }
    }

    /// The word as it could have been typed: quoted where it was, and where it would be cut else.
    public var source: [UInt8] {
        if bytes.isEmpty { return [UInt8]("\"\"".utf8) }
        var result: [UInt8] = []
        var run: [UInt8] = []
        for (byte, isQuoted) in zip(bytes, quoted) {
            if isQuoted || Word.cutting.contains(byte) || byte <= 0x20 || byte >= 0x7F {
                run.append(byte)
                continue
            }
            if !run.isEmpty { result += Quoting.quoteAlways(run) }
            run = []
            result.append(byte)
        }
        return run.isEmpty ? result : result + Quoting.quoteAlways(run)
    }

    private static let cutting = [UInt8]("\"'\\;#|&<>!".utf8)

    /// Whether the word begins with an unquoted `-` and something behind it.
    public var looksLikeOption: Bool {
        bytes.count > 1 && bytes[0] == UInt8(ascii: "-") && !quoted[0]
    }

    /// The bytes as text where they are compared with words of our own.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The word for messages: as it was typed or could have been, so that a pattern stays one.
    public var shown: String {
        if !hasQuotes { return Quoting.text(bytes) }
        return isPattern ? String(decoding: source, as: UTF8.self) : Word.typed(bytes)
    }
}

extension DefaultStringInterpolation {
    /// A path in a sentence or a list of dfsh stands as it can be typed there.
    mutating func appendInterpolation(_ path: TreePath) { appendLiteral(Word.typed(path.bytes)) }
}
