import Glibc
import TestCluster
import Testing

/// `put -r` whose servers go away in the middle: what came is counted, what is missing is named.
@Suite struct CutTransferTests {
    /// So many that the first can not be there before the last is begun.
    private static let files = 48

    /// Who goes away, and how.
    enum Cut: CaseIterable {
        case nameServerHangs
        case nameServerIsKilled
        case fileServerIsKilled

        func happen(to cluster: Cluster) throws {
            switch self {
            case .nameServerHangs: try cluster["ns1"].pause()
            case .nameServerIsKilled: try cluster["ns1"].kill()
            case .fileServerIsKilled: try cluster["fs1"].kill()
            }
        }
    }

    /// A folder with large files that no disk holds.
    private func makeFolder(in cluster: Cluster) throws -> String {
        let folder = "\(cluster.folder)/many"
        for number in 10..<(10 + Self.files) {
            try FileSystem.write("", to: "\(folder)/f\(number)")
            try #require(truncate("\(folder)/f\(number)", 3_000_000) == 0)
        }
        return folder
    }

    private func names(in folder: String) throws -> [String] {
        try FileSystem.names(in: [UInt8](folder.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Puts the folder as /many, and has something happen once the first part is on the disk.
    private func put(
        _ cluster: Cluster, _ folder: String, meanwhile cut: () throws -> Void
    ) throws -> (code: ChildProcess.Ending, errors: String) {
        let errors = "\(cluster.folder)/errors"
        let descriptor = open(errors, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        let export = String(decoding: try cluster["fs1"].exports[0].folder, as: UTF8.self)
        let process = try ChildProcess(
            try Executable.shell.path, ["--deadline", "1500", "put", "-r", folder, "/many"],
            environment: try cluster.environment, errors: descriptor, folder: cluster.folder)
        try Deadline().await("a part is there") {
            // The directory comes with the first of them.
            let there = (try? names(in: "\(export)/many")) ?? []
            return there.contains { $0.contains(".dfs-part-") } ? true : nil
        }
        try cut()
        let code = try process.wait()
        return (code, String(decoding: try FileSystem.read(errors), as: UTF8.self))
    }

    @Test(arguments: Cut.allCases)
    func `each file that is missing is named, with its part, and what came is summed up`(
        cut: Cut
    ) async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            try cluster.startNameServer()
            try cluster.startFileServer("fs1")
            let folder = try makeFolder(in: cluster)

            let (code, errors) = try put(cluster, folder) { try cut.happen(to: cluster) }

            let lines = errors.split(separator: "\n").map(String.init)
            let summary = try #require(lines.last)
            let named = Set(
                lines.dropLast().compactMap { $0.prefixMatch(of: /dfsh: \/many\/f\d+/)?.output })
            #expect(code == .exit(5))
            let whole = try #require(summary.wholeMatch(of: /dfsh: put (\d+) files?, .*/)?.1)
            let missing = try #require(summary.firstMatch(of: /; (\d+) missing/)?.1)
            #expect(Int(missing) == lines.count - 1)
            #expect(named.count == lines.count - 1)
            #expect(try #require(Int(whole)) + #require(Int(missing)) <= Self.files)
            if whole == "0" { #expect(summary.hasPrefix("dfsh: put 0 files, 0 bytes; ")) }
            let export = String(decoding: try cluster["fs1"].exports[0].folder, as: UTF8.self)
            for name in try names(in: "\(export)/many") where name.contains(".dfs-part-") {
                #expect(errors.contains("/many/\(name), which rm removes"))
            }
        }
    }
}
