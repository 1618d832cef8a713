import DFSProtocol
import Glibc
import TestCluster
import Testing

/// The main job on real input: 20,000 files of this machine, on two servers, there and back.
struct RealTreeTests {
    private static let fileCount = 20_000
    /// Larger ones are left out, so that the time goes into files and not into bytes.
    private static let largestBytes = 32_768
    private static let halves = ["one", "two"]

    @Test func `a tree of twenty thousand real files comes and goes unharmed`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            let count = try RealTreeTests.fill(cluster)
            #expect(count == RealTreeTests.fileCount, "this machine offers only \(count) files")
            try cluster.startNameServer()
            for name in RealTreeTests.halves {
                let folder = [UInt8]("\(cluster.folder)/\(name)".utf8)
                try cluster.startFileServer(
                    name, exports: [Cluster.Export(mount: "/\(name)", folder: folder)])
            }
            for name in RealTreeTests.halves {
                try cluster.awaitFiles(of: name, count: count / 2, within: .seconds(300))
            }

            async let one: Void = RealTreeTests.travel(cluster, "one", count: count / 2)
            async let two: Void = RealTreeTests.travel(cluster, "two", count: count / 2)
            _ = try await (one, two)
        }
    }

    /// Copies files of this machine into two folders, each under its own path.
    ///
    /// - Returns: How many there are in both.
    private static func fill(_ cluster: Cluster) throws -> Int {
        var lists: [[UInt8]] = [[], []]
        var taken: Set<[UInt8]> = []
        search: for root in ["/usr/share", "/usr/lib", "/usr/include", "/opt", "/usr", "/etc"] {
            // A folder that this machine lacks, or that is not for us, has nothing to give.
            for file in (try? FileSystem.files(below: [UInt8](root.utf8))) ?? [] {
                if taken.count == fileCount { break search }
                let path = [UInt8]("\(root)/".utf8) + file
                guard isSmallAndServable(path), taken.insert(path).inserted else { continue }
                lists[taken.count % 2] += path + [0]
            }
        }
        for (name, list) in zip(halves, lists) {
            let copy = """
                mkdir \(name) && tar -C / --hard-dereference --null --verbatim-files-from -T - \
                -cf - | tar -xf - -C \(name)
                """
            let run = try sh(copy, in: cluster, input: list)
            guard run.exitCode == 0, try count(name, in: cluster) == fileCount / 2 else {
                throw TestFailure("tar: \(run.errors)")
            }
        }
        return taken.count
    }

    private static func isSmallAndServable(_ path: [UInt8]) -> Bool {
        let name = path.map { CChar(bitPattern: $0) } + [0]
        var status = stat()
        // What is no tree path, such as a name with `.dfs`, is not served.
        return (try? TreePath(path)) != nil && lstat(name, &status) == 0
            && status.st_size <= largestBytes && access(name, R_OK) == 0
    }

    /// Fetches one half, compares, puts it back under a new name, and compares on the server's
    /// disk.
    @Sendable private static func travel(_ cluster: Cluster, _ name: String, count: Int) throws {
        let get = try cluster.shell(
            ["get", "-r", "/\(name)", "fetched-\(name)"], within: .seconds(900))
        #expect(get.exitCode == 0, "get: \(get.errors.suffix(2000))\n\(cluster.logEnds)")
        try compare(name, "fetched-\(name)", in: cluster, count: count)

        let put = try cluster.shell(
            ["put", "-r", "fetched-\(name)", "/\(name)/again"], within: .seconds(900))
        #expect(put.exitCode == 0, "put: \(put.errors.suffix(2000))\n\(cluster.logEnds)")
        try compare("fetched-\(name)", "\(name)/again", in: cluster, count: count)
    }

    /// Holds two folders against each other, byte by byte, and looks for what only one of them has.
    private static func compare(
        _ expected: String, _ actual: String, in cluster: Cluster, count: Int
    ) throws {
        let diff = try sh("diff -r -x .dfs -x again \(expected) \(actual)", in: cluster)
        #expect(diff.exitCode == 0, "\(diff.output.prefix(2000)) \(diff.errors.prefix(2000))")
        #expect(try self.count(actual, in: cluster) == count)
    }

    private static func count(_ folder: String, in cluster: Cluster) throws -> Int? {
        let find = "find \(folder) -name .dfs -prune -o -type f -printf x | wc -c"
        return Int(try sh(find, in: cluster).output.filter(\.isNumber))
    }

    private static func sh(
        _ command: String, in cluster: Cluster, input: [UInt8] = []
    ) throws -> ShellRun {
        try ShellRun(
            "/bin/sh", ["-c", command], input: input, folder: cluster.folder,
            scratch: cluster.folder, within: .seconds(600))
    }
}
