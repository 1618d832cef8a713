import CPosix
import DFSProtocol
import FileService
import Glibc
import Testing

@testable import DFSStorage

/// Disks that fail under a file: what it holds is not known until somebody has read all of it.
@Suite struct FaultTests {
    let folder: TemporaryFolder
    let disk: OpenStore
    let file = path("/a.txt")

    init() throws {
        folder = try TemporaryFolder()
        disk = try OpenStore(folder)
    }

    private func open(_ access: FileAccess = .readWrite) throws -> any OpenFile {
        try disk.store.open(file, access, mode: nil)
    }

    private func isUnverified() throws -> Bool {
        try disk.store.entry(file).facts.isUnverified
    }

    @Test func `a sync that failed is never OK later, and ends the other sessions too`() throws {
        let before = try disk.put("old", at: file).facts
        let (session, other) = (try open(), try open())
        try session.write("new", at: 0)
        try other.write("er", at: 3)

        let fault = try Fault(DFS_SYNC, EIO, at: folder.path + "/a.txt")
        #expect(refusal { _ = try session.sync() } == .io)
        fault.disarm()

        #expect(refusal { _ = try session.sync() } == .io)
        #expect(refusal { try session.write("x", at: 0) } == .io)
        #expect(refusal { try session.truncate(to: 0) } == .io)
        #expect(refusal { _ = try session.setAttributes(mode: nil, mtime: nil) } == .io)
        #expect(refusal { _ = try other.sync() } == .io)
        #expect(refusal { _ = try other.close() } == .io)
        #expect(refusal { _ = try session.close() } == .io)
        #expect(try disk.store.entry(file).facts.ver == before.ver + 1)
        #expect(try isUnverified())
        #expect(disk.store.census().unverified == 1)
    }

    @Test func `a file opened anew is written and synced, and stays marked`() throws {
        try fail()
        let session = try open()

        try session.write("X", at: 0)
        let facts = try session.sync()

        #expect(facts.isUnverified)
        #expect(try session.close().size == 3)
        #expect(try isUnverified())
    }

    @Test func `the mark survives a restart and a kill, and a rename`() throws {
        try fail()
        let ver = try disk.store.entry(file).facts.ver
        disk.store.abandon()
        let second = try OpenStore(folder)
        #expect(try second.store.entry(file).facts.isUnverified)
        #expect(try second.store.entry(file).facts.ver == ver)
        try second.store.rename(file, to: path("/b"))
        try second.store.close()

        let third = try OpenStore(folder)

        #expect(try third.store.entry(path("/b")).facts.isUnverified)
        #expect(third.store.census().unverified == 1)
        try third.store.remove(path("/b"), recursive: false)
        #expect(third.store.census().unverified == 0)
    }

    @Test func `a digest of the whole file verifies it, and its sessions go on`() throws {
        let session = try fail()
        let before = try disk.store.entry(file).facts

        let part = try disk.store.digest(file, range: (0, 2), isWanted: { true })
        #expect(part.facts.isUnverified)
        #expect(refusal { _ = try session.sync() } == .io)

        let whole = try disk.store.digest(file, range: nil, isWanted: { true })

        #expect(!whole.facts.isUnverified)
        #expect(whole.facts.ver == before.ver + 1)
        #expect(try disk.store.entry(file).facts == whole.facts)
        #expect(disk.store.census().unverified == 0)
        #expect(try session.sync().ver == whole.facts.ver)
        try session.write("more", at: 3)
        #expect(try session.close().ver == whole.facts.ver + 1)
    }

    @Test func `SYNC asks the disk also for what a killed run or another program had written`()
        throws
    {
        try disk.put("old", at: file)
        let session = try open()
        try folder.write("other", to: "a.txt")

        let fault = try Fault(DFS_SYNC, EIO, at: folder.path + "/a.txt")
        #expect(refusal { _ = try session.sync() } == .io)
        fault.disarm()

        #expect(try isUnverified())
    }

    @Test func `a digest of a file without a mark brings nothing to the disk for SYNC`() throws {
        try disk.put("old", at: file)
        let name = folder.path + "/a.txt"
        let session = try open()
        try session.write("more", at: 0)
        _ = try disk.store.digest(file, range: nil, isWanted: { true })
        let syncing = try Fault(DFS_SYNC, EIO, at: name)

        #expect(refusal { _ = try session.sync() } == .io)

        syncing.disarm()
    }

