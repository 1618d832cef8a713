import Glibc
import TestCluster
import Testing

/// `handles SERVER`, where another server stands still or the one that is named can not be asked.
@Suite struct HandlesOfOneTests {
    /// Every server stays up for as long as a test takes, whatever it does not say.
    private func cluster() throws -> Cluster {
        let cluster = try Cluster(pace: Pace(beat: 1000, suspect: 500_000, down: 600_000))
        try cluster.startNameServer()
        try cluster.startFileServer("fs1", mount: "/a", files: ["held": "x"])
        return cluster
    }

    @Test func `nobody is waited for who was not asked about`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try cluster()
            defer { cluster.shutDown() }
            try cluster.startFileServer("fs2", mount: "/b", files: ["f": "text\n"])
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            let seen = "\(cluster.folder)/seen"
            let output = open(seen, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
            defer { for end in ends + [output] { close(end) } }
            let shell = try ChildProcess(
                try Executable.shell.path, ["--deadline", "600000"],
                environment: try cluster.environment, input: ends[0], output: output,
                folder: cluster.folder)
            func run(_ command: String, shows text: String) throws {
                let line = command + "\n"
                try #require(write(ends[1], line, line.utf8.count) == line.utf8.count)
                try Deadline().await("\(command) shows \(text)") {
                    String(decoding: try FileSystem.read(seen), as: UTF8.self).contains(text)
                        ? true : nil
                }
            }
            // A connection that stands is no longer greeted: only an answer can be missing.
            try run("cat /b/f", shows: "text\n")
            try run("session open /a/held", shows: "h1")
            try cluster["fs2"].pause()

            try run("handles fs1", shows: "/a/held\n")

            try cluster["fs2"].resume()
            shell.signal(SIGTERM)
            _ = try shell.wait()
        }
    }

    @Test func `the exit code says how it fared`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try cluster()
            defer { cluster.shutDown() }
            // It says where it is, and nobody is there.
            let owner = try cluster.greeted(by: "ns1")
            try owner.expectOK("HELLO 1 caps=push")
            try owner.expectOK("REGISTER gone /b addr=127.0.0.1:1 epoch=1")

            let gone = try cluster.shell(["--deadline", "500", "handles", "gone"])
            let all = try cluster.shell(["--deadline", "500", "handles"])
            let unknown = try cluster.shell(["handles", "fs3"])

            #expect(gone.output.hasPrefix("gone  (unreachable: "))
            #expect(gone.exitCode == 6)
            #expect(all.exitCode == 6)
            #expect(unknown.errors == "dfsh: fs3: no such file server\n")
            #expect(unknown.exitCode == 3)
        }
    }
}
