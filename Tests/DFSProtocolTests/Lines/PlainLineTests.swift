import Testing

@testable import DFSProtocol

@Suite struct PlainLineTests {
    @Test(arguments: [
        ("LOCATE /a\n", "", "/a"), ("@t1 locate /a b\n", nil, nil),
        ("@t1 Locate /a\r\n", "@t1", "/a"),
        ("LOCATE \"/a b\"\nrest", "", "/a b"), ("LOCATE \"\"\n", "", ""), ("LOCATE é\n", "", "é"),
        ("LOCATE \"a=b {5}\"\n", "", "a=b {5}"), ("LOCATE a=b\n", nil, nil),
        ("LOCATE {5}\n", nil, nil),
        ("LOCATE \"a\\n\"\n", nil, nil), ("LOCATE /a", nil, nil), ("", nil, nil), ("@", nil, nil),
    ])
    func `one argument is read, with a tag or without`(
        text: String, tag: String?, value: String?
    ) {
        let bytes = [UInt8](text.utf8)

        let line = PlainLine(bytes.span, from: 0, verb: "LOCATE", most: 100)

        #expect(line.map { String(decoding: bytes[$0.tag], as: UTF8.self) } == tag)
        #expect(line.map { String(decoding: bytes[$0.value], as: UTF8.self) } == value)
    }

    @Test(arguments: [1, 2, 3])
    func `framer and parser read alike what is read here`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var readHere = 0
        for _ in 0..<5_000 {
            var bytes = PlainLineTests.line(&random)
            bytes.append(UInt8(ascii: "\n"))
            guard let line = PlainLine(bytes.span, from: 0, verb: "LOCATE", most: 40) else {
                continue
            }
            readHere += 1
            var limits = Limits()
            limits.lineBytes = 40
            var framer = Framer(limits: limits)
            guard case .frame(let frame) = framer.next(bytes.span) else {
                Issue.record("\(bytes) is no frame")
                continue
            }
            let text = bytes.span.extracting(frame.line)
            var parser = LineParser()
            try parser.parse(text)

            #expect(frame.payload == nil && frame.consumed == line.end)
            #expect(parser.tag?.bytes ?? [] == Array(bytes[line.tag]))
            #expect(Verb(text.extracting(parser.head)) == .locate)
            #expect(parser.argumentCount == 1 && !parser[0].isPair)
            #expect(parser.value(0, in: text) == Array(bytes[line.value]))
            if line.isBare {
                var writer = LineWriter()
                writer.appendQuoted(bytes.span.extracting(line.value))
                #expect(writer.bytes == Array(bytes[line.value]))
            }
        }
        #expect(readHere > 500)
    }

    /// Mostly a line of the form that is read here, with noise at any place.
    private static func line(_ random: inout SeededRandom) -> [UInt8] {
        var bytes: [UInt8] = []
        if Int.random(in: 0...2, using: &random) == 0 {
            bytes += Array("@".utf8) + random.bytes(upTo: 6) + Array(" ".utf8)
        }
        bytes += Array((Bool.random(using: &random) ? "LOCATE" : "locate").utf8)
        bytes += Bool.random(using: &random) ? Array(" ".utf8) : random.bytes(upTo: 2)
        switch Int.random(in: 0...2, using: &random) {
        case 0: bytes += random.bytes(upTo: 20)
        case 1: bytes += Array("/".utf8) + random.bytes(upTo: 6)
        default: bytes += Array("\"/".utf8) + random.bytes(upTo: 6) + Array("\"".utf8)
        }
        if Int.random(in: 0...3, using: &random) == 0 { bytes += random.bytes(upTo: 2) }
        return bytes
    }
}
