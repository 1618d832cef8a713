import DFSProtocol
import TestCluster
import Testing

/// Control bytes in every field of every answer, and dfsh, the real program, that shows them.
@Suite struct HostileServerFieldTests {
    /// One field of an answer; `VALUE` stands in its place.
    struct Field: Sendable, CustomTestStringConvertible {
        let verb: String
        let answer: String
        let words: [String]
        var isOfFileServer = false

        var testDescription: String { "\(words.joined(separator: " ")): \(answer)" }
    }

    private static func name(_ verb: String, _ answer: String, _ words: String...) -> Field {
        Field(verb: verb, answer: answer, words: words)
    }

    private static func file(_ verb: String, _ answer: String, _ words: String...) -> Field {
        Field(verb: verb, answer: answer, words: words, isOfFileServer: true)
    }

    static let fields: [Field] = [
        name("LIST", "~* file name=VALUE size=6 server=m1\n~OK count=1\n", "ls", "-l"),
        name("LIST", "~* file name=f size=VALUE server=m1\n~OK count=1\n", "ls", "-l"),
        name("LIST", "~* file name=f mtime=VALUE server=m1\n~OK count=1\n", "ls", "-l"),
        name("LIST", "~* file name=f server=VALUE state=up\n~OK count=1\n", "ls", "-l"),
        name("LIST", "~* file name=f server=m1 state=VALUE\n~OK count=1\n", "ls", "-l"),
        name("LIST", "~* file name=f server=m1 state=VALUE\n~OK count=1\n", "ls"),
        name("LIST", "~* file name=f server=m1 conflict=VALUE\n~OK count=1\n", "ls"),
        name("LIST", "~* VALUE name=f\n~OK count=1\n", "ls"),
        name("LIST", "~* file name=f\n~OK count=1 more=yes after=VALUE\n", "ls"),
        name("LIST", "~ERR VALUE path=/ \"no\"\n", "ls"),
        name("LIST", "~ERR not-found path=VALUE \"no\"\n", "ls"),
        name("LIST", "~ERR io path=/ VALUE\n", "ls"),
        name("LIST", "~ERR! VALUE \"no\"\n", "ls"),
        name("LIST", "VALUE\n", "ls"),
        name("LIST", "~* file name=f VALUE=x\n~OK count=1\n", "ls"),
        name("FIND", "~* file path=VALUE server=m1\n~OK count=1\n", "find", "/"),
        name("FIND", "~* file path=VALUE server=m1\n~OK count=1\n", "tree", "/"),
        name("FIND", "~* file path=/VALUEx server=m1\n~OK count=1\n", "find", "/"),
        name("STAT", "~OK type=VALUE\n", "stat", "/d"),
        name("STAT", "~OK type=file mode=VALUE server=m1\n", "stat", "/d"),
        name("STAT", "~OK type=file size=1 server=m1 new=VALUE\n", "stat", "/d"),
        name("STAT", "~OK type=dir servers=VALUE\n", "stat", "/d"),
        name("DU", "~OK files=VALUE dirs=1 bytes=1\n", "du", "/"),
        name("LOCATE", "~OK path=/d server=VALUE addr=ADDR\n", "locate", "/d"),
        name("LOCATE", "~OK path=/d server=m1 addr=VALUE\n", "locate", "/d"),
        name("LOCATE", "~OK path=/d server=m1 addr=ADDR state=VALUE\n", "locate", "/d"),
        name("LOCATE", "~ERR server-down path=/d server=VALUE seen=VALUE \"x\"\n", "cat", "/d"),
        name("SERVERS", "~* server id=VALUE\n~OK count=1\n", "servers"),
        name("SERVERS", "~* server id=m1 addr=VALUE\n~OK count=1\n", "servers"),
        name("SERVERS", "~* server id=m1 state=VALUE why=VALUE\n~OK count=1\n", "servers"),
        name("SERVERS", "~* server id=m1 mounts=VALUE\n~OK count=1\n", "servers"),
        name("SERVERS", "~* server id=m1 state=goodbye why=VALUE\n~OK count=1\n", "handles"),
        name("STATUS", "~OK version=VALUE bytes=VALUE\n", "status"),
        name("STATUS", "~OK key-of-a-newer-one=VALUE\n", "status", "-h"),
        name("MKDIR", "~ERR denied path=/x VALUE\n", "mkdir", "/x"),
        file("FETCH", "~ERR io VALUE\n", "cat", "/d/f"),
        file("FETCH", "~OK size=VALUE ver=1 {0}\n\n", "cat", "/d/f"),
        file("DIGEST", "~OK sha256=VALUE size=6 ver=1\n", "digest", "/d/f"),
        file("STATUS", "~OK id=VALUE\n", "status", "m1"),
        file("HANDLES", "~* h=VALUE path=/d/f mode=r owner=o\n~OK count=1\n", "handles"),
        file("HANDLES", "~* h=h1 path=VALUE mode=r owner=o\n~OK count=1\n", "handles"),
        file("HANDLES", "~* h=h1 path=/f mode=VALUE owner=VALUE\n~OK count=1\n", "handles"),
        file("HANDLES", "~* h=h1 path=/f client=VALUE lock=VALUE\n~OK count=1\n", "handles"),
        file("HANDLES", "~* h=h1 path=/f lease=VALUE age=VALUE\n~OK count=1\n", "handles"),
        file("HANDLES", "~ERR VALUE VALUE\n", "handles"),
        file("OPEN", "~OK h=VALUE size=6 ver=1 fid=1 lease=conn\n", "session", "open", "/d/f"),
        file(
            "OPEN", "~OK h=s1 size=6 ver=1 lease=9 token=VALUE\n", "session", "open", "--lease",
            "9", "/d/f"),
        file(
            "OPEN", "~ERR locked path=/d/f h=VALUE client=VALUE lock=VALUE lease=VALUE \"x\"\n",
            "session", "open", "--lock", "shared", "/d/f"),
        file("KILL", "~ERR stale-handle VALUE\n", "kill", "h1", "m1"),
    ]

