import Testing

@testable import DFSShell

/// What of a line is dfsh's, and what is for sh.
@Suite struct TypedCommandTests {
    private func commands(_ line: String) throws -> [TypedCommand] {
        try LineSplitter.commands([UInt8](line.utf8))
    }

    /// `words|text`, with the sign of what sh does between them.
    private func shown(_ command: TypedCommand) -> String {
        let words = command.words.map(\.text).joined(separator: " ")
        let end = command.isBackground ? " &" : ""
        switch command.shell {
        case nil: return words + end
        case .pipe(let text): return "\(words)|\(String(decoding: text, as: UTF8.self))\(end)"
        case .redirection(let text):
            return "\(words)=\(String(decoding: text, as: UTF8.self))\(end)"
        case .command(let text): return "\(words)!\(String(decoding: text, as: UTF8.self))\(end)"
        }
    }

    @Test(arguments: [
        ("ls | sort", ["ls|sort"]),
        ("ls -l | sort | head -3", ["ls -l|sort | head -3"]),
        ("cat a > b", ["cat a=> b"]),
        ("cat a>>b", ["cat a=>>b"]),
        ("cat a > b; ls", ["cat a=> b", "ls"]),
        ("cat a 1> b", ["cat a=> b"]),
        ("cat a 1 > b", ["cat a 1=> b"]),
        ("cat '2'> b", ["cat 2=> b"]),
        ("ls > b 2>&1 | wc && echo", ["ls=> b 2>&1 | wc && echo"]),
        ("ls | grep 'a;b' ; pwd", ["ls|grep 'a;b'", "pwd"]),
        ("ls | grep \"a\\\";b\"", ["ls|grep \"a\\\";b\""]),
        ("ls | grep a # b", ["ls|grep a"]),
        ("ls | grep a#b", ["ls|grep a#b"]),
        ("ls 'a|b>c&d' \\| \\> \\&", ["ls a|b>c&d | > &"]),
        ("get a &", ["get a &"]),
        ("get a& get b & pwd", ["get a &", "get b &", "pwd"]),
        ("cat a > b & pwd", ["cat a=> b &", "pwd"]),
        ("!date; ls | wc & # x", ["!date; ls | wc & # x"]),
        ("pwd; !echo 'it", ["pwd", "!echo 'it"]),
        ("!", ["!"]),
        ("-!false", ["!false"]),
        ("echo a! !b", ["echo a! !b"]),
    ])
    func `a line is divided between dfsh and sh`(line: String, expected: [String]) throws {
        #expect(try commands(line).map(shown) == expected)
    }

    @Test(arguments: [("-ls | x", true), ("-!x", true), ("@-!x", true), ("!x", false)])
    func `the marks of a command count for what sh does too`(line: String, ignores: Bool) throws {
        #expect(try commands(line).first?.marks.ignoresFailure == ignores)
    }

    @Test(arguments: [
        ("  get 'a  b' -r & ", "get 'a  b' -r"), ("ls | wc # c", "ls | wc"), ("pwd # c", "pwd"),
        ("a; @b c", "@b c"),
    ])
    func `a command keeps what was typed`(line: String, text: String) throws {
        let last = try #require(try commands(line).last)

        #expect(String(decoding: last.text, as: UTF8.self) == text)
    }

    @Test(arguments: [
        "plain", "'a b'", "a'b'*", "*", "'*'", "\\*a", "\"a\\nb\"", "''", "a[b-c]?", "'#'", "-l",
        "'-l'", "a\\;b",
    ])
    func `a word can be written again so that it means the same`(text: String) throws {
        let word = try #require(try commands("x \(text)").first?.words.last)

        let again = try LineSplitter.commands([UInt8]("x ".utf8) + word.source)

        #expect(again.count == 1)
        #expect(again.first?.words.count == 2)
        #expect(again.first?.words.last?.bytes == word.bytes)
        #expect(again.first?.words.last?.pattern == word.pattern)
        #expect(again.first?.words.last?.looksLikeOption == word.looksLikeOption)
    }
}

@Suite struct AliasTests {
    private func expanded(_ line: String, _ aliases: [(String, String)]) throws -> [String] {
        var known = Aliases()
        for (name, text) in aliases { try known.set([UInt8](name.utf8), [UInt8](text.utf8)) }
        return try LineSplitter.commands([UInt8](line.utf8)).flatMap { command in
            try known.expanded(command).map {
                String(decoding: $0.text, as: UTF8.self) + ($0.isBackground ? " &" : "")
            }
        }
    }

