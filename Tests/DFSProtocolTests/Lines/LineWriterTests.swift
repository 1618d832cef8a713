import DFSProtocol
import Testing

@Suite struct LineWriterTests {
    @Test func `a line is written from its parts`() throws {
        var line = LineWriter(capacity: 64)

        line.begin(tag: Tag(number: 7))
        line.append("OK")
        line.pair("path", bytes("/a b"))
        line.pair("size", 5)
        line.pair("caps", "")
        line.pair("name", "a=b")
        line.operand(bytes("x\n"))
        line.end(literal: 12)

        #expect(
            text(line.bytes) == "@7 OK path=\"/a b\" size=5 caps= name=\"a=b\" \"x\\n\" {12}\n")
    }

    @Test func `a line without a tag begins with its first word`() {
        var line = LineWriter()

        line.begin(tag: nil)
        line.append("OK")
        line.end()

        #expect(text(line.bytes) == "OK\n")
    }

    @Test func `elements of a list are quoted as they would be alone`() {
        var line = LineWriter()

        line.pair("mounts", list: [bytes("/a"), bytes("/b c"), bytes("")])

        #expect(text(line.bytes) == " mounts=\"/a \\\"/b c\\\" \\\"\\\"\"")
    }

    @Test func `an answer that failed half way is cut back`() {
        var line = LineWriter()
        line.append("OK\n")

        line.append("* half")
        line.truncate(to: 3)

        #expect(text(line.bytes) == "OK\n")
        line.removeAll()
        #expect(line.bytes.isEmpty)
    }

    @Test func `an error line ends in its text, always quoted`() {
        var line = LineWriter()
        let error = RequestError(.tooLarge, "short", fields: [.init("max", number: 5)])

        line.error(error, tag: nil)

        #expect(text(line.bytes) == "ERR too-large max=5 \"short\"\n")
    }
}
