import Synchronization
import TestCluster
import Testing

/// Every command that talks, and servers that answer each of its requests with something evil.
@Suite struct HostileServerCommandTests {
    /// A command, and where it may write.
    struct Call: Sendable, CustomTestStringConvertible {
        let words: [String]
        /// What the names of files that it makes begin with; a part of a transfer may lie beside.
        var writes: [String] = []
        /// What is piped in.
        var input = ""
        var testDescription: String { words.joined(separator: " ") }
    }

    static let calls: [Call] = [
        Call(words: ["ls", "-l", "/d"]), Call(words: ["ls", "-R", "/d"]),
        Call(words: ["cat", "/d/f"]), Call(words: ["head", "/d/f"]), Call(words: ["tail", "/d/f"]),
        Call(words: ["tail", "-f", "/d/f"]), Call(words: ["less", "/d/f"]),
        Call(words: ["open", "/d/f"]), Call(words: ["edit", "/d/f"]),
        Call(words: ["get", "/d/f", "out"], writes: ["here/out"]),
        Call(words: ["get", "-r", "/d", "out"], writes: ["here/out"]),
        Call(words: ["-c", "mget /d/*"], writes: ["here/f"]),
        Call(words: ["mirror", "/d", "out"], writes: ["here/out"]),
        Call(words: ["-c", "tree /d"]), Call(words: ["find", "/d"]), Call(words: ["du", "/d"]),
        Call(words: ["stat", "/d/f"]), Call(words: ["locate", "/d/f"]), Call(words: ["servers"]),
        Call(words: ["status"]), Call(words: ["status", "m1"]), Call(words: ["handles"]),
        Call(words: ["digest", "/d/f"]), Call(words: ["explain", "/d/f"]),
        Call(words: ["explain", "/d/g"]), Call(words: ["cp", "/d/f", "/d/h"]),
        Call(words: ["rm", "-r", "/d"]), Call(words: ["mv", "/d/f", "/d/h"]),
        Call(words: ["completion", "words", "--", "cat", "/d/"]),
        Call(words: ["completion", "words", "--", "status", ""]),
        Call(words: ["wire"], input: "LIST /d\nSTAT /d/f\n"),
        Call(words: ["wire", "m1"], input: "FETCH /d/f\nHANDLES\n"),
        Call(words: ["wire", "--record", "out"], writes: ["here/out"], input: "LOCATE /d/f\n"),
        Call(words: ["-c", "session open /d/f; session read h1 0 9; session close h1"]),
    ]

    private static let wild = #""a\x1b[2J\r\ndfsh: \x07\x9b\xe2\x80\xae\xff""#

    /// What is said in the place of an honest answer.
    static let answers: [(title: String, answer: HostileServer.Answer)] = [
        ("raw control bytes", .say([UInt8]("~OK \u{1B}[2J\u{1B}]0;x\u{7}\n".utf8))),
        ("raw control bytes in a refusal", .say("~ERR io \"\u{1B}[2J\u{9B}\"\n")),
        (
            "escaped ones in a refusal",
            .say("~ERR \(wild) path=\(wild) server=\(wild) h=\(wild) client=\(wild) \(wild)\n")
        ),
        (
            "escaped ones in every field",
            .say(
                "~OK path=\(wild) name=\(wild) size=6 ver=1 fid=1 server=m1 state=\(wild) "
                    + "type=\(wild) h=\(wild) mode=\(wild) id=\(wild) role=\(wild) files=1 dirs=1 "
                    + "bytes=6 sha256=\(wild) why=\(wild) lease=conn eof=yes count=0\n")
        ),
        (
            "escaped ones in every item",
            .say(
                "~* file name=\(wild) path=/d/\(wild.dropFirst().dropLast()) server=m1 state=up\n"
                    + "~* server id=m1 addr=ADDR state=\(wild) why=\(wild) mounts=\(wild)\n"
                    + "~* handle h=\(wild) path=/d/f mode=\(wild) client=\(wild) owner=\(wild)\n"
                    + "~OK count=3\n")
        ),
        (
            "names of other places",
            .say(
                "~* file name=../evil path=/d/../evil size=6 server=m1 state=up\n"
                    + "~* file name=/evil path=/evil size=6 server=m1 state=up\n~OK count=2\n")
        ),
        ("a name of another place", .say("~* dir name=.. path=/d/..\n~OK count=1\n")),
        ("a payload that is cut", .say("~OK size=6 ver=1 fid=1 bytes=6 eof=yes {3}\nhello\n\n")),
        ("a payload without an end", .say("~OK size=6 ver=1 bytes=6 eof=yes {99999999999}\n")),
        ("numbers over all numbers", .say("~OK size=99999999999999999999 ver=-1 count=-1\n")),
        ("a line without an end", .forever(Array(repeating: 0x78, count: 65_536))),
        ("a redirection", .say("~ERR moved to=ADDR \"go there\"\n")),
        ("a redirection to nowhere", .say("~ERR moved to=\(wild) \"\(wild.dropFirst())\n")),
        ("nothing but the end", .say("~OK\n")),
    ]

