import DFSProtocol
import TestCluster
import Testing

@testable import DFSShell

/// What `wire` makes of bytes: requests, lines of a transcript, placeholders.
@Suite struct WireLineTests {
    private func bytes(_ text: String) -> [UInt8] { [UInt8](text.utf8) }

    @Test(
        arguments: [
            ("PING a", nil, true, false, false), ("STORE /a {12}", 12, true, false, false),
            ("@t1 STORE /a {0}", 0, true, true, false), ("PING \"a {5}\"", nil, true, false, false),
            ("", nil, false, false, false), ("# x", nil, false, false, false),
            ("  quit ", nil, true, false, true), ("@q QUIT", nil, true, true, true),
            ("PING {05}", nil, true, false, false), ("PING {five", nil, true, false, false),
        ] as [(String, Int?, Bool, Bool, Bool)])
    func `a request tells what follows it`(
        line: String, payload: Int?, isAnswered: Bool, isTagged: Bool, isLast: Bool
    ) {
        let request = WireRequest(bytes(line))

        #expect(request.payloadBytes == payload)
        #expect(request.isAnswered == isAnswered)
        #expect(request.isTagged == isTagged)
        #expect(request.isLast == isLast)
    }

    @Test func `requests are cut out of any pieces`() {
        let text = bytes("A {3}\nx\ny\nB\r\n\nC")
        for size in 1...text.count {
            var input = WireInput()
            var found: [String] = []
            var rest = text[...]
            repeat {
                input.take(rest.isEmpty ? nil : rest.prefix(size))
                rest = rest.dropFirst(size)
                while let (request, payload) = input.next() {
                    let line = String(decoding: request.line, as: UTF8.self)
                    found.append(
                        line + (payload.map { "|" + String(decoding: $0, as: UTF8.self) } ?? ""))
                }
            } while !input.isAtEnd

            #expect(found == ["A {3}|x\ny", "B", "", "C"])
        }
    }

    @Test func `a payload is one line where it is sent, and its own lines where it is read`() throws
    {
        let payload = bytes("a\\\"b\n\u{1B}\n")

        #expect(
            WireLine.sent(bytes("STORE /a {7}"), payload).map(\.written)
                == ["C: STORE /a {7}", #"C| a\\"b\n\x1b\n"#])
        #expect(
            WireLine.said(bytes("OK "), payload).map(\.written)
                == ["S: OK {7}", #"S| a\\"b\n"#, #"S| \x1b\n"#])
        #expect(WireLine.said(bytes("OK "), []).map(\.written) == ["S: OK {0}"])
        #expect(try WireLine.unescaped(bytes(WireLine.escaped(payload))) == payload)
        #expect(throws: RequestError.self) { try WireLine.unescaped(bytes(#"\q"#)) }
    }

    @Test func `no byte of a peer reaches the screen raw`() {
        let lines = WireLine.said(bytes("OK \u{1B}[2J\u{202E}"), bytes("\u{9B}x\u{7F}"))

        for line in lines {
            #expect(line.written.unicodeScalars.allSatisfy { (0x20..<0x7F).contains($0.value) })
        }
        #expect(
            WireLine.sent([0x50, 0xFF], nil).map(\.written) == [#"C! send "P\xff\n""#])
    }

    @Test(
        arguments: [
            (.forever([0x78]), 7), (.say("\u{1B}[2J\u{7}nonsense\n"), 7),
            (.say("OK DFS/1 role=name {9999999999}\n"), 7),
        ] as [(HostileServer.Answer, Int32)])
    func `a server that is none ends it with a code and no raw byte`(
        greeting: HostileServer.Answer, code: Int32
    ) throws {
        let server = try HostileServer(greeting: greeting) { _ in .say("OK\n") }
        let cluster = try Cluster()

        let run = try cluster.shell(["wire", "\(server.endpoint)"], input: "PING\nQUIT\n")

        #expect(run.exitCode == code, "\(run.output)\(run.errors)")
        let bytes = run.outputBytes + run.errorBytes
        #expect(bytes.allSatisfy { $0 == 0x0A || (0x20..<0x7F).contains($0) })
    }

    @Test(arguments: [
        ("OK size=3 ver=17 fid=9", "OK size=3 ver=[VER] fid=[FID]"),
        ("@t OK h=h1 lease=5000", "@t OK h=h1 lease=5000"),
        ("ERR busy retry=200 \"wait a bit\"", "ERR busy retry=[MS] \"[..]\""),
        (
            "* file name=\"a ver=3\" mtime=2026-11-01T08:30:00Z",
            "* file name=\"a ver=3\" mtime=[TIME]"
        ),
        ("OK \"ver=3\" epoch=4", "OK \"ver=3\" epoch=[EPOCH]"),
        ("* RESUME h token= \"takes over\"", "* RESUME h token= \"takes over\""),
        ("ERR not-found path=/a", "ERR not-found path=/a"),
        ("* h=h1 client=\"c 1\" lease=77", "* h=h1 client=[..] lease=[N]"),
    ])
    func `what differs from run to run is a placeholder`(line: String, masked: String) {
        var mask = WireMask()

        #expect(mask.masked(WireLine(mark: .reply, text: line)).text == masked)
    }

    @Test func `what the server chose has a name, in later requests too`() {
        var mask = WireMask()
        func masked(_ mark: WireLine.Mark, _ text: String) -> String {
            mask.masked(WireLine(mark: mark, text: text)).text
        }

        #expect(masked(.request, "RENEW s1f") == "RENEW s1f")
        #expect(
            masked(.reply, "OK h=s1f token=00ff") == "OK h=[SESSION1] token=[TOKEN1]")
        #expect(masked(.reply, "OK h=s20 token=11") == "OK h=[SESSION2] token=[TOKEN2]")
        #expect(
            masked(.request, "RESUME s1f 00ff x=s20") == "RESUME [SESSION1] [TOKEN1] x=[SESSION2]")
        #expect(masked(.reply, "* h=s1f") == "* h=[SESSION1]")
    }
}
