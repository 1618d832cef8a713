import Testing

@testable import DFSShell

@Suite struct KeyReaderTests {
    private func keys(_ pieces: String...) -> [BrowseKey] {
        var reader = KeyReader()
        return pieces.flatMap { reader.keys(of: [UInt8]($0.utf8)) }
    }

    @Test func `sequences of terminals are keys, in either of their modes`() {
        #expect(keys("\u{1B}[A\u{1B}OB\u{1B}[C\u{1B}OD") == [.up, .down, .right, .left])
        #expect(keys("\u{1B}[5~\u{1B}[6~\u{1B}[H\u{1B}[4~") == [.pageUp, .pageDown, .home, .end])
        #expect(keys("\u{1B}[1;5A") == [.up])
    }

    @Test func `what is cut waits for its rest, and a lone escape is a key`() {
        #expect(keys("\u{1B}") == [.escape])
        #expect(keys("\u{1B}[", "A") == [.up])
        var reader = KeyReader()
        #expect(reader.keys(of: [0xC3]) == [] && reader.keys(of: [0xBC]) == [.character("ü")])
    }

    @Test func `characters, control letters and Enter are told apart`() {
        #expect(
            keys("aü \r\u{7F}\u{3}")
                == [
                    .character("a"), .character("ü"), .character(" "), .enter, .backspace,
                    .control("c"),
                ])
    }

    @Test func `what is no key is dropped, and nothing behind it`() {
        var reader = KeyReader()
        #expect(reader.keys(of: [0xFF, 0x80, 0x00, 0x1C] + [UInt8]("a".utf8)) == [.character("a")])
        #expect(keys("\u{1B}[99~b", "\u{1B}[Zc") == [.character("b"), .character("c")])
        #expect(keys("\u{1B}[" + String(repeating: "1", count: 40), "x") == [.character("x")])
    }
}