    @Test(arguments: calls) func `no answer to any request brings harm`(call: Call) async throws {
        try await ClusterSlots.shared.run {
            let honest = try DishonestCluster(lyingTo: nil, .silence)
            let usual = try honest.dfsh(call.words, call.input)
            let verbs = honest.asked
            honest.cluster.shutDown()
            #expect(verbs.count >= 1)
            check(usual, call, "an honest answer")
            #expect((0...8).contains(usual.run.exitCode), "\(usual.run.errors)")

            for verb in verbs {
                for (title, answer) in Self.answers {
                    let liar = try DishonestCluster(lyingTo: verb, answer)
                    defer { liar.cluster.shutDown() }

                    check(try liar.dfsh(call.words, call.input), call, "\(verb): \(title)")
                }
            }
        }
    }

    private func check(_ run: HostileCluster.Run, _ call: Call, _ title: String) {
        let what = "\(title)\n\(run.run.output)\(run.run.errors)"
        #expect((0...8).contains(run.run.exitCode), "\(run.run.exitCode) \(what)")
        #expect(HostileServerTests.isHarmless(run.run.outputBytes), "\(what)")
        #expect(HostileServerTests.isHarmless(run.run.errorBytes), "\(what)")
        let lines = run.run.errors.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.dropLast().allSatisfy { $0.hasPrefix("dfsh: ") }, "\(what)")
        let strangers = run.left.filter { name in
            !call.writes.contains(where: name.hasPrefix)
                && !(name.hasPrefix("here/") && name.contains(".dfs-") && !call.writes.isEmpty)
        }
        #expect(strangers == [], "\(what)")
    }
}

/// Servers that answer honestly but for one verb, and dfsh between them.
struct DishonestCluster {
    /// What was asked for, each verb once; those of the file server behind a mark.
    private final class Record: Sendable {
        private let verbs = Mutex<[String]>([])

        var all: [String] { verbs.withLock { $0 } }

        func note(_ verb: String) {
            verbs.withLock { verbs in
                if !verbs.contains(verb) { verbs.append(verb) }
            }
        }
    }

    let cluster: Cluster
    private let names: HostileServer
    private let files: HostileServer
    private let record: Record

    /// Where the name server is.
    var endpoint: String { names.endpoint.description }
    /// The verbs that were asked for, in their order.
    var asked: [String] { record.all }

    /// - Parameter lie: A verb as `asked` has it; nil for none.
    init(lyingTo lie: String?, _ answer: HostileServer.Answer) throws {
        let cluster = try Cluster()
        let record = Record()
        func server(
            _ mark: String, _ greeting: String, address: @escaping @Sendable () -> String
        ) throws -> HostileServer {
            try HostileServer(greeting: .say(greeting)) { line in
                let words = line.split(separator: " ").map(String.init)
                let verb = mark + (words.first ?? "")
                record.note(verb)
                let honest = mark.isEmpty ? Self.nameAnswer(words) : Self.fileAnswer(words)
                let said = verb == lie ? answer : .say(honest)
                guard case .say(let bytes) = said else { return said }
                return .say(replacing("ADDR", by: [UInt8](address().utf8), in: bytes))
            }
        }
        let files = try server("file ", HostileCluster.fileGreeting) { "127.0.0.1:1" }
        let address = files.endpoint.description
        names = try server("", HostileCluster.nameGreeting) { address }
        (self.cluster, self.files, self.record) = (cluster, files, record)
    }

