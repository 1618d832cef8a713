/// What placeholders stand for so far in one section.
typealias Captures = [String: [UInt8]]

/// An expected line: literal text with placeholders, and nothing that needs a manual.
///
/// `[..]` is any text, and so is ` ...` at the end of a line. `[NAME]` is one word, the same at
/// each place. `[TIME] [PORT] [EPOCH] [VER] [MS] [FID] [N] [ADDR] [SHA]` have a form and may differ
/// from place to place; with a number after it (`[VER1]`) such a one must be the same at each place
/// too.
struct LinePattern {
    enum Part: Equatable {
        case literal([UInt8])
        case anything
        /// Nothing, or a space and anything.
        case moreWords
        /// `form` is nil for one word; `name` is nil where nothing is remembered.
        case placeholder(form: Form?, name: String?)
    }

    enum Form: String, CaseIterable {
        case time = "TIME"
        case port = "PORT"
        case epoch = "EPOCH"
        case version = "VER"
        case milliseconds = "MS"
        case file = "FID"
        case number = "N"
        case address = "ADDR"
        case digest = "SHA"
    }

    let parts: [Part]

    init(_ line: String) {
        var parts: [Part] = []
        var literal: [UInt8] = []
        var rest = Substring(line)
        let isOpenEnded = rest.hasSuffix(" ...")
        if isOpenEnded { rest = rest.dropLast(4) }
        while let first = rest.first {
            if first == "[", let close = rest.firstIndex(of: "]"),
                let part = LinePattern.placeholder(rest[rest.index(after: rest.startIndex)..<close])
            {
                if !literal.isEmpty { parts.append(.literal(literal)) }
                literal = []
                parts.append(part)
                rest = rest[rest.index(after: close)...]
            } else {
                literal += [UInt8](String(first).utf8)
                rest = rest.dropFirst()
            }
        }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        if isOpenEnded { parts.append(.moreWords) }
        self.parts = parts
    }

    /// Whether the line stands for itself only.
    var isLiteral: Bool { parts.allSatisfy { if case .literal = $0 { true } else { false } } }

    private static func placeholder(_ text: Substring) -> Part? {
        if text == ".." { return .anything }
        let bytes = Array(text.utf8)
        guard let first = bytes.first, (0x41...0x5A).contains(first),
            bytes.allSatisfy({
                (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F
            })
        else { return nil }
        let letters = text.prefix { !$0.isNumber }
        guard let form = Form(rawValue: String(letters)),
            text.dropFirst(letters.count).allSatisfy(\.isNumber)
        else { return .placeholder(form: nil, name: String(text)) }
        return .placeholder(form: form, name: letters.count == text.count ? nil : String(text))
    }

    /// Holds an actual line against the pattern.
    ///
    /// - Returns: What the placeholders stand for now; nil where the line does not match.
    func match(_ line: String, _ captures: Captures) -> Captures? {
        match(parts[...], Array(line.utf8)[...], captures)
    }

    private func match(
        _ parts: ArraySlice<Part>, _ text: ArraySlice<UInt8>, _ captures: Captures
    ) -> Captures? {
        guard let part = parts.first else { return text.isEmpty ? captures : nil }
        let rest = parts.dropFirst()
        switch part {
        case .literal(let bytes):
            guard text.starts(with: bytes) else { return nil }
            return match(rest, text.dropFirst(bytes.count), captures)
        case .anything:
            for end in text.startIndex...text.endIndex {
                if let found = match(rest, text[end...], captures) { return found }
            }
            return nil
        case .moreWords:
            return text.isEmpty || text.first == UInt8(ascii: " ") ? captures : nil
        case .placeholder(let form, let name):
            if let name, let known = captures[name] {
                guard text.starts(with: known) else { return nil }
                return match(rest, text.dropFirst(known.count), captures)
            }
            let longest = LinePattern.length(of: form, in: text)
            var count = longest
            while count > 0 {
                let value = Array(text.prefix(count))
                if form == nil || LinePattern.length(of: form, in: value[...]) == count {
                    var grown = captures
                    if let name { grown[name] = value }
                    if let found = match(rest, text.dropFirst(count), grown) { return found }
                }
                count -= 1
            }
            return nil
        }
    }
}

extension LinePattern {
    /// How many bytes at the start of a text have a form; 0 where none have.
    static func length(of form: Form?, in text: ArraySlice<UInt8>) -> Int {
        switch form {
        case nil:
            text.prefix { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "{") }.count
        case .port, .epoch, .version, .milliseconds, .file, .number:
            text.prefix(while: isDigit).count
        case .digest: text.prefix(64).prefix(while: isHexadecimal).count == 64 ? 64 : 0
        case .time: timeLength(text)
        case .address: addressLength(text)
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        isDigit(byte) || (0x61...0x66).contains(byte)
    }

    private static func timeLength(_ text: ArraySlice<UInt8>) -> Int {
        let form = Array("0000-00-00T00:00:00".utf8)
        guard text.count > form.count else { return 0 }
        for (byte, expected) in zip(text, form) {
            guard expected == 0x30 ? isDigit(byte) : byte == expected else { return 0 }
        }
        var rest = text.dropFirst(form.count)
        var count = form.count
        if rest.first == UInt8(ascii: ".") {
            let digits = rest.dropFirst().prefix(while: isDigit).count
            guard (1...9).contains(digits) else { return 0 }
            count += digits + 1
            rest = rest.dropFirst(digits + 1)
        }
        return rest.first == UInt8(ascii: "Z") ? count + 1 : 0
    }

    private static func addressLength(_ text: ArraySlice<UInt8>) -> Int {
        let word = text.prefix { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: ",") }
        guard let colon = word.lastIndex(of: UInt8(ascii: ":")), colon > word.startIndex else {
            return 0
        }
        let digits = word[(colon + 1)...].prefix(while: isDigit).count
        return (1...5).contains(digits) ? colon + 1 + digits - word.startIndex : 0
    }

    /// Puts what is known in the place of placeholders, in what is sent.
    static func filled(_ line: String, _ captures: Captures) -> [UInt8] {
        var filled: [UInt8] = []
        var rest = Substring(line)
        while let first = rest.first {
            if first == "[", let close = rest.firstIndex(of: "]"),
                let known = captures[String(rest[rest.index(after: rest.startIndex)..<close])]
            {
                filled += known
                rest = rest[rest.index(after: close)...]
            } else {
                filled += [UInt8](String(first).utf8)
                rest = rest.dropFirst()
            }
        }
        return filled
    }
}
