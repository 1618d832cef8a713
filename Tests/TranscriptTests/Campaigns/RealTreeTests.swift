import DFSProtocol
import Glibc
import TestCluster
import Testing

/// The main job on real input: 20,000 files of this machine, on two servers, there and back.
struct RealTreeTests {
    static let fileCount = 20_000
    /// Larger ones are left out, so that the time goes into files and not into bytes.
    static let largestBytes = 32_768

    /// Copies files of this machine into two folders, each with its path.
    private static func fill(_ halves: [[UInt8]]) throws -> Int {
        var count = 0
        for root in ["/usr/share", "/usr/lib", "/usr/include", "/opt", "/usr", "/etc", "/var/lib"] {
            // A folder that this machine lacks, or that is not for us, has nothing to give.
            for file in (try? FileSystem.files(below: [UInt8](root.utf8))) ?? [] {
                if count == fileCount { return count }
                let source = [UInt8]("\(root)/".utf8) + file
                var status = stat()
                guard TreePath.isServable(file), stat(source.map(CChar.init) + [0], &status) == 0,
                    status.st_size <= largestBytes
                else { continue }
                let target = halves[count % 2] + source
                guard !FileSystem.exists(target), let bytes = try? FileSystem.read(source) else {
                    continue
                }
                try FileSystem.write(bytes, to: target)
                count += 1
            }
        }
        return count
    }

    @Test func `a tree of twenty thousand real files comes and goes unharmed`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            let halves = ["one", "two"].map { [UInt8]("\(cluster.folder)/\($0)".utf8) }
            try halves.forEach { try FileSystem.makeFolders($0) }
            let count = try RealTreeTests.fill(halves)
            #expect(
                count == RealTreeTests.fileCount, "this machine has only \(count) files to offer")
            try cluster.startNameServer()
            for (index, half) in halves.enumerated() {
                let id = "m\(index + 1)"
                try cluster.startFileServer(
                    id, exports: [Cluster.Export(mount: index == 0 ? "/one" : "/two", folder: half)]
                )
                try cluster.awaitFiles(of: id, count: count / 2, within: .seconds(120))
            }

            async let one: Void = RealTreeTests.travel(cluster, "one", on: halves[0])
            async let two: Void = RealTreeTests.travel(cluster, "two", on: halves[1])
            _ = try await (one, two)
        }
    }

    /// Fetches one half, compares, puts it back under a new name, and compares on the server's
    /// disk.
    @Sendable private static func travel(
        _ cluster: Cluster, _ name: String, on disk: [UInt8]
    ) async throws {
        let fetched = "\(cluster.folder)/fetched-\(name)"
        let get = try cluster.shell(["get", "-r", "/\(name)", fetched], within: .seconds(900))
        #expect(get.exitCode == 0, "get: \(get.errors.suffix(2000))\n\(cluster.logEnds)")
        try compare(disk, [UInt8](fetched.utf8))

        let put = try cluster.shell(
            ["put", "-r", fetched, "/\(name)/again"], within: .seconds(900))
        #expect(put.exitCode == 0, "put: \(put.errors.suffix(2000))\n\(cluster.logEnds)")
        try compare([UInt8](fetched.utf8), disk + [UInt8]("/again".utf8))
    }

    /// Holds every file of one folder against the other's, byte by byte, and looks for others
    /// there.
    private static func compare(_ expected: [UInt8], _ actual: [UInt8]) throws {
        let slash = UInt8(ascii: "/")
        func served(_ folder: [UInt8]) throws -> [[UInt8]] {
            try FileSystem.files(below: folder).filter { TreePath.isServable($0) }
        }
        let again = [UInt8]("again/".utf8)
        let names = try served(expected).filter { !$0.starts(with: again) }
        #expect(try served(actual) == names)
        var differing = 0
        for name in names {
            let left = try FileSystem.read(expected + [slash] + name)
            // What is not there differs.
            let right = try? FileSystem.read(actual + [slash] + name)
            if left != right { differing += 1 }
        }
        #expect(differing == 0, "\(differing) of \(names.count) files differ")
    }
}

extension TreePath {
    /// Whether a name below an export is one that a file server serves.
    fileprivate static func isServable(_ name: [UInt8]) -> Bool {
        (try? TreePath([UInt8(ascii: "/")] + name)) != nil
    }
}
