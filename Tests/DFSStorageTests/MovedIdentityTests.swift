import CPosix
import DFSProtocol
import FileService
import Glibc
import Testing

@testable import DFSStorage

/// Identities and versions where a kill comes between a rename on the disk and its ledger.
@Suite struct MovedIdentityTests {
    let folder: TemporaryFolder
    let disk: OpenStore

    init() throws {
        folder = try TemporaryFolder()
        disk = try OpenStore(folder)
    }

    /// Renames with a ledger that keeps nothing any more, and starts again as after kill -9.
    private func killed(_ renames: [(String, String)]) throws -> OpenStore {
        disk.store.table.exports[0].ledger.abandon()
        for (from, target) in renames {
            #expect(refusal { try disk.store.rename(path(from), to: path(target)) } == .io)
        }
        disk.store.abandon()
        return try OpenStore(folder)
    }

    @Test func `a file keeps identity and version`() throws {
        try disk.put("one", at: path("/a"))
        let before = try disk.put("two", at: path("/a")).facts

        let after = try killed([("/a", "/b")])

        #expect(try after.store.entry(path("/b")).facts == before)
        #expect(try after.names(in: .root) == ["b"])
    }

    @Test func `a directory takes everything below it along`() throws {
        let before = try disk.put("x", at: path("/d/e/a")).facts
        try disk.put("y", at: path("/t/b"))

        let after = try killed([("/d", "/t/d")])

        #expect(try after.store.entry(path("/t/d/e/a")).facts == before)
        #expect(try after.names(in: .root) == ["t"])
    }

    @Test func `a file that replaced another is itself and not the other`() throws {
        let before = try disk.put("new", at: path("/a")).facts
        try disk.put("old", at: path("/b"))

        let after = try killed([("/a", "/b")])

        #expect(try after.store.entry(path("/b")).facts == before)
        #expect(try after.names(in: .root) == ["b"])
    }

    @Test func `moves that only later moves explain are all found`() throws {
        let first = try disk.put("1", at: path("/a")).facts
        let second = try disk.put("2", at: path("/b")).facts
        let third = try disk.put("3", at: path("/d/c")).facts

        let after = try killed([
            ("/a", "/t"), ("/b", "/a"), ("/t", "/b"),  // exchanged
            ("/d/c", "/c"), ("/c", "/d/x"), ("/d", "/e"),
        ])

        #expect(try after.store.entry(path("/b")).facts == first)
        #expect(try after.store.entry(path("/a")).facts == second)
        #expect(try after.store.entry(path("/e/x")).facts == third)
        #expect(try after.names(in: .root) == ["a", "b", "e"])
    }

    @Test func `a write before the rename is counted once`() throws {
        let before = try disk.put("one", at: path("/a")).facts
        let session = try disk.store.open(path("/a"), .readWrite, mode: nil)
        try session.write("two", at: 0)

        let after = try killed([("/a", "/b")]).store.entry(path("/b")).facts

        #expect(after.fid == before.fid)
        #expect(after.ver == before.ver + 1)
        // The session of the killed server is only here to live as long as it.
        _ = try? session.close()
    }

    @Test func `a rename that was marked and not made leaves both files as they were`() throws {
        let first = try disk.put("1", at: path("/a")).facts
        let second = try disk.put("2", at: path("/b")).facts
        let export = disk.store.table.exports[0]
        let mark = try #require(
            export.ledger.state.withLock { state in
                state.tree.child(of: LedgerTree.top, named: Array("a".utf8)).map {
                    MovingMarks.Mark(
                        place: $0, fid: state.tree[$0].fid, inode: state.tree[$0].stamp.inode,
                        parent: LedgerTree.top, parentInode: export.rootIdentity.inode,
                        name: Array("b".utf8))
                }
            })
        _ = try export.moves.mark(mark)
        #expect(export.moves.leftovers() == [mark])
        disk.store.abandon()

        let after = try OpenStore(folder)

        #expect(try after.store.entry(path("/a")).facts == first)
        #expect(try after.store.entry(path("/b")).facts == second)
        #expect(after.store.table.exports[0].moves.leftovers() == [])
    }

    @Test func `a rename that can not be marked is not made, and one that was leaves no mark`()
        throws
    {
        try disk.put("x", at: path("/a"))
        let moves = disk.store.table.exports[0].moves

        let fault = try Fault(DFS_WRITE, ENOSPC, at: folder.path + "/.dfs/moving")
        #expect(refusal { try disk.store.rename(path("/a"), to: path("/b")) } == .noSpace)
        fault.disarm()

        #expect(try disk.names(in: .root) == ["a"])
        try disk.store.rename(path("/a"), to: path("/new/b"))
        #expect(moves.leftovers() == [])
    }
}
