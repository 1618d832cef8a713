import Testing

/// What placeholders match, and what they do not.
struct LinePatternTests {
    private func matches(_ pattern: String, _ line: String, _ captures: Captures = [:]) -> Bool {
        LinePattern(pattern).match(line, captures) != nil
    }

    @Test(arguments: [
        ("OK bytes=6", "OK bytes=6"), ("OK [..]", "OK anything at all"), ("OK[..]", "OK"),
        ("a [..] c [..]", "a b c c d"), ("OK role=file ...", "OK role=file id=fs1 epoch=1"),
        ("at [TIME]", "at 2026-11-22T08:30:00Z"),
        ("at [TIME].", "at 2026-11-22T08:30:00.123456789Z."),
        ("addr=127.0.0.1:[PORT]", "addr=127.0.0.1:40123"), ("[VER][VER]", "12"),
        ("addr=[ADDR] x", "addr=[::1]:7400 x"), ("h=[H] size=0", "h=h1 size=0"),
        ("[x] {5} [lower]", "[x] {5} [lower]"), ("[A] and [A]", "é and é"),
        ("sha256=[SHA]", "sha256=" + String(repeating: "0f", count: 32)),
    ])
    func `a line matches its pattern`(pattern: String, line: String) {
        #expect(matches(pattern, line))
    }

    @Test(arguments: [
        ("OK bytes=6", "OK bytes=60"), ("OK bytes=60", "OK bytes=6"), ("OK [..] x", "OK y"),
        ("at [TIME]", "at 2026-11-22 08:30:00Z"), ("at [TIME]", "at 2026-11-22T08:30:00.Z"),
        ("at [TIME]", "at 2026-11-22T08:30:00"), ("port=[PORT]", "port=x"), ("ver=[VER]", "ver="),
        ("ver=[VER]", "ver=1 x"), ("addr=[ADDR]", "addr=:7400"), ("addr=[ADDR]", "addr=host:"),
        ("h=[H]", "h="), ("[A] and [A]", "b and c"), ("[VER1] [VER1]", "1 2"), ("[x]", "x"),
        ("OK", ""), ("", "OK"), ("OK ...", "OKAY"), ("[SHA]", String(repeating: "g", count: 64)),
    ])
    func `a line that differs does not match`(pattern: String, line: String) {
        #expect(!matches(pattern, line))
    }

    @Test func `a name stands for what it matched first`() throws {
        let captures = try #require(LinePattern("OK h=[H] size=[N]").match("OK h=h7 size=3", [:]))

        #expect(matches("C [H]", "C h7", captures))
        #expect(!matches("C [H]", "C h8", captures))
        #expect(matches("[N]", "4", captures))
        #expect(LinePattern.filled("READ [H] [N] [..]", captures) == Array("READ h7 [N] [..]".utf8))
    }

    @Test func `a capture gives back what the rest of the line needs`() throws {
        let captures = try #require(LinePattern("[A]:[B]:end").match("x:y:z:end", [:]))

        #expect(captures["A"].map { String(decoding: $0, as: UTF8.self) } == "x:y")
    }
}
