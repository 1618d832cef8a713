import Testing

@testable import DFSShell

@Suite struct LineSplitterTests {
    private func words(_ line: String) throws -> [[String]] {
        try LineSplitter.split([UInt8](line.utf8)).map { $0.map(\.text) }
    }

    @Test(arguments: [
        ("", []),
        ("   \t ", []),
        ("# only a comment", []),
        ("ls", [["ls"]]),
        ("ls -l  /docs ", [["ls", "-l", "/docs"]]),
        ("cd /a; ls;; pwd;", [["cd", "/a"], ["ls"], ["pwd"]]),
        ("echo a#b # c", [["echo", "a#b"]]),
        ("echo 'a;b' \"c;d\" e\\;f", [["echo", "a;b", "c;d", "e;f"]]),
        ("echo 'it''s'", [["echo", "its"]]),
        ("echo \"\" ''", [["echo", "", ""]]),
        ("echo a\"b c\"d", [["echo", "ab cd"]]),
        ("echo \"a\\n\\x41\\\"\\\\\"", [["echo", "a\nA\"\\"]]),
        ("echo 'a\\n'", [["echo", "a\\n"]]),
        ("echo '#' \\#", [["echo", "#", "#"]]),
        ("ls\r", [["ls"]]),
    ])
    func `a line is cut into commands and words`(line: String, expected: [[String]]) throws {
        #expect(try words(line) == expected)
    }

    @Test(arguments: [
        "echo \"a", "echo 'a", "echo a\\", "echo \"a\\q\"", "echo \"\\x4\"", "cat < b", "| sort",
        "> b", "ls |", "ls | ; pwd", "ls >", "ls >>", "ls || pwd", "ls && pwd", "& pwd", "ls | 'a",
        "ls > \"a", "cat f 2> e", "cat f 2>&1",
    ])
    func `what can not be meant is refused as usage`(line: String) {
        #expect(throws: ShellFailure.self) { try LineSplitter.split([UInt8](line.utf8)) }
    }

    @Test func `bytes that are no text are kept`() throws {
        let split = try LineSplitter.split([0x6C, 0x73, 0x20, 0xFF, 0x80])

        #expect(split.first?.last?.bytes == [0xFF, 0x80])
    }

    @Test(arguments: [
        ("*", true), ("a*", true), ("?", true), ("[ab]", true), ("'*'", false), ("\\*", false),
        ("\"a?\"", false), ("'a'*", true), ("a", false),
    ])
    func `only what is unquoted makes a pattern`(line: String, isPattern: Bool) throws {
        let word = try LineSplitter.split([UInt8](line.utf8))[0][0]

        #expect(word.isPattern == isPattern)
    }

    @Test func `in a pattern what was quoted stands for itself`() throws {
        let word = try LineSplitter.split([UInt8]("'*'*".utf8))[0][0]

        #expect(String(decoding: word.pattern, as: UTF8.self) == "\\**")
    }

    @Test(
        arguments: [
            ("ls /do", "/do", 3, LineSplitter.Quote.none), ("ls ", nil, 3, .none),
            ("ls \"a b", "a b", 3, .double), ("ls 'a", "a", 3, .single),
            ("ls a\\", "a", 3, .backslash), ("cd /a; ls x", "x", 10, .none),
        ] as [(String, String?, Int, LineSplitter.Quote)])
    func `a line that is half typed tells where it ends`(
        line: String, current: String?, start: Int, quote: LineSplitter.Quote
    ) {
        let splitter = LineSplitter([UInt8](line.utf8))

        #expect(splitter.current?.text == current)
        #expect(splitter.currentStart == start)
        #expect(splitter.quote == quote)
    }

    @Test(arguments: [
        ("-cat x", "cat", true, false), ("@cat x", "cat", false, true),
        ("-@cat x", "cat", true, true), ("cat x", "cat", false, false),
        ("'-cat' x", "-cat", false, false),
    ])
    func `marks before a command are taken off its name`(
        line: String, name: String, ignores: Bool, isSilent: Bool
    ) throws {
        let (words, marks) = CommandMarks.take(
            from: try LineSplitter.split([UInt8](line.utf8))[0])

        #expect(words.first?.text == name)
        #expect(marks.ignoresFailure == ignores)
        #expect(marks.isSilent == isSilent)
    }
}

@Suite struct TypedWordTests {
    @Test(arguments: [
        "plain", "a b", "*star*", "'q'", "\"dq\"", "back\\slash", "#hash", "-dash", "a;b", "a|b",
        "a>b",
        "new\nline", "esc\u{1B}", "{5}", "@7", "a=b", "[x]", "?", "ünï", "",
    ])
    func `a name that is shown can be typed back`(name: String) throws {
        let shown = Word.typed([UInt8](name.utf8))
        let words = try LineSplitter.split([UInt8]("cat \(shown)".utf8))[0]

        #expect(words.count == 2)
        #expect(words.last?.text == name)
        #expect(words.last?.isPattern == false)
        #expect(words.last?.looksLikeOption == false)
        #expect(isHarmless(shown))
    }
}
