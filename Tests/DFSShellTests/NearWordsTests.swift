import Testing

@testable import DFSShell

@Suite struct NearWordsTests {
    private func near(_ word: String, _ words: [String]) -> [String] {
        NearWords.near([UInt8](word.utf8), in: words.map { [UInt8]($0.utf8) })
            .map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(
        arguments: [
            ("sevrers", "servers"), ("explian", "explain"), ("tial", "tail"), ("mkdri", "mkdir"),
            ("SERVERS", "servers"), ("sevrer", "servers"), ("hlep", "help"), ("cart", "cat"),
        ])
    func `the nearest word is found over one error, or two in a long one`(
        typed: String, meant: String
    ) {
        #expect(near(typed, ["servers", "explain", "tail", "mkdir", "help", "cat"]) == [meant])
    }

    @Test(arguments: ["x", "ls", "zzzz", "", "frobnicate"])
    func `a word that is near to none finds none`(typed: String) {
        #expect(near(typed, ["servers", "cd", "tail"]) == [])
    }

    @Test func `of many that are as near, three are told in their order`() {
        #expect(
            near("file0", ["file3", "file1", "file4", "file2"]) == ["file3", "file1", "file4"])
    }

    @Test(arguments: [("", "abc", 3), ("abc", "", 3), ("abc", "acb", 1), ("kitten", "sitting", 3)])
    func `each letter that is missing, wrong or swapped counts once`(
        left: String, right: String, count: Int
    ) {
        #expect(NearWords.distance([UInt8](left.utf8), [UInt8](right.utf8)) == count)
    }
}
