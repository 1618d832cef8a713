import DFSProtocol
import TestCluster
import Testing

/// What strangers, broken clients and enemies send: each kind gets its error, and nothing else
/// happens.
struct HostileInputTests {
    /// Bytes, and the code of the answer to them.
    struct Attack: Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: [UInt8]
        var code: String
        var isFatal = false
        var server = "ns1"
        var testDescription: String { name }

        init(
            _ name: String, _ text: String, _ code: String, fatal: Bool = false,
            at server: String = "ns1"
        ) {
            self.init(name, bytes: Array((text + "\n").utf8), code, fatal: fatal, at: server)
        }

        init(
            _ name: String, bytes: [UInt8], _ code: String, fatal: Bool = false,
            at server: String = "ns1"
        ) {
            (self.name, self.bytes, self.code) = (name, bytes, code)
            (isFatal, self.server) = (fatal, server)
        }
    }

    static let attacks: [Attack] = syntax + framing + arguments + sessions

    private static let syntax: [Attack] = [
        Attack("an open quotation mark", "PING \"abc", "bad-syntax"),
        Attack("text after a quotation mark", "PING \"a\"b", "bad-syntax"),
        Attack("a quotation mark in a word", "PING a\"b", "bad-syntax"),
        Attack("a backslash in a word", "PING a\\n", "bad-syntax"),
        Attack("a brace in a word", "PING a{b", "bad-syntax"),
        Attack("an unknown escape", "PING \"\\q\"", "bad-syntax"),
        Attack("half an escape", "PING \"\\x1\"", "bad-syntax"),
        Attack("a key twice", "LIST / limit=1 limit=2", "bad-syntax"),
        Attack("a control byte", bytes: [0x50, 0x49, 0x4E, 0x47, 0x20, 0x01, 0x0A], "bad-syntax"),
        Attack("a zero byte", bytes: Array("PING ".utf8) + [0, 0x0A], "bad-syntax"),
        Attack("a lone CR", "PING a\rb", "bad-syntax"),
        Attack("no UTF-8", bytes: Array("PING ".utf8) + [0xFF, 0x0A], "bad-syntax"),
        Attack("an overlong slash", bytes: Array("PING ".utf8) + [0xC0, 0xAF, 0x0A], "bad-syntax"),
        Attack("a surrogate", bytes: Array("PING ".utf8) + [0xED, 0xA0, 0x80, 0x0A], "bad-syntax"),
        Attack("an empty tag", "@ PING", "bad-tag"),
        Attack("a tag of 17", "@12345678901234567 PING", "bad-tag"),
        Attack("a tag with a dash", "@a-b PING", "bad-tag"),
        Attack("a verb that is none", "FROBNICATE", "unknown-verb"),
        Attack("a verb of the other role", "OPEN /x r", "unknown-verb"),
        Attack("a very long verb", String(repeating: "A", count: 60_000), "unknown-verb"),
    ]

    private static let framing: [Attack] = [
        Attack("a mark without a number", "PING {}", "bad-framing", fatal: true),
        Attack("a mark with a sign", "PING {+1}", "bad-framing", fatal: true),
        Attack("a mark with a zero ahead", "PING {01}", "bad-framing", fatal: true),
        Attack(
            "a mark over all numbers", "PING {99999999999999999999}", "bad-framing", fatal: true),
        Attack("a mark that is open", "PING {1", "bad-framing", fatal: true),
        Attack("a payload that goes on", "PING {1}\nab", "bad-framing", fatal: true),
        Attack("a payload where none belongs", "PING {4}\nQUIT", "bad-argument"),
        Attack("the payload of a bad verb", "NOPE {4}\nQUIT", "unknown-verb"),
        Attack("a huge payload announced", "PING {1073741824}", "too-large", fatal: true),
        Attack("the largest payload", "PING {9223372036854775807}", "too-large", fatal: true),
        Attack(
            "a payload over the limit", bytes: oversized(1_048_577), "too-large", at: "fs1"),
        Attack(
            "a line over the limit",
            bytes: Array(("PING " + String(repeating: "a", count: 65_532)).utf8) + [0x0A],
            "line-too-long", fatal: true),
        Attack(
            "a line without an end", bytes: Array(repeating: 0x61, count: 70_000), "line-too-long",
            fatal: true),
        Attack("a browser", "GET / HTTP/1.1\r", "not-http", fatal: true),
        Attack("a browser with a body", "POST /x HTTP/1.0\r", "not-http", fatal: true),
        Attack("TLS", bytes: [0x16, 0x03, 0x01, 0x02, 0x00], "tls-on-plain", fatal: true),
    ]

    private static func oversized(_ count: Int) -> [UInt8] {
        Array("STORE /big {\(count)}\n".utf8) + Array(repeating: 0x61, count: count) + [0x0A]
    }

    private static let arguments: [Attack] = [
        Attack("no operand", "LOCATE", "bad-argument"),
        Attack("an operand too many", "SERVERS /x", "bad-argument"),
        Attack("an unknown key", "LIST / colour=red", "bad-argument"),
        Attack("a number that is none", "LIST / limit=ten", "bad-argument"),
        Attack("a negative number", "LIST / limit=-1", "bad-argument"),
        Attack("zero items", "LIST / limit=0", "bad-argument"),
        Attack("a number over all", "LIST / limit=9223372036854775808", "range"),
        Attack("an unknown choice", "FIND / type=socket", "bad-argument"),
        Attack("a relative path", "LOCATE x", "bad-name"),
        Attack("an empty path", "LOCATE \"\"", "bad-name"),
        Attack("an empty component", "LOCATE /a//b", "bad-name"),
        Attack("a slash at the end", "LOCATE /a/", "bad-name"),
        Attack("the folder above", "LOCATE /a/../b", "bad-name"),
        Attack("the folder itself", "LOCATE /a/./b", "bad-name"),
        Attack("a zero byte in a name", "LOCATE \"/a\\x00b\"", "bad-name"),
        Attack("a reserved name", "LOCATE /.dfs/state", "bad-name"),
        Attack("a name of 256", "LOCATE /" + String(repeating: "a", count: 256), "name-too-long"),
        Attack(
            "a path of 4097", "LOCATE " + String(repeating: "/a", count: 2048) + "b/c",
            "name-too-long"),
        Attack("another version", "HELLO 2", "unsupported-version"),
        Attack("a heartbeat of nobody", "HEARTBEAT nobody seq=1", "unknown-server"),
        Attack("a report of nobody", "REPORT nobody \"- /a\\n\"", "unknown-server"),
        Attack("a cancel of nothing", "CANCEL @9", "not-found"),
    ]

    private static let sessions: [Attack] = [
        Attack("a path that leaves", "FETCH /../etc/passwd", "bad-name", at: "fs1"),
        Attack("the server's own state", "FETCH /.dfs/state.sqlite", "bad-name", at: "fs1"),
        Attack("a handle that is none", "READ h99 0 1", "stale-handle", at: "fs1"),
        Attack("an unknown mode", "OPEN /f w", "bad-argument", at: "fs1"),
        Attack("a set-id bit", "OPEN /f create mode=4755", "unsupported", at: "fs1"),
        Attack("a mode that is none", "OPEN /f create mode=rwx", "bad-argument", at: "fs1"),
        Attack("a file that is not there", "OPEN /none r", "not-found", at: "fs1"),
        Attack("two data", "STORE /f \"x\" {1}\ny", "bad-argument", at: "fs1"),
        Attack("no data", "STORE /f", "bad-argument", at: "fs1"),
        Attack("a time that is none", "STORE /f \"x\" mtime=yesterday", "bad-argument", at: "fs1"),
        Attack("a pull from nowhere", "PULL /f", "bad-argument", at: "fs1"),
    ]

    @Test func `every kind of malformed input gets its error, and the server goes on`() async throws
    {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            try cluster.startNameServer()
            try cluster.startFileServer("fs1", files: ["f": "x"])

            for attack in HostileInputTests.attacks {
                let connection = try cluster.greeted(by: attack.server)
                try connection.send(attack.bytes)
                let answer = try connection.readAnswer()
                #expect(
                    answer.line.kind == .error(code: attack.code, isFatal: attack.isFatal),
                    "\(attack.name): \(answer.text)")
                #expect(answer.text.hasSuffix("\""), "\(attack.name): \(answer.text)")
                if attack.isFatal {
                    connection.halfClose()
                    try connection.expectClosed()
                } else {
                    try connection.expectOK("PING")
                }
            }
            #expect(
                try FileSystem.read(cluster["fs1"].exports[0].folder + Array("/f".utf8)) == [0x78])
        }
    }

    @Test(arguments: ["ns1", "fs1"])
    func `the tenth mistake in a row closes, and an answer between them starts anew`(
        _ server: String
    ) async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            try cluster.startNameServer()
            try cluster.startFileServer("fs1")
            let connection = try cluster.greeted(by: server)

            for _ in 1...9 {
                #expect(
                    try connection.request("NOPE").last?.text.hasPrefix("ERR unknown-verb") == true)
            }
            try connection.expectOK("PING")
            for _ in 1...9 {
                #expect(try connection.request("\"").last?.text.hasPrefix("ERR bad-syntax") == true)
            }
            let tenth = try connection.request("NOPE").last
            let last = try connection.readAnswer()

            #expect(tenth?.text.hasPrefix("ERR unknown-verb") == true)
            #expect(last.line.kind == .error(code: "too-many", isFatal: true))
            try connection.expectClosed()
        }
    }

    @Test func `a line that never ends is executed by nobody`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            try cluster.startFileServer("fs1")
            let connection = try cluster.greeted(by: "fs1")

            try connection.send("PING complete\nSTORE /half \"x\"")
            connection.halfClose()

            #expect(try connection.readLine() == "OK complete")
            try connection.expectClosed()
            #expect(!FileSystem.exists(try cluster["fs1"].exports[0].folder + Array("/half".utf8)))
        }
    }
}
