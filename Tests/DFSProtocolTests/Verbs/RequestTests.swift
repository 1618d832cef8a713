import DFSProtocol
import Testing

@Suite struct RequestTests {
    /// One line of every verb that is right, by role; the key is what the line is mutated from.
    static let right: [(role: Role, line: String, literal: Int?)] = [
        (.name, "HELLO 1 client=x caps=push", nil), (.name, "HELP", nil),
        (.name, "HELP LOCATE", nil),
        (.name, "PING", nil), (.name, "PING a b c", nil), (.name, "STATUS", nil),
        (.name, "CANCEL @7", nil), (.name, "QUIT", nil), (.name, "LOCATE /a", nil),
        (.name, "LOCATE /a /b server=fs1", nil), (.name, "LIST / after=x limit=5", nil),
        (.name, "STAT /a server=fs1", nil),
        (.name, "FIND / name=*.c type=file limit=1 after=/x", nil),
        (.name, "DU /", nil), (.name, "SERVERS", nil), (.name, "CREATE /a server=fs1 op=1", nil),
        (.name, "MKDIR /a mode=0755", nil), (.name, "SETATTR /a mode=0700 mtime=now", nil),
        (.name, "REMOVE /a recursive=yes type=dir server=fs1", nil),
        (.name, "RENAME /a /b replace=yes", nil), (.name, "WATCH / since=4", nil),
        (.name, "REGISTER fs1 / /b addr=a:1 epoch=1 gen=2", nil),
        (.name, "REPORT fs1 \"- /a\"", nil),
        (.name, "REPORT fs1 inventory=more gen=4", 10),
        (.name, "HEARTBEAT fs1 seq=1 free=2 load=3", nil),
        (.name, "GOODBYE fs1 why=away", nil), (.name, "DONE op=5 error=not-found", nil),
        (.file, "OPEN /a create-new lease=conn mode=0600", nil),
        (.file, "OPEN /a rw lease=30000 lock=exclusive wait=5 if-ver=2 op=a-b_c.d:1", nil),
        (.file, "RENEW s1", nil), (.file, "RESUME s1 token=00", nil),
        (.file, "FOLLOW h1 0", nil), (.file, "KILL c7.h1", nil),
        (.file, "READ h1 0 100 as=text", nil),
        (.file, "READ h1 100", nil), (.file, "WRITE h1 0 \"x y\"", nil),
        (.file, "WRITE h1 0 word", nil),
        (.file, "WRITE h1 0", 5), (.file, "APPEND h1 \"\"", nil), (.file, "APPEND h1", 0),
        (.file, "TRUNCATE h1 0", nil), (.file, "SYNC h1", nil), (.file, "STAT h1", nil),
        (.file, "CLOSE h1", nil), (.file, "HANDLES", nil), (.file, "FETCH /a", nil),
        (.file, "FETCH /a 0 10", nil), (.file, "STORE /a \"x\" mode=0644 mtime=now", nil),
        (.file, "STORE /a", 5), (.file, "SETATTR h1 mode=0644", nil),
        (.file, "PULL /a source=/b", nil),
        (.file, "LIST /", nil), (.file, "DIGEST /a 0 10", nil), (.file, "STATUS", nil),
    ]

    @Test(arguments: right)
    func `a right line is accepted`(role: Role, line: String, literal: Int?) throws {
        let request = try request("@7 " + line, literal: literal, role: role)

        #expect(line.hasPrefix(request.verb.rawValue))
        #expect(request.tag == Tag(text: bytes("@7")))
        #expect(request.content.count == literal ?? request.content.count)
    }

