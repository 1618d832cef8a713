import DFSProtocol
import Testing

@Suite struct ReplyLineTests {
    @Test func `the kinds of lines are told apart`() throws {
        #expect(try reply("OK").kind == .ok)
        #expect(try reply("@7 * file name=a").kind == .item)
        #expect(try reply("! change seq=1").kind == .notice)
        #expect(try reply("ERR not-found \"no\"").kind == .error(code: "not-found", isFatal: false))
        #expect(
            try reply("ERR too-many fatal \"x\"").kind == .error(code: "too-many", isFatal: true))
        #expect(try reply("ERR new-code k=1").kind == .error(code: "new-code", isFatal: false))
    }

    @Test func `a text that reads fatal is a text`() throws {
        let line = try reply("ERR internal \"fatal\"")

        #expect(line.kind == .error(code: "internal", isFatal: false))
        #expect(line.operands == [bytes("fatal")])
    }

    @Test func `a greeting is an OK with the protocol's name`() throws {
        let line = try reply("OK DFS/1 role=file id=fs1 epoch=4 max-line=65536")

        #expect(line.operands == [bytes("DFS/1")])
        #expect(line.text("id") == "fs1")
        #expect(try line.number("max-line") == 65_536)
    }

    @Test func `values are found by key`() throws {
        let line = try reply("@7 OK path=\"/a b\" size=5 empty= text=\"x\"")

        #expect(line.tag == Tag(text: bytes("@7")))
        #expect(line.value("path") == bytes("/a b"))
        #expect(line.value("empty") == [])
        #expect(line.value("none") == nil)
        #expect(
            refusal { () throws(RequestError) in _ = try line.number("none") }?.code == .badArgument
        )
        #expect(
            refusal { () throws(RequestError) in _ = try line.number("text") }?.code == .badArgument
        )
    }

    @Test(arguments: [
        "", "ok", "OKAY", "ERR", "ERR \"not-found\"", "ERR code=1", "ERR 5", "FOO", "* a=\"",
        "err x",
    ])
    func `what is no reply is refused`(line: String) {
        #expect(refusal { () throws(RequestError) in _ = try reply(line) }?.code == .badSyntax)
    }

    @Test(arguments: ErrorCode.allCases)
    func `an error of every code is written and read back`(code: ErrorCode) throws {
        let hostile = bytes("a\nOK \"forged\" {5}")
        let error = RequestError(
            code, "no such \"file\"\nhere",
            fields: [.init("path", hostile), .init("retry", number: 5)],
            isFatal: true)
        var writer = LineWriter()

        writer.error(error, tag: Tag(number: 7))

        #expect(writer.bytes.last == 0x0A && writer.bytes.dropLast().allSatisfy { $0 >= 0x20 })
        let line = try reply(text(writer.bytes.dropLast()))
        #expect(line.kind == .error(code: code.rawValue, isFatal: true))
        #expect(line.tag == Tag(number: 7))
        #expect(line.value("path") == hostile)
        #expect(try line.number("retry") == 5)
        #expect(line.operands == [bytes("no such \"file\"\nhere")])
    }
}
