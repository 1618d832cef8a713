import DFSClient
import DFSProtocol
import Glibc
import TestCluster
import Testing

@testable import DFSShell

/// What transfers look at on this machine: left-overs, patterns, links of others.
@Suite struct LocalContentsTests {
    private let disk = LocalDisk()
    private static let name = [UInt8]("f".utf8)

    private func withFolder<Result>(
        _ body: (_ path: String, _ folder: LocalDirectory) async throws -> Result
    ) async throws -> Result {
        let path = try FileSystem.makeUniqueFolder("/tmp/dfsh-contents-")
        // What stays behind hurts no other test.
        defer { try? FileSystem.remove(path) }
        return try await body(path, try await disk.open(directory: [UInt8](path.utf8)))
    }

    private func word(_ text: String) throws -> Word {
        try LineSplitter.split([UInt8](text.utf8))[0][0]
    }

    @Test func `what a run left is taken up with its bytes, and only by one`() async throws {
        try await withFolder { path, folder in
            try FileSystem.write("half", to: "\(path)/.dfsh-part-1-f")

            let file = try #require(try await disk.leftOver(for: Self.name, in: folder))
            let second = try await disk.leftOver(for: Self.name, in: folder)
            let bytes = try await disk.read(file, at: 1, count: 100)
            try await disk.cut(file, to: 2)
            try await disk.append(ByteBuffer(string: "!"), to: file)
            try await disk.finish(file, as: Self.name, LocalAttributes())

            #expect(second == nil)
            #expect(String(buffer: bytes) == "alf")
            #expect(try FileSystem.read("\(path)/f") == [UInt8]("ha!".utf8))
        }
    }

    @Test func `an empty one, one of another name, a link and a directory are no left-overs`()
        async throws
    {
        try await withFolder { path, folder in
            try FileSystem.write("", to: "\(path)/.dfsh-part-0-f")
            try FileSystem.write("x", to: "\(path)/.dfsh-part-1-g")
            try FileSystem.write("x", to: "\(path)/target")
            try #require(symlink("target", "\(path)/.dfsh-part-2-f") == 0)
            try #require(mkdir("\(path)/.dfsh-part-3-f", 0o700) == 0)

            #expect(try await disk.leftOver(for: Self.name, in: folder) == nil)
        }
    }

    @Test func `what has a name is looked at only where it is a file`() async throws {
        try await withFolder { path, folder in
            try FileSystem.write("123", to: "\(path)/file")
            try #require(symlink("file", "\(path)/link") == 0)

            let file = try await disk.present([UInt8]("file".utf8), in: folder)

            #expect(file?.size == 3)
            #expect(try await disk.present([UInt8]("link".utf8), in: folder) == nil)
            #expect(try await disk.present([UInt8]("none".utf8), in: folder) == nil)
        }
    }

    @Test(
        arguments: [
            ("*.txt", ["a.txt", "b.txt"]), ("[b]*", ["b.txt"]), ("*/*.md", ["sub/c.md"]),
            ("*/../?.txt", ["sub/../a.txt", "sub/../b.txt"]), (".*", [".hidden"]),
            ("'*'.txt", []), ("none/*", []), ("a.txt/*", []),
        ])
    func `a pattern fits names here as it does in the tree`(pattern: String, names: [String])
        async throws
    {
        try await withFolder { path, _ in
            for name in ["b.txt", "a.txt", ".hidden", "sub/c.md"] {
                try FileSystem.write("x", to: "\(path)/\(name)")
            }

            let found = try await disk.expand(try word("\(path)/\(pattern)"))

            #expect(
                found.map { String(decoding: $0, as: UTF8.self) } == names.map { "\(path)/\($0)" })
        }
    }

    @Test func `a mirror removes a link and not what it leads to, and no directory that holds any`()
        async throws
    {
        try await withFolder { path, folder in
            try FileSystem.write("x", to: "\(path)/full/target")
            try #require(symlink("full/target", "\(path)/link") == 0)

            try await disk.remove([UInt8]("link".utf8), in: folder, isDirectory: false)
            try await disk.remove([UInt8]("link".utf8), in: folder, isDirectory: false)
            await #expect(throws: LocalFailure.self) {
                try await disk.remove([UInt8]("full".utf8), in: folder, isDirectory: true)
            }

            #expect(try await disk.list(folder).map(\.name) == [[UInt8]("full".utf8)])
            #expect(try FileSystem.read("\(path)/full/target") == [UInt8]("x".utf8))
        }
    }

    @Test func `a link of somebody else is not followed where everybody may put one`() {
        var shared = stat()
        shared.st_mode = S_IFDIR | S_ISVTX | 0o777
        shared.st_uid = geteuid() + 1
        var own = shared
        own.st_mode = S_IFDIR | 0o777

        #expect(LocalDisk.isTrusted(owner: geteuid(), directory: shared))
        #expect(LocalDisk.isTrusted(owner: shared.st_uid, directory: shared))
        #expect(!LocalDisk.isTrusted(owner: geteuid() + 2, directory: shared))
        #expect(LocalDisk.isTrusted(owner: geteuid() + 2, directory: own))
    }

    @Test func `a link that is not followed is refused before anything is fetched`() async throws {
        // Another user's link can only be made by root.
        guard geteuid() == 0 else { return }
        try await withFolder { path, _ in
            try #require(chmod(path, 0o1777) == 0)
            try #require(chown(path, 1, 1) == 0)
            try #require(symlink("/tmp/victim-\(getpid())", "\(path)/link") == 0)
            try #require(lchown("\(path)/link", 2, 2) == 0)

            await #expect(throws: ShellFailure.self) {
                _ = try await LocalPlace(target: [UInt8]("\(path)/link".utf8), name: [0x66], disk)
            }
        }
    }
}
