import Glibc
import TestCluster
import Testing

/// Servers, readers and writers that stand still, against the real programs.
@Suite struct StandingStillTests {
    /// A dfsh that runs beside the test, with its output in files.
    private struct Beside {
        let process: ChildProcess
        private let folder: String

        init(_ cluster: Cluster, _ arguments: [String], input: Int32? = nil, output: Int32? = nil)
            throws
        {
            let own = try FileSystem.makeUniqueFolder("\(cluster.folder)/beside-")
            folder = own
            let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC
            let files = ["out", "err"].map { open("\(own)/\($0)", flags, 0o600) }
            defer { for file in files { close(file) } }
            process = try ChildProcess(
                try Executable.shell.path, arguments, environment: try cluster.environment,
                input: input, output: output ?? files[0], errors: files[1], folder: own)
        }

        var output: String { get throws { try text("out") } }
        var errors: String { get throws { try text("err") } }

        private func text(_ name: String) throws -> String {
            String(decoding: try FileSystem.read("\(folder)/\(name)"), as: UTF8.self)
        }

        func await(output: String) throws {
            try Deadline().await("it shows \(output)") {
                try self.output == output ? true : nil
            }
        }

        func await(complaint: String) throws {
            try Deadline().await("it says \(complaint)") {
                try errors.contains(complaint) ? true : nil
            }
        }
    }

    private func cluster(_ files: KeyValuePairs<String, String>) throws -> Cluster {
        let cluster = try Cluster(pace: .fast)
        try cluster.startNameServer()
        try cluster.startFileServer("fs1", files: files)
        return cluster
    }

    private func folder(of cluster: Cluster) throws -> String {
        String(decoding: try cluster["fs1"].exports[0].folder, as: UTF8.self)
    }

    private func append(_ text: String, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        defer { close(descriptor) }
        try #require(write(descriptor, text, text.utf8.count) == text.utf8.count)
    }

    @Test func `tail -f goes on after an outage of the file server`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try cluster(["log": "one\n"])
            defer { cluster.shutDown() }
            let tail = try Beside(cluster, ["tail", "-f", "/log"])
            try tail.await(output: "one\n")

            try cluster["fs1"].kill()
            try tail.await(complaint: "waiting until it is back")
            try append("two\n", to: try folder(of: cluster) + "/log")
            try cluster["fs1"].start()

