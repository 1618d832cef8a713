import DFSProtocol
import Testing

@testable import DFSClient
@testable import DFSShell

/// What `explain` says of each state that a path and its server can be in.
@Suite struct ExplanationTests {
    private static func path(_ text: String) throws -> TreePath { try TreePath([UInt8](text.utf8)) }

    private static func server(
        _ name: String, _ state: ServerState = .up, isAway: Bool = false,
        isStillTelling: Bool = false, mounts: [String] = ["/d"]
    ) throws -> ServerInfo {
        ServerInfo(
            id: try #require(ServerID(name)), address: Endpoint(host: "127.0.0.1", port: 7401),
            state: state, isAway: isAway, isStillTelling: isStillTelling, seenMilliseconds: 61_000,
            files: 1, bytes: 6, free: nil,
            mounts: try mounts.map(path), epoch: 1)
    }

    private static func status(
        _ state: ServerState = .up, conflicts: [String] = []
    ) throws -> FileStatus {
        FileStatus(
            entry: Entry(
                path: try path("/d/f"), kind: .file, size: 6, modified: nil, mode: nil,
                server: ServerID("m1"), state: state, conflicts: conflicts.compactMap(ServerID.init)
            ),
            version: 3, fileID: 1, pairs: [])
    }

    private static func explanation(_ servers: ServerInfo...) throws -> Explanation {
        Explanation(path: try path("/d/f"), servers: servers)
    }

    private static func session(_ text: String) throws -> SessionInfo {
        var parser = LineParser()
        return try SessionInfo(
            try ReplyLine([UInt8]("* handle \(text)".utf8).span, parser: &parser))
    }

    static let states: [(ServerState, Bool, String, String)] = [
        (.up, false, "m1 is up, and gave a sign of life", "What to do: nothing; \"cat /d/f\""),
        (.suspect, false, "m1 has been silent for", "What to do: nothing; \"cat /d/f\""),
        (.down, false, "is taken for down", "What to do: start dfs-fileserver --id m1 again"),
        (.down, false, "contents can not be had", "never comes back, dfs-nameserver --forget m1"),
        (.draining, false, "m1 is about to stop", "What to do: nothing"),
        (.goodbye, false, "m1 was stopped as planned", "What to do: start dfs-fileserver --id m1"),
        (.goodbye, true, "m1 runs, but its folders have been away", "mount the disk of m1 again"),
        (.other("new\u{1B}[2J"), false, "does not know: new\\x1b[2J", "What to do: nothing"),
    ]

    @Test(arguments: states) func `every state of a server has a sentence, and one of what to do`(
        state: ServerState, isAway: Bool, sentence: String, advice: String
    ) throws {
        let explanation = try Self.explanation(try Self.server("m1", state, isAway: isAway))

        let lines = explanation.file(try Self.status(state))

        #expect(lines.count == 4)
        #expect(lines[0].hasPrefix("/d/f is a file of 6 bytes, at version 3"))
        #expect(
            lines[1].contains("file server m1 at 127.0.0.1:7401, because that one alone serves"))
        #expect(lines[2].contains(sentence), "\(lines)")
        #expect(lines[3].contains(advice), "\(lines)")
    }

    @Test func `a server that the name server hears and nobody reaches from here is told so`()
        throws
    {
        let explanation = try Self.explanation(try Self.server("m1"))

        let lines = explanation.file(try Self.status(), unreachable: "refused")

        #expect(lines[2].hasSuffix("it can not be had from here: refused."))
        #expect(lines.last?.contains("--advertise") == true)
    }

    @Test func `other servers of the mount, and those with a file of the same path, are named`()
        throws
    {
        let explanation = try Self.explanation(
            try Self.server("m1"), try Self.server("m2"), try Self.server("m3"),
            try Self.server("m4", mounts: ["/e"]))

        let lines = explanation.file(try Self.status(conflicts: ["m2", "m3"]))

        #expect(lines[1].hasSuffix("which serves /d as m2 and m3 do too."))
        #expect(lines[3].hasPrefix("m2 and m3 have files of the same path: m1 had it first"))
        #expect(lines.last?.hasPrefix("What to do: \"mv /d/f NEWNAME\"") == true)
    }

    @Test func `who has it open is told, the holder of the lock first, and how to get past`() throws
    {
        let explanation = try Self.explanation(try Self.server("m1"))
        let open = try Self.session(
            #"h=c7.h1 path=/d/f mode=r client="x\x1b" lease=conn lock=none"#)
        let locked = try Self.session(
            "h=s1f path=/d/f mode=rw client=dfsh lease=29000 lock=exclusive")

        let one = explanation.file(try Self.status(), sessions: [open])
        let both = explanation.file(try Self.status(), sessions: [open, locked])
        let many = explanation.file(
            try Self.status(), sessions: Array(repeating: open, count: 6) + [locked])

        #expect(one[3].hasPrefix("It is open in 1 session: c7.h1 of x\\"))
        #expect(one.last?.hasPrefix("What to do: nothing") == true)
        #expect(
            both[3].hasPrefix(
                "It is open in 2 sessions: s1f of dfsh (rw, with the exclusive lock, its lease has "
                    + "29 s left) and c7.h1"))
        #expect(both.last?.contains("--lock exclusive --wait MS /d/f rw") == true)
        #expect(both.last?.hasSuffix("\"kill s1f m1\" ends its session.") == true)
        #expect(many[3].hasSuffix("and 3 more."))
    }

    @Test func `what is not there is told with the nearest names, and where it would be made`()
        throws
    {
        let silent = try Self.server("m1", .down)
        let explanation = try Self.explanation(silent)

        let lines = explanation.absent(
            below: try Self.path("/d"), having: ["fa", "fb", "zzz"].map { [UInt8]($0.utf8) })

        #expect(lines[0].hasPrefix("Nothing is called /d/f."))
        #expect(lines.contains { $0.contains("m1 has been silent") })
        #expect(lines.contains { $0.hasPrefix("Names of a server that is away stay") })
        #expect(lines.contains { $0.hasPrefix("No new file can be made there before m1 is back") })
        #expect(lines.last?.contains("find / -name f") == true)
    }

    @Test func `a server that has not told all of its files is named where a name is missing`()
        throws
    {
        let explanation = try Self.explanation(try Self.server("m1", isStillTelling: true))

        let lines = explanation.absent(below: try Self.path("/d"), having: [])

        #expect(
            lines.contains {
                $0.hasSuffix("It has yet to tell a part of its files: more names may come.")
            })
        #expect(explanation.state(try Self.server("m1")).contains("more names") == false)
    }

    @Test func `a directory tells who brings files there, and where new ones are made`() throws {
        let here = Explanation(
            path: try Self.path("/d"),
            servers: [try Self.server("m1"), try Self.server("m2", .down)])
        let nowhere = Explanation(path: try Self.path("/e"), servers: [])
        let usage = Usage(files: 1, directories: 2, bytes: 6)

        let lines = here.directory(usage)

        #expect(lines[0] == "/d is a directory with 1 file (6 bytes) and 2 directories below it.")
        #expect(lines.contains("New files there are made on m1."))
        #expect(lines.last?.hasPrefix("What to do: start dfs-fileserver --id m2") == true)
        #expect(nowhere.directory(usage).last?.hasPrefix("No file server serves /e") == true)
    }
}
