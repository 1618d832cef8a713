import DFSProtocol
import Testing

@Suite struct FramerTests {
    private static let small: Limits = {
        var limits = Limits()
        limits.lineBytes = 20
        limits.payloadBytes = 10
        limits.droppedPayloadFactor = 3
        return limits
    }()

    @Test func `LF and CRLF end a line and one CR is stripped`() {
        #expect(FramedStream.events(of: "PING\n") == [.line("PING")])
        #expect(FramedStream.events(of: "PING\r\n") == [.line("PING")])
        #expect(FramedStream.events(of: "PING\r\r\n") == [.line("PING\r")])
        #expect(FramedStream.events(of: "PI\rNG\n") == [.line("PI\rNG")])
    }

    @Test func `blank lines and comments are dropped`() {
        let script = "\n\r\n   \n  \r\n# a comment {5}\n#\nPING\n\n# {bad\nQUIT\n"

        #expect(FramedStream.events(of: script) == [.line("PING"), .line("QUIT")])
    }

    @Test func `an incomplete last line is no frame`() {
        #expect(FramedStream.events(of: "PING\nQUIT") == [.line("PING")])
        #expect(FramedStream.events(of: "PING\nWRITE h1 0 {3}\nabc") == [.line("PING")])
    }

    @Test func `a payload follows its mark and its newline is no data`() {
        #expect(
            FramedStream.events(of: "WRITE h1 0 {5}\nhello\nPING\n")
                == [.line("WRITE h1 0 ", payload: "hello"), .line("PING")])
        #expect(
            FramedStream.events(of: "APPEND h1 {5}\r\na\r\nbc\r\nPING\r\n")
                == [.line("APPEND h1 ", payload: "a\r\nbc"), .line("PING")])
        #expect(
            FramedStream.events(of: "STORE /a {0}\n\nPING\n")
                == [.line("STORE /a ", payload: ""), .line("PING")])
        #expect(
            FramedStream.events(of: "\n# x\nSTORE /a {1}\n\n\nPING\n")
                == [.line("STORE /a ", payload: "\n"), .line("PING")])
    }

    @Test func `a payload is never read as lines, whatever its verb`() {
        #expect(
            FramedStream.events(of: "NONSENSE {9}\nREMOVE /a\nPING\n")
                == [.line("NONSENSE ", payload: "REMOVE /a"), .line("PING")])
        #expect(
            FramedStream.events(of: "{4}\nQUIT\nPING\n")
                == [.line("", payload: "QUIT"), .line("PING")])
    }

    @Test func `spaces behind a mark do not hide it`() {
        #expect(
            FramedStream.events(of: "WRITE h1 0 {4}  \nQUIT\nPING\n")
                == [.line("WRITE h1 0 ", payload: "QUIT"), .line("PING")])
    }

    @Test(arguments: [
        "PING \"a {5}\"", "PING \"{5}\"", "PING x{5}", "PING \"a\"{5}", "PING \"a\\\" {5}",
        "PING \"a {5}", "PING {5} x", "PING k=\"a {5}\"", "PING \"\\\\\\\" {5}\"",
    ])
    func `a brace inside quotes or inside a word is no mark`(line: String) {
        #expect(FramedStream.events(of: line + "\nQUIT\n") == [.line(line), .line("QUIT")])
    }

    @Test(arguments: [
        "PING {", "PING {}", "PING {5", "PING {5}x", "PING {-1}", "PING {05}", "PING {5 }x {a}",
        "PING {5}}", "PING {+}", "PING \"a\" {x}", "PING {9223372036854775808}", "PING \"a\\\\\" {",
    ])
    func `a last token that starts like a mark and is none ends the stream`(line: String) {
        let events = FramedStream.events(of: line + "\nQUIT\n")

        guard case .broken(.badFraming, let start)? = events.first, events.count == 1 else {
            Issue.record("\(events)")
            return
        }
        #expect(bytes(line).starts(with: start))
    }

    @Test(arguments: ["hellox\n", "hellohello\n", "hello\rx\n", "hello \n"])
    func `a payload that does not end where it said ends the stream`(payload: String) {
        #expect(
            FramedStream.events(of: "@7 WRITE h1 0 {5}\n" + payload)
                == [.broken(.badFraming, "@7 WRITE h1 0 ")])
    }

    @Test(arguments: ["\n", "\r\n"])
    func `a line may be as long as the limit and no longer`(end: String) {
        let longest = "PING " + String(repeating: "x", count: 15)

        #expect(
            FramedStream.events(of: longest + end + "QUIT\n", limits: Self.small)
                == [.line(longest), .line("QUIT")])
        #expect(
            FramedStream.events(of: longest + "x" + end + "QUIT\n", limits: Self.small)
                == [.broken(.lineTooLong, "PING xxxxxxxxxxxxx")])
    }

    @Test func `a line that is too long is refused before its end has come`() {
        let line = "@7 " + String(repeating: "x", count: 18)

        #expect(
            FramedStream.events(of: line, limits: Self.small)
                == [.broken(.lineTooLong, "@7 xxxxxxxxxxxxxxx")])
    }

    @Test func `a carriage return at the limit waits for what follows`() {
        var stream = FramedStream(limits: Self.small)

        stream.receive(bytes(String(repeating: "x", count: 20) + "\r"))

        #expect(stream.events.isEmpty)
        stream.receive(bytes("\n"))
        #expect(stream.events == [.line(String(repeating: "x", count: 20))])
    }

    @Test(arguments: ["\n", "\r\n"])
    func `a payload may be as large as the limit`(end: String) {
        #expect(
            FramedStream.events(of: "W {10}\n0123456789" + end, limits: Self.small)
                == [.line("W ", payload: "0123456789")])
    }

    @Test(arguments: [(11, "\n"), (11, "\r\n"), (30, "\n"), (30, "\r\n")])
    func `a larger payload is dropped and the stream goes on`(count: Int, end: String) {
        let payload = String(repeating: "\n", count: count)

        let events = FramedStream.events(
            of: "@7 W {\(count)}\n" + payload + end + "PING\n", limits: Self.small)

        #expect(events == [.tooLarge(line: bytes("@7 W ")), .line("PING")])
    }

    @Test func `a payload beyond what is dropped ends the stream`() {
        #expect(
            FramedStream.events(of: "@7 W {31}\n", limits: Self.small) == [
                .broken(.tooLarge, "@7 W ")
            ])
        #expect(
            FramedStream.events(of: "W {9223372036854775807}\n") == [.broken(.tooLarge, "W ")])
    }

    @Test func `a dropped payload that does not end where it said ends the stream`() {
        #expect(
            FramedStream.events(of: "W {11}\n01234567890x\n", limits: Self.small)
                == [.tooLarge(line: bytes("W ")), .broken(.badFraming)])
    }

    @Test func `limits of any size do not trap`() {
        var limits = Limits()
        limits.lineBytes = .max
        limits.payloadBytes = .max
        limits.droppedPayloadFactor = .max

        #expect(FramedStream.events(of: "W {9223372036854775807}\nabc", limits: limits).count == 1)
        limits.lineBytes = -1
        limits.payloadBytes = -1
        #expect(
            FramedStream.events(of: "PING\n", limits: limits) == [.broken(.lineTooLong)])
    }

    @Test func `a first byte of TLS is told apart by servers only`() {
        let hello: [UInt8] = [0x16, 0x03, 0x01, 0x0A]

        #expect(FramedStream.events(of: [hello]) == [.broken(.tlsOnPlain)])
        #expect(FramedStream.events(of: [bytes("PING\n"), hello]).count == 2)
        #expect(
            FramedStream.events(of: [hello], refusesStrangers: false)
                == [.frame(line: [0x16, 0x03, 0x01], payload: nil)])
    }

    @Test(arguments: [
        "GET / HTTP/1.1", "POST /a HTTP/1.0\r", "PRI * HTTP/2.0", "OPTIONS * HTTP/1.1",
        "GET /?a={5} HTTP/1.1", "GET /\"x\\ HTTP/1.1", "get  /  HTTP/1.1", "GET a b c HTTP/1.1",
    ])
    func `an HTTP request ends the stream whatever its target looks like`(line: String) {
        #expect(FramedStream.events(of: line + "\nREMOVE /a\n") == [.broken(.notHTTP)])
    }

    @Test(arguments: [
        "PING x HTTP/1.1", "@7 PING x HTTP/1.1", "  PING x HTTP/1.1", "GET HTTP/1.1", "GET / http",
        "HTTP/1.1", "GET / xHTTP/1.1", "GET /",
    ])
    func `a line that only mentions HTTP does not`(line: String) {
        #expect(FramedStream.events(of: line + "\nQUIT\n") == [.line(line), .line("QUIT")])
    }

    @Test func `a client reads a line that looks like HTTP`() {
        #expect(
            FramedStream.events(of: [bytes("X y HTTP/1.1\n")], refusesStrangers: false)
                == [.line("X y HTTP/1.1")])
    }

    @Test func `silence in the middle of a frame is told from silence between frames`() {
        var stream = FramedStream(limits: Self.small)
        let steps: [(String, Bool)] = [
            ("PI", true), ("NG\n", false), ("\n# x\n", false), (" ", true), ("\n", false),
            ("W {3}", true), ("\n", true), ("abc", true), ("\r", true), ("\n", false),
            ("W {11}\n", true), ("01234567890", true), ("\n", false),
        ]

        for (text, isMidFrame) in steps {
            stream.receive(bytes(text))
            #expect(stream.isMidFrame == isMidFrame, "after \(Quoting.text(bytes(text)))")
        }
        #expect(!stream.isBroken)
    }

    @Test func `an oversized payload is not kept while it is dropped`() {
        var stream = FramedStream(limits: Self.small)

        stream.receive(bytes("W {30}\n" + String(repeating: "x", count: 20)))

        #expect(stream.pendingCount == 0)
    }
}
