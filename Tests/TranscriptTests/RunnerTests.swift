import TestCluster
import Testing

/// The runner itself: that a transcript which is wrong fails, in the right line.
struct RunnerTests {
    /// Runs a document's sections and gives the error of the first that does not hold.
    private func run(_ text: String, _ cutting: Cutting = .asIs) async throws -> TranscriptError? {
        try await ClusterSlots.shared.run {
            let transcript = try Transcript(path: "x.md", text: text)
            do {
                for section in transcript.sections {
                    try SectionRun.run(section, of: transcript, cutting)
                }
                return nil
            } catch let error as TranscriptError {
                return error
            }
        }
    }

    private func update(_ text: String) async throws -> String {
        try await ClusterSlots.shared.run {
            let transcript = try Transcript(path: "x.md", text: text)
            let edits = try transcript.sections.flatMap {
                try SectionRun.run($0, of: transcript, isUpdating: true)
            }
            return Update.apply(edits, to: transcript.lines).joined(separator: "\n")
        }
    }

    private static let nobody = "```dfs-cluster\n```\n"
    private static let nameServer = "```dfs-cluster\nname ns1\n```\n"

    @Test func `commands of sh that say what is expected hold`() async throws {
        let text = """
            \(RunnerTests.nobody)```dfs-shell
            $ echo one
            one
            $ printf 'a\\033b\\n' > F; cat F \\
            > ; exit 3
            a\\x1bb
            ? 3
            $ printf x; echo y >&2; printf z
            xy
            z
            \\ no newline at the end
            ```
            """

        #expect(try await run(text)?.text == nil)
    }

    @Test(arguments: [
        ("$ echo two\none", 4), ("$ echo one\none\n$ echo two", 5), ("$ true\none", 4),
        ("$ exit 2", 3), ("$ true\n? 1", 4), ("$ echo a; echo b\na\nc\nb", 5),
    ])
    func `a wrong expectation of sh fails in its line`(block: String, line: Int) async throws {
        let error = try await run("\(RunnerTests.nobody)```dfs-shell\n\(block)\n```")

        #expect(error?.position == line)
        #expect(error?.text.contains("x.md:\(line + 1): does not hold as is") == true)
    }

    @Test(arguments: Cutting.allCases)
    func `a conversation that is as expected holds`(_ cutting: Cutting) async throws {
        let text = """
            \(RunnerTests.nameServer)```dfs-wire ns1
            S: OK DFS/1 role=name id=ns1 ...
            # a comment is sent and answered by nobody
            C: PING hello
            S: OK hello
            C:
            C: NONSENSE {5}
            C| PING\\n
            S: ERR unknown-verb ...
            C: PING
            S: OK
            C! half-close
            S! closed
            ```
            ```dfs-wire ns1
            C: PING x
            S: OK x
            ```
            """.replacing("# a comment", with: "C: # a comment")

        #expect(try await run(text, cutting)?.text == nil)
    }

    @Test(arguments: [
        ("C: PING a\nS: OK b", 5), ("C: PING\nS: OK\nC: PING\nC: PING\nS: OK", 8),
        ("C: PING\nS: OK\nS: OK", 6), ("C: PING\nS: ...\nS: ERR", 6),
        ("C: QUIT\nS: OK bye\nC: PING\nS: OK", 7),
        ("S: OK DFS/2", 4), ("C: PING\nS: OK\nC: PING", 6), ("C! explode", 4),
    ])
    func `a wrong expectation of the wire fails in its line`(
        block: String, line: Int
    ) async throws {
        let error = try await run("\(RunnerTests.nameServer)```dfs-wire ns1\n\(block)\n```")

        #expect(error?.position == line)
    }

    @Test func `an unexpected answer shows the difference and the logs`() async throws {
        let text = "\(RunnerTests.nameServer)```dfs-wire ns1\nC: PING a\nS: OK b\n```"

        let error = try #require(try await run(text, .oneByOne))

        #expect(error.text.contains("x.md:6: does not hold one byte at a time"))
        #expect(
            error.text.contains("--- x.md\n+++ what was said\n@@ -6,1 +6,1 @@\n-S: OK b\n+S: OK a"))
        #expect(error.text.contains("---- log of ns1 ----"))
    }

    @Test func `an update rewrites answers and leaves prose and requests alone`() async throws {
        let text = """
            Before.
            \(RunnerTests.nameServer)Between.
            ```dfs-wire ns1
            S: OK DFS/9 role=name id=[ID] ...
            C: PING hello
            S: OK bye
            S: OK too much
            C: PING
            ```
            ```dfs-shell
            $ echo one; exit 4
            two
            ```
            After.
            """

        let updated = try await update(text)

        #expect(updated.contains("S: OK DFS/1 role=name id=[ID] "))
        #expect(updated.contains("C: PING hello\nS: OK hello\nC: PING\n"))
        #expect(updated.contains("$ echo one; exit 4\none\n? 4\n```\nAfter."))
        #expect(updated.hasPrefix("Before.\n") && updated.contains("Between."))
        #expect(try await update(updated) == updated)
    }

    @Test func `an update is refused where CI is set`() {
        #expect(throws: TestFailure.self) { try Update.isWanted(update: "1", continuous: "true") }
        #expect(throws: Never.self) { try Update.isWanted(update: nil, continuous: "true") }
        #expect((try? Update.isWanted(update: "1", continuous: nil)) == true)
    }
}
