import DFSProtocol
import Testing

@testable import DFSShell

/// Tab on a line, with `|` where the cursor stands, without libedit and without servers.
struct CompletionTests {
    private let commands = [
        CommandSpecification("cat", .files, [.init("PATH", .remotePath, .oneOrMore)], "Prints."),
        CommandSpecification("cd", .files, [.init("DIR", .remoteDirectory, .optional)], "Goes."),
        CommandSpecification(
            "get", .files,
            [.init("PATH", .remotePath), .init("LOCAL", .localPath, .optional)],
            options: [.init("r", "Whole directories."), .init("s", "From.", value: .server)],
            "Fetches."),
        CommandSpecification(
            "session open", .sessions, [.init("PATH", .remotePath)], "Opens a session."),
        CommandSpecification("session close", .sessions, [.init("H", .handle)], "Closes it."),
        CommandSpecification("help", aliases: ["man"], .shell, [.init("C", .command)], "Helps."),
        CommandSpecification("trace", .shell, [.init("S", .choice(["on", "off"]))], "Traces."),
        CommandSpecification("find", .files, [.init("P", .pattern)], "Finds."),
    ]

    private func query(_ text: String) -> CompletionQuery? {
        let parts = text.split(separator: "|", omittingEmptySubsequences: false)
        return CompletionQuery(
            line: [UInt8](parts.joined().utf8), cursor: parts[0].utf8.count, commands: commands)
    }

    /// The line after Tab, or nil where Tab inserts nothing.
    private func completed(_ text: String, _ names: [[UInt8]]) -> String? {
        let parts = text.split(separator: "|", omittingEmptySubsequences: false).map {
            [UInt8]($0.utf8)
        }
        let line = parts[0] + parts[1]
        guard let query = query(text) else { return nil }
        let candidates = names.map { name in
            name.last == UInt8(ascii: "/")
                ? CompletionCandidate(name: name.dropLast(), isDirectory: true)
                : CompletionCandidate(name: name)
        }
        let completion = Completion(
            query, line: line, cursor: parts[0].count, CompletionAnswer(candidates))
        guard completion.removedCharacters > 0 || !completion.inserted.isEmpty else { return nil }
        let kept = String(decoding: parts[0], as: UTF8.self).unicodeScalars
            .dropLast(completion.removedCharacters)
        return String(String.UnicodeScalarView(kept))
            + String(decoding: completion.inserted, as: UTF8.self) + "|"
            + String(decoding: parts[1], as: UTF8.self)
    }

    private func completed(_ text: String, _ names: String...) -> String? {
        completed(text, names.map { [UInt8]($0.utf8) })
    }

    @Test(arguments: ["cat a > it\\'s/|", "cat a > 'it'\\''s/|", "cat a > \"it's/|"])
    func `nothing is put into text for sh that no single quotes can hold`(line: String) {
        #expect(query(line) == nil)
        #expect(query("cat a > its/|")?.isShellText == true)
    }

    @Test(arguments: [
        ("|", CompletionSubject.commands), ("ca|", .commands), ("pwd; ca|", .commands),
        ("cat |", .remote(directory: [])),
        ("cat /docs/a|", .remote(directory: [UInt8]("/docs/".utf8), prefix: [0x61])),
        ("cd d|", .remote(directory: [], prefix: [0x64], onlyDirectories: true)),
        ("cat x y |", .remote(directory: [])), ("get -r |", .remote(directory: [])),
        ("get x ~/d|", .local(directory: [UInt8]("~/".utf8))), ("get -s |", .servers),
        ("get -s fs1 -|", .options(of: "get")), ("get -s fs1 x |", .local(directory: [])),
        ("session |", .subcommands(of: "session")), ("session close |", .handles),
        ("session open |", .remote(directory: [])), ("man |", .commands),
        ("trace o|", .words(["on", "off"])), ("get -- -|", .remote(directory: [], prefix: [0x2D])),
        ("get \"-|", .remote(directory: [], prefix: [0x2D])), ("@cat |", .remote(directory: [])),
    ])
    func `the table says what is completed`(text: String, subject: CompletionSubject) throws {
        let query = try #require(self.query(text))

        #expect(query.subject == subject)
    }

    @Test(arguments: [
        "nonsense |", "find a|", "cat a*|", "cat x # |", "cat x #y|", "trace on |", "cat \\|",
    ])
    func `nothing is completed where the table has nothing`(text: String) {
        #expect(query(text) == nil)
    }

    @Test func `a unique file ends its word and a directory goes on`() {
        #expect(completed("cat re|", "readme.txt", "other") == "cat readme.txt |")
        #expect(completed("cat do|", "docs/") == "cat docs/|")
        #expect(completed("cat /a/b/r|", "readme") == "cat /a/b/readme |")
    }

