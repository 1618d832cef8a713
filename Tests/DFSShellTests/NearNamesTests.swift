import Testing

@testable import DFSShell

@Suite struct NearNamesTests {
    private func near(_ word: String, _ words: [String]) -> [String] {
        NearNames.of([UInt8](word.utf8), among: words.map { [UInt8]($0.utf8) })
            .map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(
        arguments: [
            ("sevrers", "servers"), ("explian", "explain"), ("tial", "tail"), ("mkdri", "mkdir"),
            ("SERVERS", "servers"), ("sevrer", "servers"), ("hlep", "help"), ("cart", "cat"),
            ("catt", "cat"), ("mkkdirr", "mkdir"), ("ca", "cat"),
        ])
    func `a slip leads to the name that was meant, or two in a long one`(
        typed: String, meant: String
    ) {
        #expect(near(typed, ["servers", "explain", "tail", "mkdir", "help", "cat"]) == [meant])
    }

    @Test(arguments: [
        "x", "ls", "zzzz", "nope", "mroe2", "", "frobnicate", "nonsense",
        String(repeating: "a", count: 300),
    ])
    func `another name leads nowhere`(typed: String) {
        let names = [
            "servers", "cd", "tail", "move", "session open", String(repeating: "a", count: 299),
        ]

        #expect(near(typed, names) == [])
    }

    @Test func `of many that are as near, three are told in their order`() {
        #expect(
            near("file0", ["file3", "file1", "file4", "file2"]) == ["file3", "file1", "file4"])
    }

    @Test(arguments: [("", "abc", 3), ("abc", "", 3), ("abc", "acb", 1), ("kitten", "sitting", 3)])
    func `each letter that is missing, wrong or swapped counts once`(
        left: String, right: String, count: Int
    ) {
        #expect(NearNames.slips([UInt8](left.utf8), [UInt8](right.utf8)) == count)
    }
}