    @Test func `a digest that can not read or write back all of the file verifies nothing`() throws
    {
        try fail()
        let name = folder.path + "/a.txt"

        let reading = try Fault(DFS_READ, EIO, at: name)
        #expect(refusal { _ = try disk.store.digest(file, range: nil, isWanted: { true }) } == .io)
        reading.disarm()
        #expect(try isUnverified())
        let syncing = try Fault(DFS_SYNC, EIO, at: name)
        #expect(refusal { _ = try disk.store.digest(file, range: nil, isWanted: { true }) } == .io)
        syncing.disarm()

        #expect(try isUnverified())
        #expect(disk.store.census().unverified == 1)
    }

    @Test func `a file that replaces a marked one is not marked`() throws {
        try fail()

        let stored = try disk.put("whole", at: file).facts

        #expect(!stored.isUnverified)
        #expect(try !isUnverified())
        #expect(disk.store.census().unverified == 0)
    }

    @Test func `a write of which a part was made marks the file, also where the disk is full`()
        throws
    {
        try disk.put("old", at: file)
        let session = try open()

        let fault = try Fault(DFS_WRITE, ENOSPC, at: folder.path + "/a.txt", passing: 1)
        #expect(refusal { try session.write("abcdef", at: 0) } == .noSpace)
        fault.disarm()

        #expect(try disk.get(file) == "abc")
        #expect(try isUnverified())
        #expect(refusal { _ = try session.sync() } == .io)
        #expect(refusal { _ = try session.close() } == .io)
    }

    @Test func `a full disk that took nothing ends the session, and not the file`() throws {
        try disk.put("old", at: file)
        let (session, other) = (try open(), try open())
        try session.write("O", at: 0)

        let fault = try Fault(DFS_WRITE, ENOSPC, at: folder.path + "/a.txt")
        #expect(refusal { try session.write("abcdef", at: 0) } == .noSpace)
        #expect(refusal { _ = try session.append("abcdef") } == .io)
        fault.disarm()

        #expect(refusal { _ = try session.sync() } == .io)
        #expect(try !isUnverified())
        try other.write("L", at: 1)
        #expect(try other.close().ver == 2)
        #expect(try disk.get(file) == "OLd")
        #expect(refusal { _ = try session.close() } == .io)
    }

    @Test func `a session whose write was refused goes on once the file was read whole`() throws {
        try disk.put("old", at: file)
        let session = try open()
        let fault = try Fault(DFS_TRUNCATE, ENOSPC, at: folder.path + "/a.txt")
        #expect(refusal { try session.truncate(to: 1 << 20) } == .noSpace)
        fault.disarm()

        _ = try disk.store.digest(file, range: nil, isWanted: { true })

        try session.write("new", at: 0)
        #expect(try session.close().ver == 2)
    }

    @Test func `a value that the file system refuses ends nothing`() throws {
        let session = try open(.create)
        #expect(refusal { try session.write("xy", at: .max - 1) } == .range)
        #expect(refusal { try session.truncate(to: .max) } == .range)

        try session.write("x", at: 0)

        #expect(try session.close().ver == 1)
    }

    @Test func `an error of close is told, and marks what was written`() throws {
        try disk.put("old", at: file)
        let (reader, session) = (try open(.read), try open())
        try session.write("new", at: 0)

        let fault = try Fault(DFS_CLOSE, EIO, at: folder.path + "/a.txt")
        #expect(refusal { _ = try session.close() } == .io)
        #expect(refusal { _ = try reader.close() } == .io)
        fault.disarm()

        #expect(try isUnverified())
        #expect(refusal { _ = try session.close() } == .staleHandle)
    }

    @Test func `attributes whose sync failed end the sessions: it may have been a write's error`()
        throws
    {
        try disk.put("old", at: file)
        let session = try open()
        try session.write("new", at: 0)

        let fault = try Fault(DFS_SYNC, EIO, at: folder.path + "/a.txt")
        #expect(
            refusal { _ = try session.setAttributes(mode: FileMode(bits: 0o600), mtime: nil) }
                == .io)
        fault.disarm()

