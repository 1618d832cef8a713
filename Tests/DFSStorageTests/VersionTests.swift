import CPosix
import DFSProtocol
import FileService
import Testing

@testable import DFSStorage

@Suite struct VersionTests {
    let folder: TemporaryFolder
    let file = path("/a.txt")

    init() throws { folder = try TemporaryFolder() }

    @Test func `a file that is created has version zero and an identity`() throws {
        let disk = try OpenStore(folder)

        let facts = try disk.store.open(file, .create, mode: nil).facts()

        #expect(facts.ver == 0)
        #expect(facts.fid > 0)
        #expect(facts.size == 0)
    }

    @Test func `what is told of a name is never told of another file at its place in the ledger`()
        throws
    {
        let disk = try OpenStore(folder)
        let export = disk.store.table.exports[0]
        func place(_ name: String) -> NodeID? {
            export.ledger.state.withLock { $0.tree.find([ArraySlice(name.utf8)]) }
        }
        let before = try disk.put("one", at: path("/a"))
        let old = try #require(place("a"))
        let top = try export.openFolder(.root)
        let name = [UInt8]("a".utf8)
        #expect(try export.entry(of: old, named: name, path("/a"), in: top)?.facts == before.facts)

        // Between two looks of one who asks for `/a`.
        try disk.store.remove(path("/a"), recursive: false)
        try disk.put("two", at: path("/b"))
        let now = try disk.put("three", at: path("/a")).facts
        try #require(place("b") == old)

        #expect(try export.entry(of: old, named: name, path("/a"), in: top) == nil)
        #expect(try disk.store.entry(path("/a")).facts == now)
    }

    @Test func `sync counts once after changes and not without`() throws {
        let disk = try OpenStore(folder)
        let session = try disk.store.open(file, .create, mode: nil)
        try session.write("one", at: 0)
        try session.write("two", at: 3)

        let first = try session.sync()
        let second = try session.sync()

        #expect(first.ver == 1)
        #expect(first.size == 6)
        #expect(second.ver == 1)
    }

    @Test func `close counts what was not synced, and nothing else`() throws {
        let disk = try OpenStore(folder)
        let writer = try disk.store.open(file, .create, mode: nil)
        try writer.write("x", at: 0)
        let written = try writer.close()

        let idle = try disk.store.open(file, .readWrite, mode: nil).close()

        #expect(written.ver == 1)
        #expect(idle.ver == 1)
    }

    @Test func `a session that ends without close is counted once`() throws {
        let disk = try OpenStore(folder)
        do {
            let session = try disk.store.open(file, .create, mode: nil)
            try session.write("x", at: 0)
        }

        #expect(try disk.store.entry(file).facts.ver == 1)
    }

    @Test func `two sessions whose changes one sync covers count one version`() throws {
        let disk = try OpenStore(folder)
        let first = try disk.store.open(file, .create, mode: nil)
        let second = try disk.store.open(file, .readWrite, mode: nil)
        try first.write("a", at: 0)
        try second.write("b", at: 1)

        _ = try first.sync()

        #expect(try second.close().ver == 1)
        #expect(try first.close().ver == 1)
    }

    @Test func `store keeps the identity and counts the version`() throws {
        let disk = try OpenStore(folder)
        let first = try disk.put("one", at: file)

        let second = try disk.put("three", at: file)

        #expect(first.facts.ver == 1)
        #expect(second.facts.ver == 2)
        #expect(second.facts.fid == first.facts.fid)
        #expect(second.facts.size == 5)
    }

    @Test func `rename keeps identity and version, also of what is below a directory`() throws {
        let disk = try OpenStore(folder)
        let before = try disk.put("x", at: path("/d/e/f")).facts

        try disk.store.rename(path("/d"), to: path("/g/h"))

        let after = try disk.store.entry(path("/g/h/e/f")).facts
        #expect(after == before)
        #expect(refusal { _ = try disk.store.entry(path("/d")) } == .notFound)
    }

    @Test func `a file made anew under a removed name has another identity`() throws {
        let disk = try OpenStore(folder)
        let first = try disk.put("x", at: file).facts
        try disk.store.remove(file, recursive: false)

        let second = try disk.put("x", at: file).facts

        #expect(second.fid != first.fid)
        #expect(second.ver == 1)
    }

    @Test func `identity and version outlive a restart, and no identity is given again`() throws {
        var disk = try OpenStore(folder)
        let before = try disk.put("x", at: file).facts
        try disk.store.close()

        disk = try OpenStore(folder)
        let after = try disk.store.entry(file).facts
        let other = try disk.put("y", at: path("/b")).facts

        #expect(after == before)
        #expect(other.fid > before.fid)
    }

    @Test func `after a kill what was answered still holds`() throws {
        var disk = try OpenStore(folder)
        let created = try disk.store.open(path("/c"), .create, mode: nil).facts()
        let stored = try disk.put("x", at: file).facts
        try disk.store.rename(file, to: path("/b"))
        disk.store.abandon()

        disk = try OpenStore(folder)

        #expect(try disk.store.entry(path("/b")).facts == stored)
        #expect(try disk.store.entry(path("/c")).facts.fid == created.fid)
        #expect(try disk.store.entry(path("/c")).facts.ver == created.ver)
    }

    @Test func `changes that a kill left uncounted are counted once, over two restarts`() throws {
        var disk = try OpenStore(folder)
        let before = try disk.put("12345", at: file).facts
        let session = try disk.store.open(file, .readWrite, mode: nil)
        try session.write("abcde", at: 0)
        disk.store.abandon()

        disk = try OpenStore(folder)
        let once = try disk.store.entry(file).facts
        disk.store.abandon()
        disk = try OpenStore(folder)
        let twice = try disk.store.entry(file).facts

        #expect(once.fid == before.fid)
        #expect(once.ver == before.ver + 1)
        #expect(twice.ver == before.ver + 1)
        #expect(try disk.get(file) == "abcde")
    }

    @Test func `setting attributes counts no version and is kept`() throws {
        let disk = try OpenStore(folder)
        let before = try disk.put("x", at: file).facts
        let mtime = WallTime(seconds: 1_000_000_000, nanoseconds: 123_456_789)

        let after = try disk.store.setAttributes(
            file, mode: FileMode(bits: 0o600), mtime: mtime
        ).facts

        #expect(after.ver == before.ver)
        #expect(after.mode == FileMode(bits: 0o600))
        #expect(after.mtime == mtime)
        #expect(try disk.store.entry(file).facts == after)
    }

    @Test func `a lost ledger gives no identity that the old one gave`() throws {
        var disk = try OpenStore(folder)
        let before = try disk.put("x", at: file).facts
        let generation = disk.store.generation
        try disk.store.close()
        TemporaryFolder.run("/bin/rm", "-rf", folder.path + "/.dfs")
        let second = dfs_wall_seconds()
        #expect(ChangeSignal().wait { dfs_wall_seconds() > second })

        disk = try OpenStore(folder)

        #expect(try disk.store.entry(file).facts.fid != before.fid)
        #expect(disk.store.changes(after: generation, limit: 10).map { $0.count } == nil)
    }
}
