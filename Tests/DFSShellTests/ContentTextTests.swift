import Testing

@testable import DFSShell

/// What a terminal gets of a file's bytes.
@Suite struct ContentTextTests {
    private func shown(_ pieces: [[UInt8]]) -> [UInt8] {
        var text = ContentText()
        return pieces.flatMap { text.next($0) } + text.end()
    }

    @Test(arguments: [
        "plain\n", "tab\tand \"quotes\" and \\ backslash\n", "naïve € 日本 👍\n", "dos\r\nlines\r\n",
        "",
    ])
    func `lines of text are as they are`(text: String) {
        #expect(shown([[UInt8](text.utf8)]) == [UInt8](text.utf8))
    }

    @Test(
        arguments: [
            ([0x1B, 0x5B, 0x32, 0x4A], "\\x1b[2J"), ([0x61, 0x07, 0x08], "a\\x07\\x08"),
            ([0x61, 0x0D, 0x62], "a\\rb"), ([0x61, 0x0D], "a\\r"), ([0xFF, 0x61], "\\xffa"),
            ([0xE2, 0x82], "\\xe2\\x82"), ([0xC2, 0x9B, 0x6D], "\\xc2\\x9bm"), ([0x00], "\\x00"),
            ([0xE2, 0x80, 0xAE], "\\xe2\\x80\\xae"),
        ] as [([UInt8], String)])
    func `what moves the cursor or hides stands as escapes`(bytes: [UInt8], text: String) {
        #expect(String(decoding: shown([bytes]), as: UTF8.self) == text)
    }

    @Test func `however the bytes are cut, the same is shown`() {
        let bytes =
            [UInt8]("ü€👍\r\n\u{1B}[0m\rx\u{9B}é".utf8) + [0xE2, 0x82, 0x0A, 0xF0, 0x9F, 0xFF]
        let whole = shown([bytes])

        for cut in 0...bytes.count {
            #expect(shown([Array(bytes[..<cut]), Array(bytes[cut...])]) == whole, "cut at \(cut)")
        }
        #expect(shown(bytes.map { [$0] }) == whole)
        #expect(isHarmless(String(decoding: whole, as: UTF8.self).filter { !$0.isNewline }))
    }
}