            try tail.await(output: "one\ntwo\n")
            try tail.await(complaint: "dfsh: /log: file server fs1 is back\n")
            tail.process.signal(SIGINT)
            #expect(try tail.process.wait() == .exit(130))
        }
    }

    @Test func `tail -f tells that the file is gone after an outage`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try cluster(["log": "one\n"])
            defer { cluster.shutDown() }
            let tail = try Beside(cluster, ["tail", "-f", "/log"])
            try tail.await(output: "one\n")

            try cluster["fs1"].kill()
            try tail.await(complaint: "waiting until it is back")
            try FileSystem.remove(try folder(of: cluster) + "/log")
            try cluster["fs1"].start()

            #expect(try tail.process.wait() == .exit(8))
            #expect(try tail.output == "one\n")
            #expect(try tail.errors.hasSuffix("nothing is added to it any more\n"))
        }
    }

    @Test func `tail -f waits no longer than it was told`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try cluster(["log": "one\n"])
            defer { cluster.shutDown() }
            let tail = try Beside(cluster, ["--deadline", "1500", "tail", "-f", "/log"])
            try tail.await(output: "one\n")

            try cluster["fs1"].kill()

            #expect(try tail.process.wait() == .exit(5))
            #expect(try tail.errors.contains("file server fs1 is down"))
        }
    }

    @Test func `tail -f ends when nobody reads, also while nothing comes`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try cluster(["log": "one\n"])
            defer { cluster.shutDown() }
            let program = try Executable.shell.path

            let run = try ShellRun(
                "/bin/sh", ["-c", "\(program) tail -f /log | head -n 1"],
                environment: try cluster.environment, scratch: cluster.folder)

            #expect(run.output == "one\n")
            #expect(run.errors == "")
        }
    }

    @Test func `a notice of tail -f starts a line`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try cluster(["log": "no end of line"])
            defer { cluster.shutDown() }
            let program = try Executable.shell.path
            let folder = try folder(of: cluster)
            let seen = "\(cluster.folder)/seen"

            let run = try ShellRun(
                "/bin/sh",
                [
                    "-c",
                    """
                    \(program) tail -f /log > \(seen) 2>&1 & \
                    until grep -q end \(seen); do :; done; \
                    until \(program) handles | grep -q /log; do :; done; \
                    : > \(folder)/log; until grep -q cut \(seen); do :; done; \
                    kill -TERM $!; wait $!; cat \(seen)
                    """,
                ], environment: try cluster.environment, scratch: cluster.folder)

            #expect(
                run.output
                    == "no end of line\ndfsh: /log: was cut to 0 bytes\ndfsh: interrupted\n")
        }
    }

    // The lease is the shortest that a busy machine can be trusted to renew; its age is told by the
    // server, many leases later.
    @Test(arguments: ["a reader", "a writer"])
    func `a session is renewed while the other end of the shell stands still`(what: String)
        async throws
    {
        try await ClusterSlots.shared.run {
            let cluster = try cluster([
                "held": "x", "big": String(repeating: "b", count: 3_000_000),
            ])
            defer { cluster.shutDown() }
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            defer { for end in ends { close(end) } }
            let opening = "session open --lease 2000 --lock exclusive /held rw"
            let shell: Beside
            if what == "a reader" {
                shell = try Beside(cluster, ["-c", "\(opening); cat /big"], output: ends[1])
            } else {
                try #require(write(ends[1], "\(opening)\n", opening.utf8.count + 1) > 0)
                shell = try Beside(cluster, [], input: ends[0])
            }

            let names = try cluster.greeted(by: "fs1")
            try Deadline().await("the session is older than four leases") {
                for answer in try names.request("HANDLES") where answer.line.text("path") == "/held"
                {
                    if Int(answer.line.text("age") ?? "") ?? 0 > 8000 { return true }
                }
                return shell.process.ending == nil ? nil : false
            }

            #expect(shell.process.ending == nil)
        }
    }

    @Test func `handles shows the servers that can not be asked, and the others' sessions`()
        async throws
    {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster(pace: .fast)
            defer { cluster.shutDown() }
            try cluster.startNameServer()
            try cluster.startFileServer("fs1", mount: "/a", files: ["held": "x"])
            try cluster.startFileServer("fs2", mount: "/b", files: ["f": "x"])
            try cluster.startFileServer("fs3", mount: "/c", files: ["f": "x"])
            try cluster["fs2"].kill()
            try cluster["fs3"].stop()
            try cluster.awaitState(of: "fs2", "down")

            let run = try cluster.shell(["-c", "session open /a/held; handles"])
            let killing = try cluster.shell(["-c", "kill s99"])
            let named = try cluster.shell(["-c", "kill c9.h1 fs1"])

            let lines = run.output.split(separator: "\n")
            #expect(lines.count == 5)
            #expect(lines[2].hasPrefix("fs1     h1") && lines[2].hasSuffix("/a/held"))
            #expect(lines[3].hasPrefix("fs2  (server-down: silent for "))
            #expect(lines[4].hasPrefix("fs3  (server-down: stopped "))
            #expect(run.exitCode == 5)
            #expect(killing.errors.contains("fs2 and fs3 can not be asked now"))
            #expect(killing.exitCode == 5)
            #expect(named.errors.hasPrefix("dfsh: c9.h1: file server fs1 has no such session"))
            #expect(named.exitCode == 3)
        }
    }

    @Test(
        arguments: [(SIGINT, .exit(130)), (SIGTERM, .signal(SIGTERM))]
            as [(Int32, ChildProcess.Ending)])
    func `the first signal ends a dfsh that waits for standard input`(
        signal: Int32, ending: ChildProcess.Ending
    ) async throws {
        try await ClusterSlots.shared.run {
            let cluster = try cluster(["f": "text\n"])
            defer { cluster.shutDown() }
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            defer { for end in ends { close(end) } }
            try #require(write(ends[1], "cat /f\n", 7) == 7)
            let shell = try Beside(cluster, [], input: ends[0])
            try shell.await(output: "text\n")

            shell.process.signal(signal)

            #expect(try shell.process.wait() == ending)
        }
    }

    @Test func `what is ignored from outside stays so`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try cluster(["f": "text\n"])
            defer { cluster.shutDown() }
            let program = try Executable.shell.path

            let run = try ShellRun(
                "/bin/sh",
                [
                    "-c",
                    """
                    trap '' HUP; (echo cat /f; until grep -q text seen; do :; done; kill -HUP \
                    $(cat pid); echo cat /f) | sh -c 'echo $$ > pid; exec \(program)' > seen; \
                    echo $?; cat seen
                    """,
                ], environment: try cluster.environment, folder: cluster.folder,
                scratch: cluster.folder)

            #expect(run.output == "0\ntext\ntext\n")
        }
    }

    @Test func `a disk that is full is told`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try cluster(["f": "text\n"])
            defer { cluster.shutDown() }
            let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
            defer { close(full) }

            for command in [["cat", "/f"], ["ls", "/"], ["tail", "-f", "/f"], ["--help"]] {
                let shell = try Beside(cluster, command, output: full)
                #expect(try shell.process.wait() == .exit(1))
                #expect(try shell.errors == "dfsh: standard output: No space left on device\n")
            }
        }
    }

    @Test func `a trace that can not be written is told once, and ends no command`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try cluster(["f": "text\n"])
            defer { cluster.shutDown() }

            let run = try cluster.shell(["--trace=/dev/full", "cat", "/f", "/f"])

            #expect(run.output == "text\ntext\n")
            #expect(
                run.errors
                    == "dfsh: the trace can not be written: local /dev/full: No space left on "
                    + "device\n")
            #expect(run.exitCode == 0)
        }
    }
}
