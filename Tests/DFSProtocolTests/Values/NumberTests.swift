import DFSProtocol
import Testing

@Suite struct NumberTests {
    @Test(
        arguments: [
            ("0", 0), ("1", 1), ("9", 9), ("10", 10), ("65536", 65_536),
            ("9223372036854775807", Int64.max), ("1000000000000000000", 1_000_000_000_000_000_000),
        ] as [(String, Int64)])
    func `digits are a number`(text: String, value: Int64) throws {
        #expect(try Number.parse(bytes(text), named: "size") == value)
    }

    @Test(arguments: ["", "00", "01", "-1", "+1", " 1", "1 ", "1a", "0x1", "１", "1.0", "-0", "1e3"])
    func `signs, leading zeros and letters are no number`(text: String) {
        let refused = refusal { () throws(RequestError) in
            _ = try Number.parse(bytes(text), named: "size")
        }

        #expect(refused?.code == .badArgument)
        #expect(refused?.field("argument") == bytes("size"))
        #expect(Number.parse(bytes(text).span) == nil)
    }

    @Test(arguments: [
        "9223372036854775808", "9999999999999999999", "10000000000000000000",
        "18446744073709551616", "99999999999999999999999999999999999999999",
    ])
    func `a number over 2^63-1 is out of range`(text: String) {
        let refused = refusal { () throws(RequestError) in
            _ = try Number.parse(bytes(text), named: "size")
        }

        #expect(refused?.code == .range)
        #expect(Number.parse(bytes(text).span) == nil)
    }

    @Test func `what is written is read back`() {
        var random = SeededRandom(seed: 6)
        var values = (0..<2000).map { _ in
            Int64(truncatingIfNeeded: random.next() >> UInt64.random(in: 1...63, using: &random))
        }
        values += [0, 1, 9, 10, 99, 100, .max]

        for value in values {
            var writer = LineWriter()
            writer.append(number: value)
            #expect(Number.parse(writer.bytes.span) == value)
        }
    }

    @Test(arguments: [(-1, "-1"), (-10, "-10"), (Int64.min, "-9223372036854775808")])
    func `a negative number is written with its sign`(value: Int64, written: String) {
        var writer = LineWriter()

        writer.append(number: value)

        #expect(text(writer.bytes) == written)
    }
}
