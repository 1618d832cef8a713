import DFSProtocol
import TestCluster
import Testing

/// dfsh, the real program, and servers that want it harm: what they say is told, and not done.
@Suite struct HostileServerTests {
    /// What a server says, and how dfsh must end by it.
    struct Attack: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let words: [String]
        var names: HostileCluster.Script = [:]
        var nameGreeting = HostileServer.Answer.say(HostileCluster.nameGreeting)
        var files: HostileCluster.Script = [:]
        var fileGreeting = HostileServer.Answer.say(HostileCluster.fileGreeting)
        /// A part of the sentence that says what was wrong.
        let says: String
        var code: Int32 = 7
    }

    private func expectHeld(_ attack: Attack) async throws {
        try await ClusterSlots.shared.run {
            let hostile = try HostileCluster(
                names: attack.names, nameGreeting: attack.nameGreeting, files: attack.files,
                fileGreeting: attack.fileGreeting)
            defer { hostile.cluster.shutDown() }

            let (run, left) = { ($0.run, $0.left) }(try hostile.dfsh(attack.words))

            #expect(run.exitCode == attack.code, "\(run.output)\(run.errors)")
            #expect(run.errors.hasPrefix("dfsh: "), "\(run.errors)")
            #expect(run.errors.contains(attack.says), "\(run.errors)")
            #expect(HostileServerTests.isHarmless(run.errorBytes))
            // What came before the violation may lie under a name of the transfer's own, in its
            // place and nowhere else.
            let strangers = left.filter { !$0.hasPrefix("here/out") && !$0.contains(".dfs-") }
            #expect(strangers.isEmpty)
            #expect(!left.contains("here/out"))
        }
    }

    /// Whether bytes show as what they are on any terminal.
    static func isHarmless(_ bytes: [UInt8]) -> Bool {
        guard let text = String(validating: bytes, as: UTF8.self) else { return false }
        return text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control: scalar == "\n" || scalar == "\t"
            case .format, .lineSeparator, .paragraphSeparator: false
            default: true
            }
        }
    }

    // MARK: Amounts

    @Test(
        arguments: [
            ["get", "-r", "--dry-run", "/d", "out"], ["mirror", "--dry-run", "/d", "here"],
            ["cp", "-r", "--dry-run", "/d", "/e"],
            ["ls", "-l", "/d"],
        ])
    func `sizes whose sum is no number are counted as far as numbers go`(words: [String])
        async throws
    {
        let largest = Int64.max
        let items = ["a", "b", "c"]
        try await ClusterSlots.shared.run {
            let hostile = try HostileCluster(
                names: [
                    "LIST": .say(
                        items.map { "~* file name=\($0) size=\(largest) server=m1 state=up\n" }
                            .joined() + "~OK count=3\n"),
                    "FIND": .say(
                        items.map { "~* file path=/d/\($0) size=\(largest) server=m1 state=up\n" }
                            .joined() + "~OK count=3\n"),
                    "STAT": .say("~OK type=dir servers=m1\n"),
                ])
            defer { hostile.cluster.shutDown() }

            let run = try hostile.dfsh(words).run

            // Whoever ends by a signal has no code of dfsh's own.
            #expect((0...8).contains(run.exitCode), "\(run.exitCode) \(run.errors)")
            #expect(run.output.split(separator: "\n").count == 3, "\(run.output)\(run.errors)")
        }
    }

    // MARK: Names

    /// Names that no listing may hold, as the wire quotes them.
    static let wrongNames = [
        "..", ".", "\"\"", "/etc/passwd", "../../x", "a/../../x", "\"a\\x00b\"",
    ]

    @Test(arguments: wrongNames, [["ls", "/d"], ["get", "-r", "/d", "out"], ["ls", "-R", "/d"]])
    func `a listing names nothing but what is in its directory`(
        name: String, words: [String]
    ) async throws {
        try await expectHeld(
            Attack(
                testDescription: name, words: words,
                names: [
                    "LIST": .say("~* file name=\(name) size=6 server=m1 state=up\n~OK count=1\n"),
                    "FIND": .say(
                        "~* file path=/d/\(name) size=6 server=m1 state=up\n~OK count=1\n"),
                    "STAT": .say("~OK type=dir\n"),
                    "DU": .say("~OK files=1 dirs=0 bytes=6\n"),
                ], says: "broke the protocol"))
    }

    @Test(arguments: ["/e/f", "/d/../e", "/d", "/", "d/f", "\"\"", "/dd", "\"/d/a\\x00\""])
    func `a search finds nothing but what is below its path`(path: String) async throws {
        try await expectHeld(
            Attack(
                testDescription: path, words: ["find", "/d"],
                names: [
                    "FIND": .say("~* file path=\(path) size=6 server=m1 state=up\n~OK count=1\n")
                ], says: "broke the protocol"))
    }

    @Test func `names that come again and again are a violation, and no endless listing`()
        async throws
    {
        try await expectHeld(
            Attack(
                testDescription: "again", words: ["ls", "/d"],
                names: [
                    "LIST": .say("~* dir name=a\n~* dir name=b\n~OK count=2 more=yes after=b\n")
                ], says: "out of order"))
    }

    // MARK: Lines and answers without end

    static let endless: [Attack] = [
        Attack(
            testDescription: "a greeting without an end", words: ["ls", "/"],
            nameGreeting: .forever(Array(repeating: 0x78, count: 65_536)),
            says: "broke the protocol"),
        Attack(
            testDescription: "a line without an end", words: ["ls", "/"],
            names: ["LIST": .forever(Array(repeating: 0x78, count: 65_536))],
            says: "broke the protocol"),
        Attack(
            testDescription: "a line of a file server without an end",
            words: ["get", "/d/f", "out"],
            files: ["FETCH": .forever(Array(repeating: 0x78, count: 65_536))],
            says: "broke the protocol"),
        Attack(
            testDescription: "an answer without an end", words: ["ls", "/"],
            names: [
                "LIST": .forever(
                    Array(("~* dir name=a" + String(repeating: " x", count: 30_000) + "\n").utf8))
            ], says: "broke the protocol"),
        Attack(
            testDescription: "notices without an end, and no answer", words: ["ls", "/"],
            names: [
                "LIST": .forever(
                    Array(("! keepalive " + String(repeating: "x", count: 4000) + "\n").utf8))
            ], says: "in time", code: 5),
        Attack(
            testDescription: "a server that never greets", words: ["ls", "/"],
            nameGreeting: .silence, says: "in time", code: 5),
        Attack(
            testDescription: "a server that never answers", words: ["ls", "/"],
            names: ["LIST": .silence], says: "in time", code: 5),
        Attack(
            testDescription: "a file server that never answers", words: ["get", "/d/f", "out"],
            files: ["FETCH": .silence, "DIGEST": .silence], says: "in time", code: 5),
    ]

    @Test(arguments: endless) func `what has no end is ended here`(attack: Attack) async throws {
        try await expectHeld(attack)
    }

    // MARK: Lengths

    private static func fetched(_ text: String, _ title: String, says: String) -> Attack {
        Attack(
            testDescription: title, words: ["get", "/d/f", "out"], files: ["FETCH": .say(text)],
            says: says)
    }

    static let lengths: [Attack] = [
        fetched("~OK size=6 ver=1 eof=yes {3}\nhel\n", "fewer bytes", says: "broke the protocol"),
        fetched(
            "~OK size=3 ver=1 eof=yes {6}\nhello\n\n", "more bytes", says: "broke the protocol"),
        fetched("~OK size=-1 ver=1 eof=yes {0}\n\n", "a size below zero", says: "broke"),
        fetched("~OK size=x ver=1 eof=yes {0}\n\n", "a size that is no number", says: "broke"),
        fetched(
            "~OK size=99999999999999999999 ver=1 eof=yes {0}\n\n", "a size over all numbers",
            says: "broke"),
        fetched(
            "~OK size=9223372036854775807 ver=1 eof=no {6}\nhello\n\n",
            "a size that is the largest number", says: "broke"),
        fetched(
            "~OK size=6 ver=1 eof=yes {99999999999}\n", "a payload over the limit", says: "broke"),
        fetched("~OK size=6 ver=1 eof=yes {-1}\n", "a payload below zero", says: "broke"),
        fetched(
            "~OK size=6 ver=1 eof=yes {6}\nhello!!!\n", "bytes behind the payload", says: "broke"),
        Attack(
            testDescription: "a payload where none was asked for", words: ["ls", "/"],
            names: ["LIST": .say("~OK count=0 {5}\nhello\n")], says: "broke the protocol"),
        Attack(
            testDescription: "more entries than a page has", words: ["ls", "/"],
            names: [
                "LIST": .say(
                    (10_000...20_000).map { "~* dir name=a\($0)\n" }.joined() + "~OK count=10001\n")
            ], says: "more entries"),
        Attack(
            testDescription: "bytes that are not those of the digest",
            words: ["get", "/d/f", "out"],
            files: ["FETCH": .say("~OK size=6 ver=1 fid=1 eof=yes {6}\nhullo\n\n")],
            says: "damaged on the way"),
        Attack(
            testDescription: "an answer that nobody asked for", words: ["ls", "/"],
            names: ["LIST": .say("@77 OK count=0\n")], says: "broke the protocol"),
        Attack(
            testDescription: "no DFS server at all", words: ["ls", "/"],
            nameGreeting: .say("HTTP/1.1 400 Bad Request\r\n\r\n"), says: "broke the protocol"),
        Attack(
            testDescription: "a size that a listing can not have", words: ["ls", "-l", "/"],
            names: ["LIST": .say("~* file name=f size=-5 server=m1\n~OK count=1\n")],
            says: "broke the protocol"),
        Attack(
            testDescription: "sums over all numbers", words: ["du", "/"],
            names: ["DU": .say("~OK files=99999999999999999999 dirs=0 bytes=0\n")],
            says: "broke the protocol"),
    ]

    @Test(arguments: lengths) func `a length that is wrong is a violation`(attack: Attack)
        async throws
    {
        try await expectHeld(attack)
    }

    // MARK: Elsewhere

    static let elsewhere: [Attack] = [
        Attack(
            testDescription: "another file server than was named", words: ["get", "/d/f", "out"],
            fileGreeting: .say("OK DFS/1 role=file id=m2 epoch=1 max-data=1048576\n"),
            says: "and not the file server m1"),
        Attack(
            testDescription: "a name server in the place of a file server",
            words: ["get", "/d/f", "out"], fileGreeting: .say(HostileCluster.nameGreeting),
            says: "and not the file server m1"),
        Attack(
            testDescription: "an address that is none", words: ["cat", "/d/f"],
            names: ["LOCATE": .say("~OK path=/d/f server=m1 addr=/etc/passwd size=6 ver=1\n")],
            says: "broke the protocol"),
        Attack(
            testDescription: "a name server that moved in a circle", words: ["ls", "/"],
            names: ["LIST": .say("~ERR moved to=ADDR \"go there\"\n")],
            files: ["LIST": .say("~ERR moved to=ADDR \"go here\"\n")],
            fileGreeting: .say(HostileCluster.nameGreeting), says: "redirected in a circle"),
        Attack(
            testDescription: "a name server that moved to a file server", words: ["ls", "/"],
            names: ["LIST": .say("~ERR moved to=ADDR \"go there\"\n")],
            says: "was named as a name server and is none"),
    ]

    @Test(arguments: elsewhere) func `who is led elsewhere looks who is there`(
        attack: Attack
    ) async throws {
        try await expectHeld(attack)
    }

    @Test func `a file that was asked for by name is kept under that name, whatever is answered`()
        async throws
    {
        try await ClusterSlots.shared.run {
            let hostile = try HostileCluster(names: [
                "STAT": .say(
                    "~OK type=file path=/etc/passwd name=../evil size=6 ver=1 fid=1 server=m1\n"),
                "LOCATE": .say(
                    "~OK path=/../evil server=m1 addr=ADDR state=up size=6 ver=1 seen=1\n"),
            ])
            defer { hostile.cluster.shutDown() }

            let plain = try hostile.dfsh(["get", "/d/f"])
            let named = try hostile.dfsh(["get", "/d/f", "out"])

            #expect(plain.run.exitCode == 0, "\(plain.run.errors)")
            #expect(plain.left == ["here/f"])
            #expect(named.run.exitCode == 0, "\(named.run.errors)")
            #expect(named.left == ["here/f", "here/out"])
        }
    }
}
