import DFSProtocol
import FileService
import Glibc
import Testing

@testable import DFSStorage

@Suite struct NameTests {
    let folder: TemporaryFolder
    let disk: OpenStore

    init() throws {
        folder = try TemporaryFolder()
        disk = try OpenStore(folder)
    }

    static let strange: [[UInt8]] = [
        Array("with space".utf8), Array("line\nbreak".utf8), [0x1B, 0x5B, 0x32, 0x4A],
        [0xFF, 0xFE, 0x80], Array("{5}".utf8), Array("@7".utf8), Array("-rf".utf8),
        Array("...".utf8), [UInt8](repeating: 0x61, count: 255), [0x7F], Array("\u{202E}x".utf8),
        Array("a=b".utf8), Array("\"quoted\\\"".utf8), Array("*".utf8),
    ]

    @Test(arguments: strange)
    func `every name that Linux allows is stored, listed, renamed and removed`(
        name: [UInt8]
    ) throws {
        let directory = try TreePath.root.appending(name)
        let file = try directory.appending(name)

        try disk.put("x", at: file)

        #expect(try disk.get(file) == "x")
        #expect(
            try disk.store.list(.root, after: nil, limit: 10).entries.map(\.path) == [directory])
        #expect(
            try disk.store.list(directory, after: nil, limit: 10).entries.map(\.path) == [file])
        try disk.store.rename(file, to: path("/moved"))
        try disk.store.rename(path("/moved"), to: file)
        try disk.store.remove(file, recursive: false)
        try disk.store.remove(directory, recursive: false)
        #expect(try disk.names(in: .root) == [])
    }

    @Test func `names that others made are found at the first scan`() throws {
        let other = try TemporaryFolder()
        for name in NameTests.strange {
            let file = withName(Array(other.path.utf8) + [0x2F] + name) { creat($0, 0o644) }
            try #require(file >= 0)
            close(file)
        }

        let disk = try OpenStore(other)

        let expected = try NameTests.strange.map { try TreePath.root.appending($0) }.sorted()
        #expect(try disk.inventory(page: 3).map(\.path) == expected)
    }

    @Test func `a name of 256 bytes is too long, and so is a path over 4096`() throws {
        let name = [UInt8](repeating: 0x61, count: 256)

        #expect(refusal { _ = try TreePath.root.appending(name) } == .nameTooLong)
    }

    @Test(arguments: [255, 15])
    func `a path of 4096 bytes works in every way`(componentBytes: Int) throws {
        let name = [UInt8](repeating: 0x61, count: componentBytes)
        var deep = TreePath.root
        while deep.bytes.count + name.count + 1 <= 4094 { deep = try deep.appending(name) }
        let rest = 4096 - deep.bytes.count - 1
        let file = try deep.appending([UInt8](repeating: 0x66, count: rest))
        try #require(file.bytes.count == 4096)

        try disk.put("deep", at: file)

        #expect(try disk.get(file) == "deep")
        #expect(try disk.store.entry(file).facts.size == 4)
        #expect(try disk.store.list(deep, after: nil, limit: 5).entries.map(\.path) == [file])
        #expect(try disk.inventory().last?.path == file)
        try disk.store.rename(file, to: path("/up"))
        try disk.store.rename(path("/up"), to: file)
        try disk.store.remove(try TreePath.root.appending(name), recursive: true)
        #expect(try disk.names(in: .root) == [])
        #expect(try disk.inventory() == [])
        #expect(disk.wait { folder.entries(".dfs/trash") == [] })
    }

    @Test func `listing is bytewise, in pages, behind a name that need not exist`() throws {
        for name in ["b", "a", "a-b", "B", "c"] { try disk.put("x", at: path("/" + name)) }

        let first = try disk.store.list(.root, after: nil, limit: 2)
        let second = try disk.store.list(.root, after: Array("a0".utf8), limit: 2)
        let exact = try disk.store.list(.root, after: Array("a-b".utf8), limit: 2)

        #expect(first.entries.map(\.path) == [path("/B"), path("/a")])
        #expect(first.hasMore)
        #expect(second.entries.map(\.path) == [path("/b"), path("/c")])
        #expect(!second.hasMore)
        #expect(!exact.hasMore)
    }
}
