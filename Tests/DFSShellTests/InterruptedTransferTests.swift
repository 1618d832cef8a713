import Glibc
import TestCluster
import Testing

/// Transfers that are cut short or whose file server is restarted, with the real programs.
@Suite struct InterruptedTransferTests {
    private static let size = 12_000_000
    /// So slow that nothing is over before the test has done its part.
    private static let slowly = "--limit-rate 4M"

    /// A dfsh that runs beside the test.
    private struct Beside {
        let process: ChildProcess
        private let path: String

        init(_ cluster: Cluster, _ words: [String]) throws {
            path = try FileSystem.makeUniqueFolder("\(cluster.folder)/beside-") + "/err"
            let errors = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
            defer { close(errors) }
            process = try ChildProcess(
                try Executable.shell.path, words, environment: try cluster.environment,
                errors: errors, folder: cluster.folder)
        }

        var errors: String {
            get throws { String(decoding: try FileSystem.read(path), as: UTF8.self) }
        }
    }

    private func withCluster(_ body: @escaping @Sendable (Cluster) throws -> Void) async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster(pace: .fast)
            defer { cluster.shutDown() }
            try cluster.startNameServer()
            try cluster.startFileServer("fs1", mount: "/A")
            try body(cluster)
        }
    }

    private func export(of cluster: Cluster) throws -> String {
        String(decoding: try cluster["fs1"].exports[0].folder, as: UTF8.self)
    }

    /// Bytes of which no two megabytes are the same.
    private func content() -> [UInt8] {
        var state: UInt64 = 88_172_645_463_325_252
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size)
        while bytes.count < Self.size {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            withUnsafeBytes(of: state) { bytes += $0 }
        }
        return bytes
    }

    /// Waits until a file of a folder whose name has a text holds so many bytes.
    private func await(_ text: String, in folder: String, bytes: Int) throws -> String {
        try Deadline().await("\(bytes) bytes in a file like \(text)") {
            for name in try FileSystem.names(in: [UInt8](folder.utf8)) {
                let name = String(decoding: name, as: UTF8.self)
                var status = stat()
                if name.contains(text), stat("\(folder)/\(name)", &status) == 0,
                    status.st_size >= bytes
                {
                    return name
                }
            }
            return nil
        }
    }

    private func names(in folder: String, like text: String) throws -> [String] {
        try FileSystem.names(in: [UInt8](folder.utf8)).map { String(decoding: $0, as: UTF8.self) }
            .filter { $0.contains(text) }
    }

    @Test func `Ctrl-C in a get leaves a part and no file, and get -c brings the rest`()
        async throws
    {
        try await withCluster { cluster in
            let content = content()
            try FileSystem.write(content, to: [UInt8]("\(try export(of: cluster))/big".utf8))
            try cluster.awaitFile([UInt8]("/A/big".utf8), on: "fs1")
            let get = try Beside(cluster, ["-c", "get \(Self.slowly) /A/big"])
            let part = try self.await("-big", in: cluster.folder, bytes: 4_000_000)

            get.process.signal(SIGINT)
            let ending = try get.process.wait()
            let left = try names(in: cluster.folder, like: "big")
            let rest = try cluster.shell(["--trace=trace", "get", "-c", "/A/big"])

            #expect(ending == .exit(130))
            #expect(left == [part])
            #expect(
                try get.errors.hasSuffix(
                    "interrupted, and the rest is missing; a part of /A/big is kept here: "
                        + "get -c goes on with it\n"))
            #expect(rest.exitCode == 0)
            #expect(try FileSystem.read("\(cluster.folder)/big") == content)
            #expect(try names(in: cluster.folder, like: "big") == ["big"])
            let trace = String(
                decoding: try FileSystem.read("\(cluster.folder)/trace"), as: UTF8.self)
            #expect(trace.contains("DIGEST /A/big 0 "))
            #expect(!trace.contains("FETCH /A/big 0 "))
        }
    }

    @Test func `a get with a limit asks for no more than what the limit lets pass`() async throws {
        try await withCluster { cluster in
            try FileSystem.write(content(), to: [UInt8]("\(try export(of: cluster))/big".utf8))
            try cluster.awaitFile([UInt8]("/A/big".utf8), on: "fs1")
            func trace() throws -> String {
                String(decoding: try FileSystem.read("\(cluster.folder)/trace"), as: UTF8.self)
            }
            // The second piece may pass after twelve days.
            let get = try Beside(
                cluster, ["--trace=trace", "-c", "get --limit-rate 1 /A/big"])
            try Deadline().await("the first piece") {
                // There is no trace before the first line of it.
                (try? trace())?.contains("{1048576}") == true ? true : nil
            }

            get.process.signal(SIGINT)
            let ending = try get.process.wait()

            #expect(ending == .exit(130))
            #expect(try trace().matches(of: #/FETCH /A/big /#).count == 1)
        }
    }

    @Test func `Ctrl-C in a put keeps the part under its own name, and put -c goes on with it`()
        async throws
    {
        try await withCluster { cluster in
            let content = content()
            let export = try export(of: cluster)
            try FileSystem.write(content, to: [UInt8]("\(cluster.folder)/big".utf8))
            let put = try Beside(cluster, ["-c", "put \(Self.slowly) big /A/big"])
            let part = try self.await("big.dfs-part-", in: export, bytes: 4_000_000)

            put.process.signal(SIGINT)
            let ending = try put.process.wait()
            let left = try names(in: export, like: "big")
            let rest = try cluster.shell(["--trace=trace", "put", "-c", "big", "/A/big"])

            #expect(ending == .exit(130))
            #expect(left == [part])
            #expect(
                try put.errors.contains(
                    "what was sent is kept as /A/\(part), which rm removes and put -c goes on with")
            )
            #expect(rest.exitCode == 0)
            #expect(try FileSystem.read("\(export)/big") == content)
            #expect(try names(in: export, like: "big") == ["big"])
            let trace = String(
                decoding: try FileSystem.read("\(cluster.folder)/trace"), as: UTF8.self)
            #expect(trace.contains("OPEN /A/\(part) rw"))
            #expect(!trace.contains("create-new"))
        }
    }

    @Test(arguments: ["get", "put"])
    func `a transfer rides over a file server that is killed and started in the middle`(
        what: String
    ) async throws {
        try await withCluster { cluster in
            let content = content()
            let export = try export(of: cluster)
            let isGet = what == "get"
            let (from, to) = isGet ? (export, cluster.folder) : (cluster.folder, export)
            try FileSystem.write(content, to: [UInt8]("\(from)/big".utf8))
            if isGet { try cluster.awaitFile([UInt8]("/A/big".utf8), on: "fs1") }
            let line = isGet ? "get \(Self.slowly) /A/big" : "put \(Self.slowly) big /A/big"
            let transfer = try Beside(cluster, ["-c", line])
            _ = try self.await(isGet ? "-big" : "big.dfs-part-", in: to, bytes: 4_000_000)

            try cluster["fs1"].kill()
            try cluster["fs1"].start()

            let ending = try transfer.process.wait()
            let errors = try transfer.errors
            #expect(ending == .exit(0), "\(errors)")
            #expect(try FileSystem.read("\(to)/big") == content)
            #expect(try names(in: to, like: "big") == ["big"])
        }
    }

    @Test(arguments: ["get", "put"])
    func `of many files none is missing after the file server was restarted meanwhile`(
        what: String
    ) async throws {
        try await withCluster { cluster in
            let export = try export(of: cluster)
            let isGet = what == "get"
            let (from, to) = isGet ? (export, cluster.folder) : (cluster.folder, export)
            for number in 100..<300 {
                let bytes = [UInt8](repeating: UInt8(number % 251), count: 20_000)
                try FileSystem.write(bytes, to: [UInt8]("\(from)/many/\(number)".utf8))
            }
            if isGet { try cluster.awaitFile([UInt8]("/A/many/299".utf8), on: "fs1") }
            let words = isGet ? "/A/many" : "many /A/many"
            let transfer = try Beside(cluster, ["-c", "\(what) -r \(Self.slowly) \(words)"])
            try Deadline().await("some files are there") {
                // The directory comes with the first of them.
                let there = (try? names(in: "\(to)/many", like: "1")) ?? []
                return there.count > 20 ? true : nil
            }

            try cluster["fs1"].kill()
            try cluster["fs1"].start()

            let ending = try transfer.process.wait()
            let errors = try transfer.errors
            #expect(ending == .exit(0), "\(errors)")
            #expect(errors.hasPrefix("dfsh: \(isGet ? "got" : "put") 200 files, "))
            let whole = try names(in: "\(to)/many", like: "")
            #expect(whole.count == 200 && !whole.contains { $0.contains("part") })
        }
    }

    @Test func `a part that somebody has locked is not gone on with`() async throws {
        try await withCluster { cluster in
            let content = content()
            try FileSystem.write(content, to: [UInt8]("\(cluster.folder)/big".utf8))
            try FileSystem.write(
                Array(content.prefix(2_000_000)), to: [UInt8]("\(cluster.folder)/begun".utf8))
            let part = "/A/big.dfs-part-0123456789ab"

            let locked = try cluster.shell(
                [
                    "-c",
                    "put begun \(part); session open --lock exclusive \(part) rw; "
                        + "put -c big /A/big",
                ])
            let free = try cluster.shell(["put", "-c", "big", "/A/big"])

            #expect(locked.exitCode == 5)
            #expect(locked.errors.contains("lock"))
            #expect(free.exitCode == 0)
            let export = try export(of: cluster)
            #expect(try FileSystem.read("\(export)/big") == content)
            #expect(try names(in: export, like: "big") == ["big"])
        }
    }
}