    /// Runs dfsh in an empty folder.
    func dfsh(_ words: [String], _ input: String = "") throws -> HostileCluster.Run {
        let around = "\(cluster.folder)/around"
        try FileSystem.makeFolders("\(around)/here")
        let run = try cluster.shell(
            ["-n", endpoint, "--deadline", "700"] + words, input: input,
            environment: ["EDITOR=true", "PATH=/usr/bin:/bin", "TMPDIR=\(cluster.folder)"],
            folder: "\(around)/here", within: .seconds(60))
        let left = try FileSystem.files(below: [UInt8](around.utf8))
        return HostileCluster.Run(run: run, left: Set(left.map { FileSystem.shown($0) }))
    }

    private static func nameAnswer(_ words: [String]) -> String {
        let path = words.count > 1 ? words[1] : ""
        let isAbsent = ["/d/g", "/d/h"].contains(path)
        return switch words.first {
        case "STAT" where path == "/d": "~OK type=dir servers=m1\n"
        case "STAT" where isAbsent, "LOCATE" where isAbsent:
            "~ERR not-found path=\(path) \"no\"\n"
        case "STAT": "~OK type=file size=6 ver=1 fid=1 server=m1 state=up\n"
        case "LOCATE", "CREATE":
            "~OK path=\(path) server=m1 addr=ADDR state=up size=6 ver=1 seen=1\n"
        case "LIST": "~* file name=f size=6 server=m1 state=up\n~OK count=1\n"
        case "FIND": "~* file path=/d/f size=6 server=m1 state=up\n~OK count=1\n"
        case "DU": "~OK files=1 dirs=0 bytes=6\n"
        case "SERVERS":
            "~* server id=m1 addr=ADDR state=up seen=1 files=1 bytes=6 epoch=1 mounts=/d\n"
                + "~OK count=1\n"
        case "STATUS": "~OK role=name id=ns1 files=1 seq=1\n"
        case "HELLO": "~OK version=1 caps=\n"
        default: "~OK\n"
        }
    }

    private static func fileAnswer(_ words: [String]) -> String {
        switch words.first {
        case "FETCH": return "~OK size=6 ver=1 fid=1 eof=yes {6}\nhello\n\n"
        case "DIGEST", "PULL":
            // Of "hello\n".
            return "~OK sha256=5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 "
                + "size=6 ver=1 fid=1\n"
        case "OPEN":
            let isLeased = words.contains { $0.hasPrefix("lease=") && $0 != "lease=conn" }
            let lease = isLeased ? "30000 token=00112233445566778899aabbccddeeff" : "conn"
            return "~OK h=h1 size=6 ver=1 fid=1 lease=\(lease)\n"
        case "READ" where words.count > 2 && words[2] == "0":
            return "~OK bytes=6 eof=yes {6}\nhello\n\n"
        case "READ": return "~OK bytes=0 eof=yes {0}\n\n"
        case "STAT": return "~OK type=file size=6 ver=1 fid=1 mode=0644\n"
        case "FOLLOW": return "~* offset=6 bytes=2 {2}\nx\n\n~ERR stale-file \"gone\"\n"
        case "HANDLES":
            return "~* handle h=h1 path=/d/f mode=r owner=o lease=conn lock=none\n~OK count=1\n"
        case "STATUS": return "~OK role=file id=m1 epoch=1 files=1\n"
        case "HELLO": return "~OK version=1 caps=\n"
        default: return "~OK size=6 ver=1\n"
        }
    }
}
