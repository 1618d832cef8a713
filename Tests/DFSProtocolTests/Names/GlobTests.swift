import DFSProtocol
import Testing

@Suite struct GlobTests {
    @Test(arguments: [
        ("*", ""), ("*", "abc"), ("a*", "a"), ("*.txt", "x.txt"), ("a*b*c", "axxbyyc"), ("?", "é"),
        ("??", "é😀"), ("[a-c]x", "bx"), ("[!a-c]x", "dx"), ("[^a-c]x", "dx"), ("[]]", "]"),
        ("[a-]", "-"), ("[é-ü]", "ö"), ("[", "["), ("a[b", "a[b"), ("\\*", "*"), ("\\[a]", "[a]"),
        ("a\\", "a\\"), ("*é", "é"), ("[!é]", "a"), ("", ""), ("[[a]", "["), ("*?b", "éb"),
    ])
    func `a name fits`(pattern: String, name: String) {
        #expect(Glob(bytes(pattern)).matches(bytes(name)))
    }

    @Test(arguments: [
        ("?", ""), ("?", "ab"), ("a*", "b"), ("*.txt", "x.txt2"), ("[a-c]", "d"), ("[!a-c]", "b"),
        ("[c-a]", "b"), ("\\*", "a"), ("", "a"), ("??", "é"), ("*??", "é"), ("A", "a"),
        ("[b", "b"), ("[!]", "a"),
    ])
    func `a name does not fit`(pattern: String, name: String) {
        #expect(!Glob(bytes(pattern)).matches(bytes(name)))
    }

    @Test func `a byte that is not UTF-8 counts as one character`() {
        #expect(Glob(bytes("?")).matches([0xFF]))
        #expect(Glob(bytes("a?b")).matches([0x61, 0x80, 0x62]))
        #expect(Glob([0xFF]).matches([0xFF]))
        #expect(Glob([0x5B, 0xFF, 0x5D]).matches([0xFF]))
        #expect(!Glob(bytes("[!a]x")).matches([0xFF]))
    }

    @Test func `a pattern without special characters fits exactly its own bytes`() {
        var random = SeededRandom(seed: 5)

        for _ in 0..<2000 {
            let name = random.bytes(upTo: 12).filter { ![0x2A, 0x3F, 0x5B, 0x5C].contains($0) }
            #expect(Glob(name).matches(name))
            #expect(!Glob(name).matches(name + [0x61]))
        }
    }

    @Test func `thousands of open brackets and stars are read and matched at once`() {
        let brackets = [UInt8](repeating: UInt8(ascii: "["), count: 60_000)
        let stars = [UInt8]((0..<500).flatMap { _ in [UInt8(ascii: "*"), UInt8(ascii: "a")] })

        #expect(Glob(brackets).matches(brackets))
        #expect(!Glob(stars).matches([UInt8](repeating: UInt8(ascii: "a"), count: 255)))
    }

    @Test(arguments: [("a*b", true), ("a?", true), ("[a", true), ("a.b", false), ("", false)])
    func `a pattern is told from a name`(text: String, isPattern: Bool) {
        #expect(Glob.isPattern(bytes(text)) == isPattern)
    }
}