    @Test func `every verb of every role has a right line here`() {
        for role in Role.allCases {
            for verb in Verb.all(for: role) {
                let lines = Self.right.filter { $0.role == role || verb.specifications.count == 1 }
                #expect(
                    lines.contains { $0.line.split(separator: " ").first == verb.rawValue[...] },
                    "\(verb) on \(role)")
            }
        }
    }

    @Test(arguments: right)
    func `an unknown key is refused by name`(role: Role, line: String, literal: Int?) {
        let refused = refusal { () throws(RequestError) in
            _ = try request(line + " colour=red", literal: literal, role: role)
        }

        #expect(refused?.code == .badArgument)
        #expect(refused?.field("argument") == bytes("colour"))
    }

    @Test(arguments: right)
    func `a key given twice is bad syntax`(role: Role, line: String, literal: Int?) {
        let refused = refusal { () throws(RequestError) in
            _ = try request(line + " k=1 k=2", literal: literal, role: role)
        }

        #expect(refused?.code == .badSyntax)
    }

    @Test(arguments: right)
    func `an operand too many is refused`(role: Role, line: String, literal: Int?) throws {
        let verb = try request(line, literal: literal, role: role).verb
        let row = try #require(verb.specification(for: role))
        let extra = String(repeating: " 7", count: row.operands.count + 1)

        let refused = refusal { () throws(RequestError) in
            _ = try request(line + extra, literal: literal, role: role)
        }

        let isEndless = row.operands.last?.presence == .repeated
        #expect(refused?.code == (isEndless ? nil : .badArgument))
    }

    @Test(arguments: Role.allCases)
    func `a verb without its operands is refused with what it takes`(role: Role) throws {
        for verb in Verb.all(for: role) {
            let row = try #require(verb.specification(for: role))
            let needs = row.operands.contains { $0.presence != .optional && !$0.mayBeAbsent }
            let keys = row.options.contains { $0.isRequired }

            let refused = refusal { () throws(RequestError) in
                _ = try request(verb.rawValue, role: role)
            }

            #expect(refused?.code == (needs || keys ? .badArgument : nil), "\(verb) on \(role)")
            if needs { #expect(refused?.advice.contains(row.syntax) == true) }
        }
    }

    @Test(arguments: Role.allCases)
    func `a verb of the other role is unknown, with a hint`(role: Role) {
        for verb in Verb.allCases where verb.specification(for: role) == nil {
            let refused = refusal { () throws(RequestError) in
                _ = try request(verb.rawValue, role: role)
            }
            #expect(refused?.code == .unknownVerb)
            #expect(refused?.advice.contains("this is the \(role.title)") == true)
        }
    }

    @Test(arguments: [
        "LIST / limit=x", "LIST / limit=", "LIST / limit=-1", "LIST / limit=01",
        "WATCH / since=1.5",
        "REMOVE / recursive=no", "FIND / type=link", "REGISTER fs1 / addr=a:1", "DONE",
        "REGISTER \"a b\" / addr=a:1 epoch=1", "LOCATE /a server=", "LOCATE", "RENAME /a",
        "REGISTER fs1 addr=a:1 epoch=1", "HEARTBEAT fs1", "REPORT fs1", "MKDIR /a mode=999",
        "HELLO", "HELLO x", "LOCATE /a server=\"\\n\"", "CREATE /a op=", "MKDIR /a if-ver=1",
        "RENAME /a /b op=\"a b\"", "REMOVE /a op=\(String(repeating: "x", count: 65))",
    ])
    func `a value of the wrong kind is refused by the name server`(line: String) {
        let refused = refusal { () throws(RequestError) in _ = try request(line) }

        #expect(refused?.code == .badArgument)
    }

    @Test(arguments: [
        "OPEN /a w", "OPEN /a r lease=0", "OPEN /a r lease=-1", "OPEN /a r lease=long",
        "OPEN /a r lock=both", "READ h1 0 x", "READ h1",
        "READ h1 -1 5", "READ h1 0 5 as=hex", "WRITE h1 \"x\"", "WRITE h1 0", "TRUNCATE h1 \"\"",
        "STORE /a", "OPEN /a rw mode=0x1", "PULL /a", "FETCH /a x", "STORE /a x op=a/b",
        "WRITE h1 0 x if-ver=x", "OPEN /a r wait=long", "APPEND h1 x if-ver=1", "RESUME s1",
        "RENEW", "FOLLOW h1", "KILL",
    ])
    func `a value of the wrong kind is refused by the file server`(line: String) {
        let refused = refusal { () throws(RequestError) in _ = try request(line, role: .file) }

        #expect(refused?.code == .badArgument)
    }

    @Test(arguments: [
        "READ h1 9223372036854775808 1", "TRUNCATE h1 99999999999999999999",
        "WRITE h1 18446744073709551616 x",
    ])
    func `a number that is too large is out of range`(line: String) {
        let refused = refusal { () throws(RequestError) in _ = try request(line, role: .file) }

        #expect(refused?.code == .range)
    }

    @Test func `data is a quoted string or a literal and never both`() throws {
        let inline = try request("WRITE h1 5 \"a b\"", role: .file)
        let literal = try request("WRITE h1 5", literal: 3, role: .file)

        #expect(inline.content == .inline(bytes("a b")))
        #expect(inline.operands == [bytes("h1"), bytes("5")])
        #expect(literal.content == .literal(count: 3))
        #expect(literal.operands == inline.operands)
        for line in ["WRITE h1 5 x", "STORE /a \"\""] {
            let refused = refusal { () throws(RequestError) in
                _ = try request(line, literal: 3, role: .file)
            }
            #expect(refused?.code == .badArgument)
        }
    }

    @Test func `a payload for a verb that takes none is refused`() {
        let refused = refusal { () throws(RequestError) in _ = try request("PING", literal: 0) }

        #expect(refused?.code == .badArgument)
    }

    @Test(
        arguments: [
            ("FROB", .unknownVerb), ("frob-nicate x", .unknownVerb), ("GET /", .unknownVerb),
            ("Host: x", .badSyntax), ("123", .badSyntax), ("\"PING\"", .badSyntax),
            ("*", .badSyntax),
            ("PING\u{1}", .badSyntax), ("é", .badSyntax),
        ] as [(String, ErrorCode)])
    func `an unknown word is told from what is no word`(line: String, code: ErrorCode) {
        #expect(refusal { () throws(RequestError) in _ = try request(line) }?.code == code)
    }

    @Test func `an unknown verb is named, at most 32 bytes of it`() {
        let refused = refusal { () throws(RequestError) in
            _ = try request(String(repeating: "x", count: 5000))
        }

        #expect(refused?.field("verb")?.count == 32)
    }

    @Test func `a pattern has at most 1024 bytes`() throws {
        let longest = "FIND / name=" + String(repeating: "x", count: 1024)

        _ = try request(longest)

        #expect(
            refusal { () throws(RequestError) in _ = try request(longest + "x") }?.code
                == .badArgument)
    }

    @Test(arguments: [
        "\(String(repeating: "x", count: 60_000))",
        "LIST / \(String(repeating: "k", count: 60_000))=1",
        "HELP \(String(repeating: "x", count: 60_000))",
        "LIST /\(String(repeating: "x", count: 60_000))",
        "HELLO 1 client=\(String(repeating: "x", count: 4097))",
        "LIST / limit=\(String(repeating: "1", count: 60_000))",
        "LOCATE \"\(String(repeating: "\\xff", count: 15_000))\"",
        "STAT / server=\(String(repeating: "x", count: 60_000))",
        "CANCEL \(String(repeating: "x", count: 60_000))",
    ])
    func `what is refused is not sent back at length`(line: String) throws {
        let refused = refusal { () throws(RequestError) in
            let request = try request(line)
            _ = try request.path()
        }

        var writer = LineWriter()
        writer.error(try #require(refused), tag: Tag(number: 7))
        #expect(writer.bytes.count < 20_000)
    }

    @Test func `values are read by key and place`() throws {
        let list = try request("LIST \"/a b\" limit=5 after=\"x\\ny\"")
        let make = try request("MKDIR /a mode=0750")

        #expect(try list.path() == TreePath("/a b"))
        #expect(try list.number("limit") == 5)
        #expect(list.option("after") == bytes("x\ny"))
        #expect(try list.mode() == nil && list.number("none") == nil)
        #expect(try make.mode() == FileMode(bits: 0o750))
        #expect(try request("READ h1 7 9", role: .file).number(at: 1) == 7)
        #expect(
            refusal { () throws(RequestError) in
                _ = try request("LOCATE a").path()
            }?.code == .badName)
    }
}
