import CPosix
import DFSProtocol
import FileService
import Glibc
import Synchronization
import Testing

@testable import DFSStorage

/// Waiting for the disk together.
@Suite struct FlushTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func directory() throws -> Descriptor {
        try Descriptor(
            withName([UInt8](folder.path.utf8)) {
                dfs_openat(-100, $0, O_RDONLY | dfs_o_directory, 0)
            })
    }

    /// Holds the first flush until it is let go, and counts all.
    private final class Gate: Sendable {
        let count = Atomic<Int>(0)
        let entered = Flag()
        let opened = Flag()
        let signal = ChangeSignal()
        /// What the second flush fails with.
        let failure: Int32?

        init(failure: Int32? = nil) { self.failure = failure }

        func flush() -> SystemError? {
            let number = count.add(1, ordering: .relaxed).newValue
            entered.raise()
            signal.signal()
            if number == 1 { #expect(signal.wait { opened.isRaised }) }
            return number == 2 ? failure.map { SystemError($0) } : nil
        }
    }

    @Test(arguments: [nil, EIO])
    func `all who come while a flush runs share the next one, and its failure`(failure: Int32?)
        throws
    {
        let gate = Gate(failure: failure)
        let flushes = FolderFlushes { _ in gate.flush() }
        let directory = try directory()
        let outcomes = Mutex([Int32]())
        let sync: @Sendable () -> Void = {
            do throws(SystemError) {
                try flushes.sync(directory, FileIdentity(device: 1, inode: 7))
                outcomes.withLock { $0.append(0) }
            } catch {
                outcomes.withLock { $0.append(error.code) }
            }
        }

        let first = Background { sync() }
        #expect(gate.signal.wait { gate.entered.isRaised })
        let others = (0..<5).map { _ in Background { sync() } }
        #expect(gate.signal.wait { flushes.waiters(for: FileIdentity(device: 1, inode: 7)) == 5 })
        // Another directory waits for nobody.
        #expect(refusal { try self.other(directory) } == nil)
        gate.opened.raise()
        gate.signal.signal()
        for waiter in [first] + others { waiter.wait() }

        #expect(gate.count.load(ordering: .relaxed) == 2)
        #expect(
            outcomes.withLock { $0.sorted() } == [0] + Array(repeating: failure ?? 0, count: 5))
    }

    private func other(_ directory: Descriptor) throws {
        let flushes = FolderFlushes()
        // The same inode of another file system is another directory.
        try flushes.sync(directory, FileIdentity(device: 2, inode: 7))
        try flushes.sync(directory, FileIdentity(device: 2, inode: 7))
    }

    @Test func `files stored at once in one new directory are all there, each whole`() throws {
        let disk = try OpenStore(folder)
        let writers = (0..<8).map { writer in
            Background {
                for round in 0..<10 {
                    let name = path("/new/dir/\(writer)-\(round)")
                    try disk.put(String(repeating: "\(writer)", count: 4096), at: name)
                }
            }
        }
        for writer in writers { writer.wait() }

        let names = try disk.names(in: path("/new/dir"))
        #expect(names.count == 80)
        #expect(disk.store.table.exports[0].fresh.withLock { $0.isEmpty })
        for name in names {
            let text = try disk.get(path("/new/dir/\(name)"))
            #expect(text.utf8.count == 4096 && Set(text).count == 1)
        }
    }

    @Test func `whoever stores in a directory that another made waits until the disk has its name`()
        throws
    {
        let disk = try OpenStore(folder)
        try disk.put("x", at: path("/kept"))
        let fault = try Fault(DFS_SYNC, EIO, at: folder.path)
        #expect(refusal { try disk.put("x", at: path("/new/a")) } == .io)

        // The directory is there, but its name is not on the disk: nobody is told OK.
        #expect(folder.exists("new"))
        #expect(refusal { try disk.put("x", at: path("/new/b")) } == .io)
        fault.disarm()

        try disk.put("x", at: path("/new/b"))
        #expect(disk.store.table.exports[0].fresh.withLock { $0.isEmpty })
    }

    /// Whether two files are flushed by one sync of their file system, which is watched for that.
    private func isOneSync(dirty: Int64?) throws -> Bool {
        let files = try ["a", "b"].map { name throws in
            try folder.write("x", to: name)
            return try Descriptor(open("\(folder.path)/\(name)", O_RDWR | O_CLOEXEC))
        }
        let fault = try Fault(DFS_SYNC_ALL, EIO, at: folder.path + "/a", passing: 1)
        defer { fault.disarm() }
        var flushes = FlushTogether { dirty }
        #expect(flushes.flush(files) == [nil, nil])
        // The one that passes is over if the flush was it.
        return dfs_sync_all(files[0].number) == -EIO
    }

    @Test(arguments: [
        (Int64?.none, true), (0, true), (32 << 20, true), ((32 << 20) + 1, false), (.max, false),
    ])
    func `few files do not wait until all that others wrote is on the disk`(
        dirty: Int64?, isTogether: Bool
    ) throws {
        #expect(try isOneSync(dirty: dirty) == isTogether)
    }

    @Test func `what waits in memory is read as the kernel writes it`() throws {
        let lines = "nr_free_pages 7\nnr_dirty 12\nnr_writeback 30\nnr_dirty_threshold 999\n"

        #expect(DirtyMemory.pages(in: ArraySlice(lines.utf8)) == 42)
        #expect(DirtyMemory.pages(in: ArraySlice("nr_dirty 12\n".utf8)) == nil)
        #expect(DirtyMemory.pages(in: ArraySlice("nr_dirty x\nnr_writeback 1\n".utf8)) == nil)
        #expect(try #require(DirtyMemory.bytes()) >= 0)
    }

    @Test(arguments: [
        ("5.16.20", 0), ("5.17.0-rc1", 1), ("6.1.0-13-amd64", 1), ("4.19", 0), ("10.0", 1), ("", 0),
    ])
    func `a kernel that may not tell of a sync that failed is not trusted with one`(
        release: String, isTrusted: Int32
    ) {
        #expect(dfs_tells_sync_failures(release) == isTrusted)
    }

    @Test func `many new directories at once are brought to the disk by one call`() throws {
        let disk = try OpenStore(folder)

        try disk.put("x", at: path("/1/2/3/4/5/6/7/8/9/10/file"))

        #expect(try disk.get(path("/1/2/3/4/5/6/7/8/9/10/file")) == "x")
        #expect(disk.store.table.exports[0].fresh.withLock { $0.isEmpty })
    }

    @Test func `many new directories are brought to the disk where they are, or one by one`() throws
    {
        let disk = try OpenStore(folder)
        let deep = path("/1/2/3/4/5/6/7/8/9/10/file")
        let whole = try Fault(DFS_SYNC_ALL, EIO, at: folder.path)
        #expect(refusal { try disk.put("x", at: deep) } == .io)
        // The directories stand, and nobody says that the disk has their names.
        #expect(folder.exists("1/2/3/4/5/6/7/8/9/10"))
        #expect(disk.store.table.exports[0].fresh.withLock { $0.count } == 10)
        whole.disarm()

        // A file system that may do less than promised is asked for each name.
        let other = try Fault(DFS_SYNC_ALL, EOPNOTSUPP, at: folder.path)
        try disk.put("x", at: path("/a/2/3/4/5/6/7/8/9/10/file"))
        try disk.put("x", at: deep)
        other.disarm()
        #expect(disk.store.table.exports[0].fresh.withLock { $0.isEmpty })
    }

    @Test func `a directory whose own directory is another one on disk is busy, and flushed later`()
        throws
    {
        // Nobody follows what others do in the folder, so that the ledger does not learn of it.
        let store = try DiskStore.open(exports: [ExportSettings(folder: folder.path)])
        let export = store.table.exports[0]
        export.ledger.start()
        export.rounds.start(export)
        defer {
            export.rounds.stop()
            export.ledger.abandon()
            export.release()
        }
        func put(_ name: String) throws {
            let replacement = try store.beginReplacement(of: path(name), mode: nil)
            try replacement.write("x")
            _ = try replacement.commit(mtime: nil)
        }
        try put("/a/file")
        let fault = try Fault(DFS_SYNC, EIO, at: folder.path + "/a")
        #expect(refusal { try put("/a/new/file") } == .io)
        fault.disarm()

        rename(folder.path + "/a", folder.path + "/away")
        _ = folder.folder("a")
        rename(folder.path + "/away/new", folder.path + "/a/new")
        #expect(refusal { try put("/a/new/file") } == .busy)
        #expect(!folder.exists("a/new/file"))

        // The ledger learns of the other directory, as it does from whoever follows the folder.
        _ = try store.entry(path("/a"))
        try put("/a/new/file")
        #expect(folder.read("a/new/file") == "x")
    }
}
