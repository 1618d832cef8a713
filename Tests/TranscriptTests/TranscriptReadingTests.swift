import TestCluster
import Testing

/// How documents are read, and which of them are refused.
struct TranscriptReadingTests {
    private func transcript(_ text: String) throws -> Transcript {
        try Transcript(path: "x.md", text: text)
    }

    @Test func `sections start at clusters, and other languages are left alone`() throws {
        let read = try transcript(
            """
            # Title

            ```sh
            rm -rf /
            ```
            ```dfs-cluster
            name ns1 --beat 200
            file fs1 mount=/A mount="/x" stopped
            ```

                ```dfs-nonsense   (four spaces: an example of a fence, and none)

            ````dfs-wire fs1 as=first
            C: PING
            ```
            ````
            ```dfs-cluster
            ```
            ```dfsh --keep-going
            dfsh> ls
            ```
            """.replacing("mount=\"/x\"", with: "mount=/x"))

        #expect(read.sections.count == 2)
        #expect(read.sections[0].fixture.servers.map(\.id) == ["ns1", "fs1"])
        #expect(read.sections[0].fixture.servers[0].options == ["--beat", "200"])
        #expect(read.sections[0].fixture.servers[1].exports.map(\.mount) == ["/A", "/x"])
        #expect(read.sections[0].fixture.servers[1].isStopped)
        #expect(read.sections[0].blocks.map(\.kind) == [.wire(server: "fs1", name: "first")])
        #expect(read.sections[0].blocks[0].lines == ["C: PING", "```"])
        #expect(read.sections[0].blocks[0].start == 13)
        #expect(read.sections[1].blocks.map(\.kind) == [.shell(options: ["--keep-going"])])
    }

    @Test(arguments: [
        ("```dfs-cluster\n```\n```dfs-wirr fs1\n```", 2),
        ("```dfs-cluster\n```\n```dfs-wire\n```", 2),
        ("```dfs-cluster\n```\n```dfs-do x\n```", 2), ("text\n```dfsh\ndfsh> ls\n```", 1),
        ("```dfs-cluster\nname\n```", 1), ("```dfs-cluster\nfile fs1 mount=A\n```", 1),
        ("```dfs-cluster\nname ns1 mount=/A\n```", 1), ("```dfs-cluster\n-- fs1:F1 --\n```", 1),
        ("```dfs-cluster\nfile fs1\n-- fs1:\"x --\n```", 2), ("```dfs-cluster\npace 1 2\n```", 1),
        ("```dfs-cluster\nfile fs1 mount=/A\n-- fs1:/B/F --\n```", 2), ("\n\n```sh\nls", 2),
        ("```dfs-cluster\nfile fs1\n-- fs1:F escaped --\n\\q\n```", 3),
    ])
    func `what can not be executed is refused with its line`(text: String, line: Int) throws {
        let error = #expect(throws: TranscriptError.self) { try transcript(text) }

        #expect(error?.position == line)
    }

    @Test func `files of a fixture have any name and any bytes`() throws {
        let read = try transcript(
            """
            ```dfs-cluster
            file fs1 mount=/A mount=/B

            -- fs1:F1 --
            hello

            world
            -- fs1:"a\\nb \\x1b" escaped --
            \\x00"quoted"\\\\
            \\n
            -- fs1:/B/dir/F2 --
            ```
            """)

        let exports = read.sections[0].fixture.servers[0].exports
        #expect(exports[0].files.map(\.name) == [Array("F1".utf8), Array("a\nb \u{1B}".utf8)])
        #expect(exports[0].files[0].contents == Array("hello\n\nworld\n".utf8))
        #expect(exports[0].files[1].contents == Array("\0\"quoted\"\\\n".utf8))
        #expect(exports[1].files.map(\.name) == [Array("dir/F2".utf8)])
        #expect(exports[1].files[0].contents == [])
    }

    @Test(arguments: [
        "half-close", "kill fs1", "await down fs1", "await down fs1 within 3500",
        "await file \"/a b\" fs1", "await gone /x",
        "await files 3 fs1", "write fs1:F1 \"x\\n\"", "remove fs1:F1", "send \"PI\"",
    ])
    func `an action is read`(text: String) {
        #expect(throws: Never.self) { try Action(text, 0) }
    }

    @Test(arguments: [
        "", "kill", "kill fs1 fs2", "await sideways fs1", "await up fs1 within x",
        "await files x fs1", "write fs1 x",
        "explode fs1",
    ])
    func `an action that nobody knows is refused`(text: String) {
        #expect(throws: TranscriptError.self) { try Action(text, 0) }
    }

    @Test func `one write fits where nothing stands between`() throws {
        func fits(_ lines: [String]) throws -> Bool {
            let block = Transcript.Block(
                kind: .wire(server: "x", name: nil), start: 0, lines: lines)
            return try WireBlock(block).fitsOneWrite
        }

        #expect(
            try fits(["C: PING", "S: OK", "C: WRITE h1 0 {1}", "C| a", "S: OK", "C! half-close"]))
        #expect(try !fits(["C: PING", "C! kill fs1", "S: OK"]))
        #expect(try !fits(["C! half-close", "S! closed", "C: PING"]))
        #expect(try !fits(["C: OPEN /F r", "S: OK h=[H]", "C: CLOSE [H]", "S: OK"]))
    }

    @Test func `a group is what is sent and what is answered`() throws {
        let block = Transcript.Block(
            kind: .wire(server: "x", name: nil), start: 5,
            lines: ["S: OK DFS/1", "C: A", "C: B", "S: OK", "", "S: OK", "C:", "S! closed"])

        let wire = try WireBlock(block)

        #expect(wire.showsGreeting)
        #expect(wire.groups.map(\.inputs.count) == [0, 2, 1])
        #expect(
            wire.groups.map(\.expected.lines) == [
                ["S: OK DFS/1"], ["S: OK", "S: OK"], ["S! closed"],
            ])
        #expect(wire.groups.map(\.expected.start) == [5, 8, 12])
        #expect(throws: TranscriptError.self) {
            try WireBlock(Transcript.Block(kind: .commands, start: 0, lines: ["X: A"]))
        }
    }
}
