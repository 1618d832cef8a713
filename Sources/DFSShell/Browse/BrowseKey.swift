/// A key as a program on the whole screen understands it.
enum BrowseKey: Equatable {
    case up, down, left, right, pageUp, pageDown, home, end, enter, escape, backspace
    /// A character that stands for itself.
    case character(String)
    /// A letter with Ctrl: `control("c")`.
    case control(Character)
}

/// Makes keys of the bytes that a terminal sends; what is cut waits for its rest.
struct KeyReader {
    private var rest: [UInt8] = []

    /// The keys that are whole now.
    ///
    /// A lone ESC at the end of what was read is the key itself: terminals send a sequence at once.
    mutating func keys(of bytes: [UInt8]) -> [BrowseKey] {
        rest += bytes
        var keys: [BrowseKey] = []
        while let first = rest.first {
            guard let (key, count) = first == 0x1B ? sequence() : character(first) else { break }
            rest.removeFirst(count)
            if let key { keys.append(key) }
        }
        return keys
    }

    private func character(_ first: UInt8) -> (BrowseKey?, Int)? {
        switch first {
        case 0x0D, 0x0A: return (.enter, 1)
        case 0x7F, 0x08: return (.backspace, 1)
        case 0x01...0x1A: return (.control(Character(UnicodeScalar(first + 0x60))), 1)
        case ..<0x20: return (nil, 1)
        default: break
        }
        let length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
        guard rest.count >= length else { return nil }
        guard let text = String(validating: rest[..<length], as: UTF8.self) else { return (nil, 1) }
        return (.character(text), length)
    }

    private func sequence() -> (BrowseKey?, Int)? {
        guard rest.count > 1 else { return (.escape, 1) }
        guard rest[1] == UInt8(ascii: "[") || rest[1] == UInt8(ascii: "O") else {
            return (.escape, 1)
        }
        guard let end = rest[2...].firstIndex(where: { (0x40...0x7E).contains($0) }) else {
            // What goes on for ever is no key.
            return rest.count > 16 ? (nil, rest.count) : nil
        }
        let number = rest[2..<end].prefix { $0 != UInt8(ascii: ";") }
        return (KeyReader.key(rest[end], String(decoding: number, as: UTF8.self)), end + 1)
    }

    private static func key(_ final: UInt8, _ number: String) -> BrowseKey? {
        switch (final, number) {
        case (UInt8(ascii: "A"), _): .up
        case (UInt8(ascii: "B"), _): .down
        case (UInt8(ascii: "C"), _): .right
        case (UInt8(ascii: "D"), _): .left
        case (UInt8(ascii: "H"), _), (UInt8(ascii: "~"), "1"), (UInt8(ascii: "~"), "7"): .home
        case (UInt8(ascii: "F"), _), (UInt8(ascii: "~"), "4"), (UInt8(ascii: "~"), "8"): .end
        case (UInt8(ascii: "~"), "5"): .pageUp
        case (UInt8(ascii: "~"), "6"): .pageDown
        default: nil
        }
    }
}
