import TestCluster
import Testing

/// What `dfsh wire --record` writes, executed as the documents are.
struct WireRecordTests {
    private static let fixture = """
        ```dfs-cluster
        name ns1
        file fs1 mount=/docs
        -- fs1:a.txt --
        hello
        world
        ```

        """

    private static let requests: [(server: String, text: String)] = [
        (
            "fs1",
            """
            HELP
            STORE /docs/raw {7}
            a\u{0}b\nc\u{1B}d
            FETCH /docs/raw
            open /docs/a.txt rw lease=5000
            OPEN /docs/a.txt r
            READ h1 0 100
            READ h1 0 3 as=text
            HANDLES
            STATUS
            STAT /docs/a.txt
            LIST /docs
            NONSENSE {3}
            abc
            STORE /docs/empty {0}

            @t1 PING tagged
            PING "two  words" "[not a placeholder]"
            QUIT
            """
        ),
        ("ns1", "SERVERS\nSTATUS\nLOCATE /docs/a.txt\nFIND /\nDU /\nPING {x}\n"),
        ("ns1", "PING no end of the line"),
    ]

    @Test(arguments: requests.indices) func `a record is a transcript that holds`(index: Int)
        async throws
    {
        let (server, text) = WireRecordTests.requests[index]

        let failure = try await ClusterSlots.shared.run { () -> String? in
            let record = try WireRecordTests.record(text, of: server)
            let transcript = try Transcript(
                path: "record.md", text: WireRecordTests.fixture + record)
            return Result {
                for cutting in Cutting.allCases {
                    try SectionRun.run(transcript.sections[0], of: transcript, cutting)
                }
            }.failureText.map { "\(record)\n\($0)" }
        }

        if let failure { Issue.record("\(failure)") }
    }

    @Test func `a token and a session's name are kept for the requests behind them`() async throws {
        let failure = try await ClusterSlots.shared.run { () -> String? in
            let cluster = try WireRecordTests.cluster()
            defer { cluster.shutDown() }
            // The answer is needed for the next request: two talks, the second with both.
            let first = try cluster.shell(
                ["wire", "fs1"], input: "OPEN /docs/a.txt rw lease=60000\n")
            let words = first.output.split(whereSeparator: \.isWhitespace)
            let handle = words.first { $0.hasPrefix("h=") }?.dropFirst(2) ?? ""
            let token = words.first { $0.hasPrefix("token=") }?.dropFirst(6) ?? ""
            let path = "\(cluster.folder)/talk.md"
            _ = try cluster.shell(
                ["wire", "--record", path, "fs1"],
                input: "RESUME \(handle) token=\(token)\nRENEW \(handle)\nCLOSE \(handle)\n")
            let record = String(decoding: try FileSystem.read(path), as: UTF8.self)
            let hasNames = record.contains("C: RENEW [SESSION1]\n")
            return hasNames && !handle.isEmpty && !record.contains("C: RENEW \(handle)")
                ? nil : record
        }

        if let failure { Issue.record("\(failure)") }
    }

    private static func cluster() throws -> Cluster {
        let cluster = try Cluster()
        try cluster.startNameServer()
        try cluster.startFileServer("fs1", mount: "/docs", files: ["a.txt": "hello\nworld\n"])
        return cluster
    }

    private static func record(_ text: String, of server: String) throws -> String {
        let cluster = try cluster()
        defer { cluster.shutDown() }
        let path = "\(cluster.folder)/talk.md"
        let run = try cluster.shell(
            ["wire", "--record", path] + (server == "ns1" ? [] : [server]), input: text)
        guard run.exitCode == 0 else { throw TestFailure(run.errors) }
        return String(decoding: try FileSystem.read(path), as: UTF8.self)
    }
}