        #expect(refusal { _ = try session.sync() } == .io)
        #expect(try isUnverified())
    }

    @Test(arguments: [DFS_WRITE, DFS_SYNC, DFS_CLOSE])
    func `a replacement that the disk fails leaves the old file and nothing else`(
        call: dfs_faulty_call
    ) throws {
        let before = try disk.put("old", at: file).facts
        let replacement = try disk.store.beginReplacement(of: file, mode: nil)
        let temporary = try #require(folder.entries("").first { $0.hasPrefix(".dfs-tmp-") })

        let fault = try Fault(call, EIO, at: "\(folder.path)/\(temporary)")
        let writing = refusal { try replacement.write("new") }
        let committing = refusal { _ = try replacement.commit(mtime: nil) }
        replacement.abandon()
        fault.disarm()

        #expect(writing == (call == DFS_WRITE ? .io : nil))
        #expect(committing == .io)
        #expect(try disk.store.entry(file).facts == before)
        #expect(folder.entries("") == [".dfs", "a.txt"])
    }

    @Test func `a name that may not be on the disk leaves its file in doubt`() throws {
        try disk.put("old", at: path("/d/a"))

        let fault = try Fault(DFS_SYNC, EIO, at: folder.path + "/d")
        #expect(refusal { try disk.put("new", at: path("/d/a")) } == .io)
        #expect(refusal { _ = try disk.store.open(path("/d/b"), .create, mode: nil) } == .io)
        fault.disarm()

        #expect(try disk.store.entry(path("/d/a")).facts.isUnverified)
        #expect(try disk.store.entry(path("/d/b")).facts.isUnverified)
        _ = try disk.store.digest(path("/d/a"), range: nil, isWanted: { true })
        #expect(disk.store.census().unverified == 1)
    }

    @Test func `a change that can not be marked is not made`() throws {
        try disk.put("old", at: file)
        let session = try open()

        let fault = try Fault(DFS_WRITE, ENOSPC, at: folder.path + "/.dfs/writing")
        #expect(refusal { try session.write("new", at: 0) } == .noSpace)
        fault.disarm()

        #expect(try disk.get(file) == "old")
        try session.write("new", at: 0)
        #expect(try session.close().ver == 2)
    }

    @Test func `where the ledger can not be written either, the change is counted after a restart`()
        throws
    {
        let before = try disk.put("old", at: file).facts
        let session = try open()
        try session.write("new", at: 0)
        let fault = try Fault(DFS_SYNC, EIO, at: folder.path + "/a.txt")
        disk.store.table.exports[0].ledger.abandon()

        #expect(refusal { _ = try session.sync() } == .io)
        fault.disarm()
        disk.store.abandon()

        // One more than the version that was counted: that one may have been told.
        #expect(try OpenStore(folder).store.entry(file).facts.ver == before.ver + 2)
    }

    /// Fails the sync of a session; the file holds `new`.
    @discardableResult
    private func fail() throws -> any OpenFile {
        try disk.put("old", at: file)
        let session = try open()
        try session.write("new", at: 0)
        let fault = try Fault(DFS_SYNC, EIO, at: folder.path + "/a.txt")
        #expect(refusal { _ = try session.sync() } == .io)
        fault.disarm()
        return session
    }
}

/// Calls on one file that fail, until it is disarmed or forgotten.
final class Fault: Sendable {
    private let identity: FileIdentity
    /// Keeps the file, or another one would get its number and its fault.
    private let file: Descriptor

    init(_ call: dfs_faulty_call, _ error: Int32, at path: String, passing: Int32 = 0) throws {
        file = try Descriptor(
            withName([UInt8](path.utf8)) { dfs_openat(-100, $0, dfs_o_path | dfs_o_nofollow, 0) })
        identity = try file.status().identity
        let code = dfs_fault_arm(call, identity.device, identity.inode, error, passing)
        try #require(code == 0, "faults are armed in debug builds only: errno \(-code)")
    }

    func disarm() { dfs_fault_disarm(identity.device, identity.inode) }

    deinit { disarm() }
}