    /// What clears a screen, forges a line, turns the text around, and is no UTF-8; as the wire
    /// escapes it, and as it is.
    static let values = [
        [UInt8](#""\x1b[2J\r\ndfsh: \x07\x9b\xe2\x80\xae\xff\x7f""#.utf8),
        [0x1B, 0x5B, 0x32, 0x4A], [0x22, 0x1B, 0x63, 0x22], [0xC2, 0x9B, 0x33, 0x4A],
        [0x0D], [0xE2, 0x80, 0xAE, 0x78],
    ]

    @Test(arguments: fields) func `no field moves the cursor, forges a line or hides`(
        field: Field
    ) async throws {
        try await ClusterSlots.shared.run {
            for (number, value) in Self.values.enumerated() {
                let answer = HostileServer.Answer.say(
                    replacing("VALUE", by: value, in: [UInt8](field.answer.utf8)))
                let hostile = try HostileCluster(
                    names: field.isOfFileServer ? [:] : [field.verb: answer],
                    files: field.isOfFileServer ? [field.verb: answer] : [:])
                defer { hostile.cluster.shutDown() }
                // The form for programs is told what is in it, and shows as little.
                for options in number < 2 ? [[], ["--json"]] : [[]] {
                    let run = try hostile.dfsh(options + field.words).run

                    #expect(HostileServerTests.isHarmless(run.outputBytes), "\(run.output)")
                    #expect(HostileServerTests.isHarmless(run.errorBytes), "\(run.errors)")
                    #expect((0...8).contains(run.exitCode), "\(run.exitCode) \(run.errors)")
                    #expect(run.exitCode == 0 || !run.output.isEmpty || !run.errors.isEmpty)
                    let lines = (run.output + run.errors).split(separator: "\n")
                    if options.isEmpty {
                        #expect(!run.output.contains("dfsh:") || run.output.contains("\\r"))
                        #expect(
                            run.errors.split(separator: "\n").allSatisfy {
                                $0.hasPrefix("dfsh: ")
                            })
                    } else {
                        #expect(lines.allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("}") })
                    }
                }
            }
        }
    }

    @Test(arguments: [
        "OK DFS/1 role=name id=VALUE\n", "OK DFS/1 role=VALUE id=ns1\n", "OK VALUE\n",
        "ERR! busy VALUE\n", "VALUE\n",
    ])
    func `no greeting does either`(greeting: String) async throws {
        try await ClusterSlots.shared.run {
            for value in Self.values {
                let said = replacing("VALUE", by: value, in: [UInt8](greeting.utf8))
                let names = try HostileCluster(nameGreeting: .say(said))
                let files = try HostileCluster(fileGreeting: .say(said))
                defer {
                    names.cluster.shutDown()
                    files.cluster.shutDown()
                }

                for run in [try names.dfsh(["ls", "/"]).run, try files.dfsh(["cat", "/d/f"]).run] {
                    #expect(HostileServerTests.isHarmless(run.outputBytes), "\(run.output)")
                    #expect(HostileServerTests.isHarmless(run.errorBytes), "\(run.errors)")
                    #expect((0...8).contains(run.exitCode), "\(run.exitCode) \(run.errors)")
                }
            }
        }
    }
}
