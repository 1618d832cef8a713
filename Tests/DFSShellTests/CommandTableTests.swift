import Testing

@testable import DFSShell

@Suite struct CommandTableTests {
    private func call(_ line: String) throws -> Invocation {
        let typed = try LineSplitter.commands([UInt8](line.utf8))[0]
        // What begins with an exclamation mark has no words: it is all for sh.
        let words = typed.words.isEmpty ? [Word(plain: [UInt8(ascii: "!")])] : typed.words
        let (command, rest) = try #require(CommandTable.find(words))
        return try Invocation(command.row, words: rest)
    }

    @Test func `no two commands share a name`() {
        let names = CommandTable.rows.flatMap { [$0.name] + $0.aliases }

        #expect(Set(names).count == names.count)
    }

    @Test func `every row can be shown by help and is one sentence`() {
        for row in CommandTable.rows {
            #expect(row.summary.hasSuffix("."), "\(row.name)")
            #expect(HelpText.details(row).first == "usage: \(row.usage)")
            #expect(!row.usage.contains("\n"))
            #expect(!row.examples.isEmpty, "\(row.name)")
        }
    }

    @Test(arguments: CommandTable.rows.flatMap { row in row.examples.map { (row.name, $0.line) } })
    func `every example of help is a call that its command takes`(name: String, line: String) throws
    {
        let call = try call(line)

        #expect(call.specification.name == name)
    }

    @Test(
        arguments: [
            "issue 2", "ls", "cd", "pwd", "cat", "get", "put", "rm", "mv", "mkdir", "stat", "tree",
            "find", "du", "locate", "servers", "open", "read", "write", "close", "help", "status",
            "handles", "digest", "session", "lcd", "lls", "lpwd", "echo", "history", "quit", "kill",
            "tail", "!", "set", "unset", "alias", "unalias", "jobs", "wait", "time", "watch",
            "sleep", "source", "mget", "mput", "reget", "reput", "cp", "mirror", "head", "less",
            "edit", "rmdir", "explain", "browse",
            "session open", "session read", "session write", "session append", "session truncate",
            "session sync", "session renew", "session resume", "session follow", "session close",
            "session kill",
        ].dropFirst())
    func `the commands that are promised are there`(name: String) {
        #expect(CommandTable.row(named: name) != nil)
    }

    @Test func `options may be bundled, and stand anywhere before a double dash`() throws {
        let call = try call("ls -lh /a -r -- -x")

        #expect(["l", "h", "r"].allSatisfy(call.has))
        #expect(call.operands.map(\.text) == ["/a", "-x"])
    }

    @Test(arguments: ["cat -- -r", "locate -- -r", "mkdir -- -r", "echo -- -r", "rm -- -r"])
    func `a double dash ends the options of every command`(line: String) throws {
        #expect(try call(line).operands.map(\.text) == ["-r"])
    }

    @Test(
        arguments: [
            ("ls --help", "help ls"), ("echo --help", "help echo"), ("exit --help", "help exit"),
            ("session --help", "help session"), ("session open --help", "help session open"),
            ("cat '--help'", "cat --help"), ("cat -- --help", "cat -- --help"),
            ("nothing --help", "nothing --help"), ("echo a --help", "echo a --help"),
        ])
    func `a lone --help behind a command's name asks for its help`(
        line: String, meaning: String
    ) throws {
        let words = try LineSplitter.split([UInt8](line.utf8))[0]

        #expect(CommandTable.helpCall(words).map(\.text).joined(separator: " ") == meaning)
    }

    @Test func `a session's options are long, and stand before or behind the path`() throws {
        let call = try call(
            "session open --lease 30000 /a --lock shared rw --wait 5 --if-version 3")

        #expect(call.operands.map(\.text) == ["/a", "rw"])
        #expect(call.number("lease") == 30000)
        #expect(call.value("lock")?.text == "shared")
        #expect(call.number("wait") == 5)
        #expect(call.number("if-version") == 3)
        #expect(call.specification.usage.contains("[--lock shared|exclusive]"))
    }

    @Test func `a text that begins with a dash is no option where all of them are long`() throws {
        let call = try call("write h1 0 -f --if-version 2")

        #expect(call.operands.map(\.text) == ["h1", "0", "-f"])
        #expect(call.number("if-version") == 2)
    }

    @Test(
        arguments: [
            "session open --lease x /a", "session open ---lease 1 /a",
            "session open --lock mine /a", "session open /a --wait",
            "session open --lea 1 /a",
            "tail -n x /a", "kill", "session resume s1",
        ])
    func `an option of a session that is not understood is usage`(line: String) {
        #expect(throws: ShellFailure.self) { try call(line) }
    }

    @Test func `a quoted word is never an option`() throws {
        #expect(try call("rm '-r'").operands.map(\.text) == ["-r"])
    }

    @Test func `an option with a value takes the next word`() throws {
        let call = try call("find / -name '*.txt' -type file")

        #expect(call.value("name")?.text == "*.txt")
        #expect(call.value("type")?.text == "file")
        #expect(call.operands.map(\.text) == ["/"])
    }

    @Test(
        arguments: [
            "ls -z", "ls --", "cat", "mkdir", "find / -name", "find / -type link", "mv a",
            "session open", "session open /a w", "session read h1 x", "session read h1 01",
            "find / -type l",
            "session read h1 9223372036854775808", "session write h1 -1 a", "pwd x", "get", "put",
            "ls --long", "ls --l", "ls ---l",
        ].filter { $0 != "ls --" })
    func `what a command does not take is usage`(line: String) {
        #expect(throws: ShellFailure.self) { try call(line) }
    }

    @Test func `the words of a session command are its name in either spelling`() throws {
        #expect(try call("session open /a rw").specification.name == "session open")
        #expect(try call("session open /a rw").specification.name == "session open")
        #expect(try call("session").specification.name == "session")
    }

    @Test(arguments: ["get a b c", "put a b c", "mv a b c"])
    func `several sources stand before one target`(line: String) throws {
        let call = try call(line)
        let last = try #require(call.specification.operands.last)

        #expect(call.operands.map(\.text) == ["a", "b", "c"])
        #expect(call.specification.operand(at: 2)?.name == last.name)
    }

    @Test(arguments: ["f", "d", "file", "dir"])
    func `find takes its types by one letter too`(word: String) throws {
        #expect(try call("find / -type \(word)").value("type")?.text == word)
    }
}
