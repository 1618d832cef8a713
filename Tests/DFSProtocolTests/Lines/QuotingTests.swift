import DFSProtocol
import Testing

@Suite struct QuotingTests {
    @Test(arguments: [
        ("plain", "plain"), ("", "\"\""), ("two words", "\"two words\""), ("a=b", "\"a=b\""),
        ("/docs/a.txt", "/docs/a.txt"), ("{5}", "\"{5}\""), ("@7", "@7"), ("#x", "#x"),
        ("say \"hi\"", "\"say \\\"hi\\\"\""), ("back\\slash", "\"back\\\\slash\""),
        ("\n\r\t", "\"\\n\\r\\t\""), ("\u{1B}[31m", "\"\\x1b[31m\""), ("\u{7F}", "\"\\x7f\""),
        ("\u{0}", "\"\\x00\""), ("é€😀", "é€😀"), ("\u{85}", "\"\\xc2\\x85\""),
        ("a\u{2028}b", "\"a\\xe2\\x80\\xa8b\""), ("\u{202E}", "\"\\xe2\\x80\\xae\""),
        ("\u{061C}", "\"\\xd8\\x9c\""), ("\u{2066}", "\"\\xe2\\x81\\xa6\""),
        ("\u{A0}", "\u{A0}"), ("\u{200D}", "\u{200D}"), ("\u{2030}", "\u{2030}"),
    ])
    func `a name is a bare word where the grammar allows and quoted elsewhere`(
        name: String, quoted: String
    ) {
        #expect(Quoting.text(bytes(name)) == quoted)
    }

    @Test(
        arguments: [
            [0xFF], [0xC3], [0xC3, 0x28], [0xC0, 0xAF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80],
            [0xF4, 0x90, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0x80], [0x61, 0xE2, 0x82],
        ] as [[UInt8]])
    func `bytes that are not UTF-8 are escaped`(name: [UInt8]) throws {
        let quoted = Quoting.quote(name)

        #expect(quoted.allSatisfy { $0 < 0x80 })
        #expect(try Quoting.unquote(quoted) == name)
    }

    @Test func `every name of one byte or two comes back and shows no control byte`() throws {
        for first in UInt8.min...UInt8.max {
            try expectRoundTrip([first])
            for second in UInt8.min...UInt8.max { try expectRoundTrip([first, second]) }
        }
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func `arbitrary bytes come back and show no control byte`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)

        for _ in 0..<5000 { try expectRoundTrip(random.bytes(upTo: 40)) }
    }

    @Test(arguments: [11, 12] as [UInt64])
    func `arbitrary lists come back`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)

        for _ in 0..<1000 {
            let list = (0..<Int.random(in: 0...5, using: &random)).map { _ in
                random.bytes(upTo: 12)
            }
            var line = LineWriter()
            line.append("* server")
            line.pair("mounts", list: list)
            let read = try reply(text(line.bytes))
            let value = try #require(read.value("mounts"))
            #expect(try Quoting.unquoteList(value) == list, "seed \(seed), \(list)")
        }
    }

    @Test func `a bare word is also written between quotation marks if asked`() throws {
        #expect(Quoting.quoteAlways(bytes("abc")) == bytes("\"abc\""))
        #expect(try Quoting.unquote(Quoting.quoteAlways([0x00])) == [0x00])
    }

    @Test func `any byte may be read as an escape`() throws {
        for byte in UInt8.min...UInt8.max {
            let high = "0123456789ABCDEF".utf8.map { $0 }[Int(byte >> 4)]
            let low = "0123456789abcdef".utf8.map { $0 }[Int(byte & 15)]
            #expect(try Quoting.unquote(bytes("\"\\x") + [high, low] + bytes("\"")) == [byte])
        }
    }

    @Test(arguments: ["", "a b", "\"a", "a\"", "key=value", "\"a\"b", "\"\\q\"", "{5}", "\\n"])
    func `what is not exactly one argument is refused`(text: String) {
        #expect(
            refusal { () throws(RequestError) in _ = try Quoting.unquote(bytes(text)) }?.code
                == .badSyntax)
    }

    private func expectRoundTrip(_ name: [UInt8]) throws {
        for quoted in [Quoting.quote(name), Quoting.quoteAlways(name)] {
            let isSafe = quoted.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
            guard isSafe, String(validating: quoted, as: UTF8.self) != nil else {
                Issue.record("unsafe for \(name): \(quoted)")
                continue
            }
            let back = try Quoting.unquote(quoted)
            if back != name { Issue.record("\(name) came back as \(back)") }
        }
        let shown = Quoting.text(name).unicodeScalars
        if shown.contains(where: { isHidden($0.value) }) { Issue.record("hidden in \(name)") }
    }

    private func isHidden(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0..<0x20, 0x7F..<0xA0, 0x61C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