    @Test(arguments: [
        ("ll /a 'b c'", ["ls -l /a 'b c'"]), ("-ll", ["-ls -l"]), ("'ll' x", ["'ll' x"]),
        ("echo ll", ["echo ll"]), ("ll | wc", ["ls -l | wc"]), ("dir x", ["dir -1 x"]),
        ("two x", ["pwd", "dir -1 -l x"]), ("now", ["!date"]), ("now -u", ["!date -u"]),
        ("ll &", ["ls -l &"]), ("count /a", ["dir -1 | wc -l /a"]), ("lll", ["ls -l -a"]),
    ])
    func `an alias is the beginning of a command`(line: String, expected: [String]) throws {
        let aliases = [
            ("ll", "ls -l"), ("lll", "ll -a"), ("dir", "dir -1"), ("two", "pwd; dir -l"),
            ("now", "!date"), ("count", "dir | wc -l"),
        ]

        #expect(try expanded(line, aliases) == expected)
    }

    @Test func `aliases that stand for each other have an end`() throws {
        #expect(try expanded("a x", [("a", "b 1"), ("b", "a 2")]) == ["a 2 1 x"])
    }

    @Test(arguments: [
        ("", "ls"), ("a b", "ls"), ("-x", "ls"), ("@x", "ls"), ("a*", "ls"), ("!x", "ls"),
        ("x", ""), ("x", "# no"), ("x", "ls 'a"), ("x\u{1B}", "ls"),
    ])
    func `what is no name or no command makes no alias`(name: String, text: String) {
        #expect(throws: ShellFailure.self) { try expanded("pwd", [(name, text)]) }
    }
}

@Suite struct SettingTests {
    private func settings(_ values: (Setting, String)...) throws -> Settings {
        var settings = Settings()
        for (setting, value) in values { try settings.set(setting, [UInt8](value.utf8)) }
        return settings
    }

    @Test(
        arguments: [
            (nil, [:], true, true), (nil, [:], false, false),
            (nil, ["NO_COLOR": "1"], true, false),
            (nil, ["CLICOLOR_FORCE": "1"], false, true),
            (nil, ["CLICOLOR_FORCE": "0"], false, false),
            (nil, ["NO_COLOR": "1", "CLICOLOR_FORCE": "1"], false, false),
            (nil, ["TERM": "dumb"], true, false),
            ("always", ["NO_COLOR": "1"], false, true),
            ("never", ["CLICOLOR_FORCE": "1"], true, false),
        ] as [(String?, [String: String], Bool, Bool)])
    func `colours go by what was set, then the environment, then the terminal`(
        set: String?, variables: [String: String], isTerminal: Bool, expected: Bool
    ) throws {
        let values = try set.map { try settings((.colour, $0)) } ?? Settings()
        let all = ["TERM": "xterm"].merging(variables) { $1 }

        #expect(values.hasColours(isTerminal: isTerminal) { all[$0] } == expected)
    }

    @Test func `the pager is what was set, then what the environment says`() throws {
        let variables = ["DFSH_PAGER": "a", "PAGER": "b"]

        #expect(try settings((.pager, "c -x")).pager { variables[$0] } == "c -x")
        #expect(Settings().pager { variables[$0] } == "a")
        #expect(Settings().pager { ["PAGER": "b"][$0] } == "b")
        #expect(Settings().pager { _ in nil } == "less")
    }

    @Test(arguments: [
        (Setting.colour, "red"), (.deadline, "0"), (.deadline, "86400001"), (.deadline, "x"),
        (.history, "-1"), (.history, "100001"), (.progress, "on"), (.timing, ""),
        (.prompt, "a\u{1B}[2J"), (.pager, "a\nb"),
    ])
    func `a value that a setting does not take changes nothing`(setting: Setting, value: String) {
        var settings = Settings()

        #expect(throws: ShellFailure.self) { try settings.set(setting, [UInt8](value.utf8)) }
        #expect(settings[setting] == nil)
    }

    @Test(arguments: [
        ("%d> ", "/a> "), ("%d%a> ", "/a (name server away)> "), ("100%% %x ", "100% %x "),
        ("plain", "plain"), ("", ""),
    ])
    func `a prompt has its signs replaced`(text: String, expected: String) {
        let state = PromptState(
            directory: [UInt8]("/a".utf8), isNameServerAway: true, text: text)

        let bytes = PromptText.bytes(state, hasColours: false)

        #expect(String(decoding: bytes, as: UTF8.self) == expected)
    }

    @Test func `a prompt that ends in a colour gets a last character`() {
        let state = PromptState(directory: [UInt8]("/a".utf8), text: "%d")

        #expect(PromptText.bytes(state, hasColours: true).last == UInt8(ascii: " "))
    }
}