    @Test func `several names get what they have in common and then are listed`() throws {
        #expect(completed("cat r|", "report-1", "report-2", "x") == "cat report-|")

        let query = try #require(self.query("cat report-|"))
        let line = [UInt8]("cat report-".utf8)
        let completion = Completion(
            query, line: line, cursor: line.count,
            CompletionAnswer([.init("report-2"), .init("report-1"), .init("x")]))

        #expect(completion.inserted.isEmpty)
        #expect(
            completion.choices.map(\.name) == ["report-1", "report-2"].map { [UInt8]($0.utf8) })
    }

    @Test(arguments: [
        ("cat my|", "my file", #"cat "my file" |"#),
        (#"cat "my|"#, "my file", #"cat "my file" |"#),
        (#"cat 'my|"#, "my file", #"cat 'my file' |"#),
        (#"cat my\ f|"#, "my file", #"cat my\ file |"#),
        (#"cat "my f|""#, "my file", #"cat "my file|""#),
        ("cat my|", "my dir/", #"cat "my dir/|"#),
        (#"cat 'it|"#, "it's", #"cat "it's" |"#),
        ("cat a|", "a\"b", #"cat "a\"b" |"#),
        ("cat a|", "a\\b", #"cat "a\\b" |"#),
        ("cat |", "-rf", #"cat "-rf" |"#),
        ("cat a|", "a;rm -r x", #"cat "a;rm -r x" |"#),
        ("cat a|", "a*", #"cat "a*" |"#),
        ("cat na|", "naïve", "cat naïve |"),
        ("cat a| b", "abc", "cat abc| b"),
    ])
    func `a name is quoted in the style that was begun`(
        text: String, name: String, expected: String
    ) {
        #expect(completed(text, name) == expected)
    }

    @Test(arguments: [
        ([0x61, 0x1B, 0x62], #"cat "a\x1bb" |"#),
        ([0x61, 0x0A, 0x62], #"cat "a\nb" |"#),
        ([0x61, 0xFF, 0x62], #"cat "a\xffb" |"#),
        ([0x61, 0xC2, 0x9B], #"cat "a\xc2\x9b" |"#),
        ([0x61, 0xE2, 0x80, 0xAE], #"cat "a\xe2\x80\xae" |"#),
    ])
    func `a name with control bytes is inserted as escapes, whatever was begun`(
        name: [UInt8], expected: String
    ) {
        #expect(completed("cat a|", [name]) == expected)
        #expect(completed("cat \"a|", [name]) == expected)
        #expect(completed("cat 'a|", [name]) == expected)
        #expect(completed(#"cat \a|"#, [name]) == expected)
    }

    @Test(arguments: [
        ("cat re|", "re port", #""re port""#), (#"cat "re|"#, "re port", "re port"),
        ("cat 're|", "re port", "re port"), (#"cat re\ |"#, "re port", #"re\ port"#),
        (#"cat 're|"#, "re'port", #""re'port""#), (#"cat "re|"#, "re\u{1B}", #"re\x1b"#),
        (#"cat 're|"#, "re\u{1B}", #""re\x1b""#), (#"cat re\ |"#, "re\n", #""re\n""#),
        ("cat |", "#hash", ##""#hash""##), ("cat r|", "r|s", #""r|s""#),
        ("cat |", "-rf", #""-rf""#), ("cat 'r|", "r|s", "r|s"),
    ])
    func `a name of a list is written as it would stand in the word that was begun`(
        line: String, name: String, shown: String
    ) throws {
        let style = try #require(query(line)).style

        #expect(style.shown([UInt8](name.utf8)) == shown)
    }

    @Test func `no byte of any name is inserted as a control`() throws {
        let line = [UInt8]("cat ".utf8)
        let query = try #require(self.query("cat |"))
        for byte in UInt8.min...UInt8.max where byte != UInt8(ascii: "/") && byte != 0 {
            let completion = Completion(
                query, line: line, cursor: line.count,
                CompletionAnswer([.init(name: [byte, byte, 0x61])]))

            #expect(completion.inserted.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
            let words = try LineSplitter.split(line + completion.inserted)
            #expect(words.first?.last?.bytes == [byte, byte, 0x61])
            #expect(words.first?.last?.isPattern == false)
        }
    }

    @Test func `what is inserted reads back as the name in every style`() throws {
        let name: [UInt8] = [UInt8]("a b'c\"d\\e;#|&<>*?[x]{}()$`!~=@é".utf8)
        for begun in ["a", "\"a", "'a", "\\a"] {
            let text = try #require(completed("cat \(begun)|", [name]))
            let words = try LineSplitter.split([UInt8](text.utf8.dropLast()))

            #expect(words.first?.last?.bytes == name)
        }
    }

    @Test func `a common part is never cut inside a character`() {
        #expect(completed("cat |", "né", "nè") == "cat n|")
        #expect(completed("cat |", [[0x6E, 0xC3, 0x28], [0x6E, 0xC3, 0x29]]) == #"cat "n\xc3|"#)
    }

    @Test(
        arguments: [
            ("get -|", ["-r", "-s"], nil),
            ("get --d|", ["--dry-run", "--limit-rate"], "get --dry-run |"),
            ("get x y --l|", ["--dry-run", "--limit-rate"], "get x y --limit-rate |"),
            ("get --|", ["--dry-run", "--dry"], "get --dry|"),
        ] as [(String, [String], String?)])
    func `an option is written bare, for in quotes it would be none`(
        text: String, options: [String], expected: String?
    ) {
        #expect(completed(text, options.map { [UInt8]($0.utf8) }) == expected)
    }

    @Test func `hidden names wait until they are asked for`() {
        #expect(completed("cat |", ".hidden", "seen") == "cat seen |")
        #expect(completed("cat .|", ".hidden", "seen") == "cat .hidden |")
        #expect(completed("cat |", ".hidden") == "cat .hidden |")
        #expect(completed("cd ..|", "a/") == "cd ../|")
    }

    @Test func `only directories stand where a directory is asked for`() {
        #expect(completed("cd d|", "docs/", "dump") == "cd docs/|")
        #expect(completed("cd du|", "docs/", "dump") == nil)
    }
}
