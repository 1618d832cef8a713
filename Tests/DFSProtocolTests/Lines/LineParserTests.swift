import DFSProtocol
import Testing

@Suite struct LineParserTests {
    @Test func `a line is cut into tag, first word and arguments`() throws {
        let line = bytes("@7 Open /a \"b c\" mode=rw empty= q=\"x=\\n\" a=b=c")
        var parser = LineParser()

        try parser.parse(line.span)

        #expect(parser.tag == Tag(text: bytes("@7")))
        #expect(parser.headBytes(in: line.span) == bytes("Open"))
        let values = (0..<parser.argumentCount).map { text(parser.value($0, in: line.span)) }
        #expect(values == ["/a", "b c", "rw", "", "x=\n", "b=c"])
        let keys = (0..<parser.argumentCount).map { text(parser.key($0, in: line.span)) }
        #expect(keys == ["", "", "mode", "empty", "q", "a"])
        #expect(parser[1].isQuoted && !parser[1].isEscaped && parser[4].isEscaped)
    }

    @Test func `a run of spaces is like one, also at both ends`() throws {
        let line = bytes("   @7   PING    a     b  ")
        var parser = LineParser()

        try parser.parse(line.span)

        #expect(parser.tag != nil && parser.argumentCount == 2)
    }

    @Test(arguments: [
        ("PING a=b", true), ("PING a-1=b", true), ("PING =b", false), ("PING 1=b", false),
        ("PING -a=b", false), ("PING \"a=b\"", false), ("PING a.b=c", false), ("PING é=b", false),
        ("PING a=", true),
    ])
    func `an unquoted token with a key is always a pair`(line: String, isPair: Bool) throws {
        let line = bytes(line)
        var parser = LineParser()

        try parser.parse(line.span)

        #expect(parser[0].isPair == isPair)
    }

    @Test(arguments: [
        "PING \"a", "PING \"a\\\"", "PING \"\\", "PING \"\\x\"", "PING \"\\x1\"", "PING \"\\x1g\"",
        "PING \"\\a\"", "PING \"\\N\"", "PING \"a\"b", "PING \"a\"\"b\"", "PING k=\"a\"b",
        "PING a\"b\"",
        "PING a\\b", "PING {5}", "PING a}b", "PING a\tb", "PING \"a\tb\"", "PING \"a\u{1}b\"",
        "PING \"\u{7F}\"", "PING a\u{7F}", "PING a=1 a=1", "PING a=1 b=2 a=", "PING a\u{0}",
        "PING \"a\rb\"",
        "PING a\r", "", "@7", "   ", "@7   ",
    ])
    func `what the grammar does not have is bad syntax`(line: String) {
        let line = bytes(line)
        var parser = LineParser()

        #expect(
            refusal { () throws(RequestError) in try parser.parse(line.span) }?.code == .badSyntax)
    }

    @Test(
        arguments: [[0xFF], [0xC3], [0xC3, 0x28], [0xED, 0xA0, 0x80], [0xC0, 0x80]] as [[UInt8]])
    func `a bare word is UTF-8 and a quoted string need not be`(name: [UInt8]) throws {
        let bare = bytes("PING a") + name
        let quoted = bytes("PING \"a") + name + bytes("\"")
        var parser = LineParser()

        #expect(
            refusal { () throws(RequestError) in try parser.parse(bare.span) }?.code == .badSyntax)
        try parser.parse(quoted.span)
        #expect(parser.value(0, in: quoted.span) == bytes("a") + name)
    }

    @Test(arguments: ["@", "@ PING", "@a-b PING", "@abcdefghijklmnopq PING", "@é PING", "@@7 PING"])
    func `a tag that is none is a bad tag`(line: String) {
        let line = bytes(line)
        var parser = LineParser()

        #expect(refusal { () throws(RequestError) in try parser.parse(line.span) }?.code == .badTag)
        #expect(parser.tag == nil)
    }

    @Test func `the tag of a malformed line stays readable`() {
        let line = bytes("@7 PING \"a")
        var parser = LineParser()

        let refused = refusal { () throws(RequestError) in try parser.parse(line.span) }

        #expect(refused?.code == .badSyntax)
        #expect(parser.tag == Tag(text: bytes("@7")))
    }

    @Test func `nothing of an earlier line is left`() throws {
        var parser = LineParser()
        let (first, second) = (bytes("@7 PING a b c=d"), bytes("PING"))

        try parser.parse(first.span)
        try parser.parse(second.span)

        #expect(parser.tag == nil && parser.argumentCount == 0)
    }

    @Test func `a line has at most 64 keys`() throws {
        let keys = (0..<Limits.pairsInLine).map { "k\($0)=v" }.joined(separator: " ")
        let (most, over) = (bytes("PING " + keys), bytes("PING " + keys + " more=v"))
        var parser = LineParser()

        try parser.parse(most.span)
        #expect(parser.argumentCount == Limits.pairsInLine)
        #expect(
            refusal { () throws(RequestError) in try parser.parse(over.span) }?.code == .badSyntax)
    }

    @Test func `a line of thousands of words is read, and its memory given back`() throws {
        let long = bytes("LOCATE" + String(repeating: " /a", count: 20_000))
        let short = bytes("PING a")
        var parser = LineParser()

        try parser.parse(long.span)
        #expect(parser.argumentCount == 20_000)
        try parser.parse(short.span)
        #expect(parser.argumentCount == 1)
    }
}
