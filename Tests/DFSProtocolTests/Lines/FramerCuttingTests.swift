import DFSProtocol
import Testing

/// However bytes are cut, the frames are the same.
@Suite struct FramerCuttingTests {
    private static let limits: Limits = {
        var limits = Limits()
        limits.lineBytes = 24
        limits.payloadBytes = 8
        limits.droppedPayloadFactor = 2
        return limits
    }()

    static let corpus: [String] = [
        "PING\nPING\r\n\r\n \n# c\r\nQUIT\n", "\n\n# a\n  \r\nW {3}\r\na\nb\r\nPING\n",
        "W {0}\n\nW {0}\r\n\r\nPING", "W {8}\n\r\n\r\n\r\n\r\n\r\nPING\n",
        "@1 W {9}\n123456789\nPING\n", "@1 W {16}\r\n123456789\r\n12345\r\n\r\nPING\r\n# {\n",
        "W {17}\nabc\n", "W {9}\n123456789\rPING\n", "W {9}\n1234567890\n", "W {3}\nabcd\n",
        "W {3}\nabc\r\r\n", "W {x}\nPING\n", "\r\n\n@abc W {\n", "PING \"a {3}\"\nPING \"{3}\nQ\n",
        "PING xxxxxxxxxxxxxxxxxxx\r\nPING xxxxxxxxxxxxxxxxxxx\n",
        "PING xxxxxxxxxxxxxxxxxxxx\r\nQ\n",
        "PING xxxxxxxxxxxxxxxxxxxx\nQ\n", "# xxxxxxxxxxxxxxxxxxxxxxx\n",
        "                         \nPING\n", "                        \r\nPING\n",
        "\u{16}\u{3}\nPING\n",
        "\nGET /{ HTTP/1.1\r\nPING\n", "PING\n\u{16}\n", "\r\r\n\r\n", "W {3}  \r\nabc\nPING\n", "",
    ]

    @Test(arguments: corpus)
    func `byte by byte and in every two parts`(stream: String) {
        let whole = bytes(stream)
        let expected = FramedStream.events(of: [whole], limits: Self.limits)

        #expect(FramedStream.events(of: whole.map { [$0] }, limits: Self.limits) == expected)
        for cut in 0...whole.count {
            let pieces = [Array(whole[..<cut]), Array(whole[cut...])]
            #expect(
                FramedStream.events(of: pieces, limits: Self.limits) == expected, "cut at \(cut)")
        }
    }

    @Test func `a line over a limit shorter than a tag is refused alike in every piece`() {
        var limits = Limits()
        limits.lineBytes = 4
        let whole = bytes("@7 xxxxxxxxxxxxxxxxxxxx\n")

        let expected = FramedStream.events(of: [whole], limits: limits)

        #expect(expected == [.broken(.lineTooLong, "@7 x")])
        #expect(FramedStream.events(of: whole.map { [$0] }, limits: limits) == expected)
    }

    @Test(arguments: [21, 22, 23] as [UInt64])
    func `random streams cut at random`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let parts =
            Self.corpus + ["{", "}", "\r", "\n", " ", "\"", "\\", "W {2}\nab\n", "#", "\r\n"]

        for _ in 0..<1500 {
            let count = Int.random(in: 1...6, using: &random)
            let whole = bytes(
                (0..<count).compactMap { _ in parts.randomElement(using: &random) }.joined())
            let expected = FramedStream.events(of: [whole], limits: Self.limits)
            var stream = FramedStream(limits: Self.limits)
            var rest = whole[...]
            while !rest.isEmpty {
                let length = Int.random(in: 1...min(9, rest.count), using: &random)
                stream.receive(rest.prefix(length))
                rest = rest.dropFirst(length)
            }
            #expect(stream.events == expected, "seed \(seed): \(Quoting.text(whole))")
            #expect(!stream.hasAskedForNothing, "seed \(seed): \(Quoting.text(whole))")
        }
    }
}
