import DFSProtocol

/// One command with its options and operands, checked against the command's row.
public struct Invocation: Sendable {
    /// The row that the words were read by.
    public let specification: CommandSpecification
    /// The operands in their order; patterns are not expanded yet.
    public let operands: [Word]
    private let options: [(name: String, value: Word?)]

    /// Reads the words after the command's name.
    ///
    /// - Throws: `ShellFailure` with `usage`.
    public init(_ specification: CommandSpecification, words: [Word]) throws {
        var operands: [Word] = []
        var options: [(name: String, value: Word?)] = []
        var index = 0
        var takesOptions = true
        while index < words.count {
            let word = words[index]
            index += 1
            if takesOptions, word.looksLikeOption, word.bytes == [UInt8]("--".utf8) {
                takesOptions = false
                continue
            }
            guard takesOptions, specification.takesAsOption(word) else {
                operands.append(word)
                // From here on the words are another command's.
                if specification.operand(at: operands.count - 1)?.kind == .line {
                    operands += words[index...]
                    break
                }
                continue
            }
            for option in try Invocation.options(in: word, of: specification) {
                var value: Word?
                if option.value != nil {
                    guard index < words.count else {
                        throw Invocation.misuse(specification, "\(option.typed) needs a value")
                    }
                    value = words[index]
                    index += 1
                }
                options.append((option.name, value))
            }
        }
        self.specification = specification
        self.operands = operands
        self.options = options
        try checkCount()
        try checkChoices()
    }

    private static func options(
        in word: Word, of specification: CommandSpecification
    ) throws -> [CommandSpecification.Option] {
        if let option = specification.options.first(where: { $0.typed == word.text }) {
            return [option]
        }
        return try word.text.dropFirst().map { letter in
            guard let option = specification.options.first(where: { $0.name == String(letter) }),
                !word.text.hasPrefix("--")
            else {
                throw misuse(
                    specification, "\(word.shown) is not an option; a name goes behind --")
            }
            return option
        }
    }

    private static func misuse(
        _ specification: CommandSpecification, _ text: String
    ) -> ShellFailure {
        ShellFailure(.usage, "\(specification.name): \(text); usage: \(specification.usage)")
    }

    /// A failure that shows how the command is used.
    func misuse(_ text: String) -> ShellFailure { Invocation.misuse(specification, text) }

    private func checkCount() throws {
        if operands.count < specification.fewestOperands {
            let missing = specification.operands[operands.count].name
            throw misuse("\(missing) is missing")
        }
        if let most = specification.mostOperands, operands.count > most {
            throw misuse("\(operands[most].shown) is one word too many")
        }
    }

    private func checkChoices() throws {
        for (index, word) in operands.enumerated() {
            try check(word, specification.operand(at: index)?.kind)
        }
        for (name, value) in options {
            guard let value else { continue }
            try check(value, specification.options.first { $0.name == name }?.value)
        }
    }

    private func check(_ word: Word, _ kind: CommandSpecification.Kind?) throws {
        switch kind {
        case .choice(let words) where !words.contains(word.text):
            throw misuse("\(word.shown) is none of \(words.joined(separator: ", "))")
        case .number where Invocation.number(word) == nil:
            throw misuse("\(word.shown) is not a number from 0 to 9223372036854775807")
        default: return
        }
    }

    private static func number(_ word: Word) -> Int64? {
        let bytes = word.bytes
        return Number.parse(bytes.span)
    }

    /// Whether a flag was given.
    public func has(_ name: String) -> Bool { options.contains { $0.name == name } }

    /// The value of an option; the last one counts.
    public func value(_ name: String) -> Word? { options.last { $0.name == name }?.value }

    /// The value of an option that the row says is a number.
    public func number(_ name: String) -> Int64? { value(name).flatMap(Invocation.number) }

    /// An operand that the row says is a number.
    public func number(at index: Int) -> Int64? {
        index < operands.count ? Invocation.number(operands[index]) : nil
    }
}
