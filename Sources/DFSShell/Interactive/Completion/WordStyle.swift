import DFSProtocol

/// How a word is written on a command line so that it stands for given bytes.
///
/// What is written never holds a raw control byte: a name with ESC or a newline in it must not
/// become a key or a command.
enum WordStyle: Equatable, Sendable {
    /// As it is.
    case bare
    /// As it is, for an option: in quotes it would be none.
    case option
    /// A backslash before every byte that is special.
    case backslashes
    /// `"..."` with the wire's escapes; can stand for any bytes.
    case double
    /// `'...'`, in which nothing is special.
    case single
    /// As it is where `sh` sees nothing special in it, else in `'...'`; for text that `sh` gets.
    case shell

    /// Reads the style off a word that is half typed.
    init(raw: ArraySlice<UInt8>, quote: LineSplitter.Quote) {
        switch quote {
        case .double: self = .double
        case .single: self = .single
        case .none, .backslash:
            if raw.contains(UInt8(ascii: "\"")) {
                self = .double
            } else if raw.contains(UInt8(ascii: "'")) {
                self = .single
            } else {
                self = raw.contains(UInt8(ascii: "\\")) ? .backslashes : .bare
            }
        }
    }

    /// The byte that ends a word of this style.
    var mark: UInt8? {
        switch self {
        case .bare, .option, .backslashes, .shell: nil
        case .double: UInt8(ascii: "\"")
        case .single: UInt8(ascii: "'")
        }
    }

    /// This style where it can stand for the bytes, else the wire's.
    func fitting(_ value: [UInt8]) -> WordStyle {
        switch self {
        case .shell: WordStyle.isPlain(value) ? .bare : .single
        case .double: .double
        case .option: .option
        case .bare: WordStyle.isPlain(value) ? .bare : .double
        case .backslashes: WordStyle.isPrintable(value) ? .backslashes : .double
        case .single:
            WordStyle.isPrintable(value) && !value.contains(UInt8(ascii: "'")) ? .single : .double
        }
    }

    /// The style for text of `sh`; nil where the word was begun in one that `sh` reads otherwise.
    var forShell: WordStyle? {
        switch self {
        case .bare, .shell: .shell
        case .single: .single
        case .double, .backslashes, .option: nil
        }
    }

    /// Whether a name can be written in text for `sh`: what no `'...'` there can hold is left out.
    static func canStandInShellText(_ name: [UInt8]) -> Bool {
        isPrintable(name) && !name.contains(UInt8(ascii: "'")) && name.first != UInt8(ascii: "-")
    }

    /// Writes a value that may go on: a quotation mark that was opened stays open.
    func opened(_ value: [UInt8]) -> [UInt8] {
        switch self {
        case .bare, .option, .shell: return value
        case .single: return [UInt8(ascii: "'")] + value
        case .double: return Array(Quoting.quoteAlways(value).dropLast())
        case .backslashes:
            var result: [UInt8] = []
            for (index, byte) in value.enumerated() {
                let isSpecial =
                    WordStyle.special.contains(byte)
                    || (index == 0 && WordStyle.specialFirst.contains(byte))
                if isSpecial { result.append(UInt8(ascii: "\\")) }
                result.append(byte)
            }
            return result
        }
    }

    /// Writes a name of a list: as it would stand in the word that was begun.
    ///
    /// A quotation mark that stands in the line already is not shown again; any other name is as
    /// dfsh shows it everywhere.
    func shown(_ name: [UInt8]) -> String {
        guard self != .bare, fitting(name) == self else { return Word.typed(name) }
        return String(decoding: opened(name).dropFirst(mark == nil ? 0 : 1), as: UTF8.self)
    }

    /// Whether the bytes can stand without any quoting, here and on the wire.
    private static func isPlain(_ value: [UInt8]) -> Bool {
        if value.isEmpty { return true }
        return Quoting.quote(value) == value && !value.contains { special.contains($0) }
            && !specialFirst.contains(value[0])
    }

    /// Whether quoting would write the bytes without an escape other than for `"` and `\`.
    private static func isPrintable(_ value: [UInt8]) -> Bool {
        let others = value.filter { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
        return Quoting.quoteAlways(others).count == others.count + 2
    }

    private static let special = Set(" \"'\\;#|&<>*?[]{}()$`!".utf8)
    private static let specialFirst = Set("-@~".utf8)
}
