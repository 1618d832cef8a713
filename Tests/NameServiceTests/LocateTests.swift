import DFSProtocol
import Testing

@testable import NameService

@Suite struct LocateTests {
    @Test func `a file is located with its server, address and state`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/docs/a.txt"])

        world.milliseconds += 40
        let answer = try world.send("LOCATE /docs/a.txt")

        #expect(
            answer == """
                OK path=/docs/a.txt server=fs1 addr=127.0.0.1:7402 state=up size=5 ver=0 seen=40

                """)
    }

    @Test(arguments: [
        ("LOCATE /nope", "ERR not-found path=/nope "),
        ("LOCATE /docs", "ERR is-dir path=/docs "),
        ("LOCATE /", "ERR is-dir path=/ "),
        ("LOCATE docs", "ERR bad-name path=docs "),
        ("LOCATE /docs//a", "ERR bad-name path=/docs//a "),
        ("LOCATE /docs/a.txt server=fs9", "ERR unknown-server server=fs9 "),
        ("LOCATE /docs/a.txt server=fs2", "ERR not-found path=/docs/a.txt "),
        ("LOCATE /docs/a.txt/x", "ERR not-found path=/docs/a.txt/x "),
        ("@7 LOCATE /nope", "@7 ERR not-found path=/nope "),
        ("LOCATE", "ERR bad-argument "),
        ("LOCATE /docs/a.txt color=red", "ERR bad-argument argument=color "),
    ])
    func `what can not be located is told`(line: String, expected: String) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/docs/a.txt"])
        try world.addServer("fs2", on: 3)

        let answer = try world.send(line)

        #expect(answer.hasPrefix(expected), "\(answer)")
    }

    @Test func `many paths are answered in their order, and one bad path voids no other`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a", "/b"])
        try world.addServer("fs2", on: 3, mounts: "/B", files: ["/B/c"])
        world.close(3)
        world.pass(milliseconds: 3000)
        try world.send("HEARTBEAT fs1 seq=1", on: 2)
        world.pass(milliseconds: 600)

        let answer = try world.send("LOCATE /b /nope /B/c relative /a")

        #expect(
            answer == """
                * path=/b server=fs1 addr=127.0.0.1:7402 state=up size=5 ver=0 seen=600
                * path=/nope error=not-found
                * path=/B/c error=server-down server=fs2 seen=3600 retry=1000
                * path=relative error=bad-name
                * path=/a server=fs1 addr=127.0.0.1:7402 state=up size=5 ver=0 seen=600
                OK count=5

                """)
    }

    @Test(arguments: [
        "/docs/a.txt", "\"/docs/a.txt\"", "\"/docs/with space\"", "/docs/a=b", "/docs/ünï",
        "\"/docs/tab\\tname\"", "/docs", "/", "//", "/docs/", "/nope", "docs/a.txt", "\"\"",
        "/docs/claimed",
    ])
    func `the fast lane answers what the general path would`(operand: String) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/docs/a.txt", "\"/docs/with space\""])
        try world.send(
            "REPORT fs1", on: 2,
            data: ["\"/docs/a=b\"", "/docs/ünï", "\"/docs/tab\\tname\""].map(NameWorld.line)
                .joined())
        try world.send("CREATE /docs/claimed")
        for tag in ["", "@a7 "] {
            let line = [UInt8]("\(tag)locate \(operand)\n".utf8)

            var reply = LineWriter()
            let answered = world.core.answerLocates(
                line.span, lineBytes: 65_536, at: world.now.monotonic, into: &reply)
            let general = try world.send(String(decoding: line.dropLast(), as: UTF8.self))

            #expect(String(decoding: reply.bytes, as: UTF8.self) == (answered > 0 ? general : ""))
            let isSpecial = operand.contains("\\") || operand.contains("=")
            #expect((answered == line.count) == (general.contains("OK path=") && !isSpecial))
        }
    }

    @Test(arguments: [
        "LOCATE /a /b\n", "LOCATE /a server=fs1\n", "LIST /a\n", "LOCATE\n", "LOCATE \n", "\n", "",
        "LOCATE /a", "LOCATE  /a\n", " LOCATE /a\n", "LOCATE /a \n", "LOCATES /a\n",
        "@ LOCATE /a\n",
        "@a-b LOCATE /a\n", "@x  LOCATE /a\n", "@12345678901234567 LOCATE /a\n", "@x\n", "@x",
        "LOCATE /a\u{0}\n", "LOCATE \"/a\n", "LOCATE /a\"\n", "LOCATE \"\n", "LOCATE {1}\n",
        "LOCATE /a {1}\n", "LOCATE \"/a\" \"/b\"\n", "LOCATE \"/a\"{1}\n", "#LOCATE /a\n",
        "LOCATE \r\n", "LOCATE /a\r\r\n",
    ])
    func `the fast lane leaves everything else alone`(text: String) throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a", "/b"])

        var reply = LineWriter()
        let answered = world.core.answerLocates(
            [UInt8](text.utf8).span, lineBytes: 65_536, at: world.now.monotonic, into: &reply)

        #expect(answered == 0)
        #expect(reply.bytes.isEmpty)
    }

    @Test func `the fast lane answers whole lines from the front, dozens at a time`() throws {
        var world = try NameWorld()
        let files = (0..<100).map { "/d\($0 % 7)/\($0)" }
        try world.addServer("fs1", on: 2, files: files)
        let lines = files.enumerated().map { index, file in
            (index % 3 == 0 ? "@t\(index) " : "") + "LOCATE \(file)"
                + (index % 5 == 0 ? "\r\n" : "\n")
        }
        let general = try lines.map { line in
            try world.send(String(line.prefix { !$0.isNewline }))
        }
        for stop in ["", "LOCATE /d1/nope\n", "LOCATE /nope/1\n", "LOCATE /d1\n", "PING\n"] {
            for place in [0, 1, 31, 32, 33, 99, 100] {
                let front = lines[..<place].joined()
                let bytes = [UInt8]((front + stop + lines[place...].joined()).utf8)

                var replies = LineWriter()
                var used = 0
                while case let step = world.core.answerLocates(
                    bytes.span.extracting(used..<bytes.count), lineBytes: 65_536,
                    at: world.now.monotonic, into: &replies), step > 0
                {
                    used += step
                }

                let expected = general[..<(stop.isEmpty ? 100 : place)].joined()
                #expect(String(decoding: replies.bytes, as: UTF8.self) == expected)
                #expect(used == (stop.isEmpty ? bytes.count : front.utf8.count))
            }
        }
    }

    @Test func `the fast lane leaves a line alone that is longer than a line may be`() throws {
        var world = try NameWorld()
        try world.addServer("fs1", on: 2, files: ["/a"])
        let line = [UInt8]("@t LOCATE /a\r\n".utf8)

        for (most, expected) in [(11, 0), (12, line.count)] {
            var reply = LineWriter()
            let answered = world.core.answerLocates(
                line.span, lineBytes: most, at: world.now.monotonic, into: &reply)
            #expect(answered == expected)
        }
    }

    @Test(arguments: [4095, 4096, 4097])
    func `a path may have 4096 bytes`(length: Int) throws {
        var world = try NameWorld()
        var path = ""
        while path.utf8.count + 201 <= length - 1 {
            path += "/" + String(repeating: "x", count: 200)
        }
        path += "/" + String(repeating: "y", count: length - path.utf8.count - 1)
        try world.send("REGISTER fs1 / addr=127.0.0.1:1 epoch=1", on: 2)

        let report = try world.send("REPORT fs1", on: 2, data: NameWorld.line(path))
        let answer = try world.send("LOCATE \(path)")

        #expect(report.hasPrefix(length <= 4096 ? "OK files=1" : "ERR bad-argument line=1"))
        #expect(answer.hasPrefix(length <= 4096 ? "OK path=/x" : "ERR name-too-long max=4096"))
    }
}
