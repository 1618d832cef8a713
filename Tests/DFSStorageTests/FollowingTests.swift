import DFSProtocol
import FileService
import Glibc
import Synchronization
import Testing

@testable import DFSStorage

/// What others do in an exported folder, seen by the ledger without any request.
@Suite struct FollowingTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func `a file that others make, edit and remove is followed`() throws {
        let disk = try OpenStore(folder)
        let file = path("/a.txt")

        try folder.write("one", to: "a.txt")
        #expect(disk.wait { disk.known(file)?.size == 3 })
        let made = try #require(disk.known(file))
        try folder.write("three", to: "a.txt")
        #expect(disk.wait { disk.known(file)?.size == 5 })
        let edited = try #require(disk.known(file))
        unlink("\(folder.path)/a.txt")
        #expect(disk.wait { disk.known(file) == nil })

        #expect(edited.fid == made.fid)
        #expect(edited.ver > made.ver)
    }

    @Test func `an edit that restores size and time is seen all the same`() throws {
        try folder.write("one", to: "a.txt")
        let disk = try OpenStore(folder)
        let before = try #require(disk.known(path("/a.txt")))

        try folder.write("two", to: "a.txt")
        var times = [
            timespec(tv_sec: 0, tv_nsec: (1 << 30) - 2),
            timespec(
                tv_sec: Int(before.mtime.seconds), tv_nsec: Int(before.mtime.nanoseconds)),
        ]
        utimensat(AT_FDCWD, "\(folder.path)/a.txt", &times, 0)

        #expect(disk.wait { (disk.known(path("/a.txt"))?.ver ?? 0) > before.ver })
    }

    @Test func `a change of mode alone counts no version`() throws {
        try folder.write("one", to: "a.txt")
        let disk = try OpenStore(folder)

        chmod("\(folder.path)/a.txt", 0o600)

        #expect(disk.wait { disk.known(path("/a.txt"))?.mode == FileMode(bits: 0o600) })
        #expect(disk.known(path("/a.txt"))?.ver == 0)
    }

    @Test func `a rename by others keeps identity and version, of directories too`() throws {
        _ = folder.folder("d/e")
        try folder.write("one", to: "d/e/f")
        let disk = try OpenStore(folder)
        let before = try #require(disk.known(path("/d/e/f")))

        rename("\(folder.path)/d", "\(folder.path)/g")
        #expect(disk.wait { disk.known(path("/g/e/f")) != nil })
        rename("\(folder.path)/g/e/f", "\(folder.path)/h")
        #expect(disk.wait { disk.known(path("/h")) != nil })

        #expect(disk.known(path("/h")) == before)
        #expect(disk.known(path("/d")) == nil)
        #expect(disk.known(path("/g/e/f")) == nil)
    }

    @Test func `two renames in a row keep the identity`() throws {
        try folder.write("one", to: "a")
        let disk = try OpenStore(folder)
        let before = try #require(disk.known(path("/a")))

        rename("\(folder.path)/a", "\(folder.path)/b")
        rename("\(folder.path)/b", "\(folder.path)/c")

        #expect(disk.wait { disk.known(path("/c")) != nil })
        #expect(disk.known(path("/c"))?.fid == before.fid)
    }

    @Test func `files in new directories are found however fast they come`() throws {
        let disk = try OpenStore(folder)

        for number in 0..<50 {
            _ = folder.folder("d\(number)/x/y")
            try folder.write("z", to: "d\(number)/x/y/z")
        }

        #expect(disk.wait { disk.store.census().files == 50 })
        #expect(disk.store.census().directories == 151)
    }

    @Test func `what others did while nobody served is found at the next start`() throws {
        var disk = try OpenStore(folder)
        for name in ["kept", "edited", "removed"] { try disk.put("x", at: path("/" + name)) }
        let kept = disk.known(path("/kept"))
        let edited = try #require(disk.known(path("/edited")))
        let generation = disk.store.generation
        try disk.store.close()
        try folder.write("longer", to: "edited")
        unlink("\(folder.path)/removed")
        try folder.write("x", to: "new")

        disk = try OpenStore(folder)

        let changes = try #require(disk.store.changes(after: generation, limit: 100))
        #expect(
            changes.map(\.report.path).sorted()
                == [path("/edited"), path("/new"), path("/removed")])
        #expect(changes.map(\.generation) == Array((generation + 1)...(generation + 3)))
        #expect(disk.known(path("/kept")) == kept)
        #expect(disk.known(path("/edited"))?.fid == edited.fid)
        #expect(disk.known(path("/edited"))?.ver == edited.ver + 1)
        #expect(disk.known(path("/new"))?.ver == 0)
    }

    @Test func `what the service does is told once and not again as an outside edit`() throws {
        let disk = try OpenStore(folder)
        let generation = disk.store.generation
        try disk.put("one", at: path("/a"))
        let session = try disk.store.open(path("/a"), .readWrite, mode: nil)
        try session.write("two", at: 0)
        _ = try session.close()
        try disk.store.rename(path("/a"), to: path("/b"))
        let facts = try #require(disk.known(path("/b")))
        let told = try #require(disk.store.changes(after: generation, limit: 100))

        // The event of this file comes after those of all before it.
        try folder.write("x", to: "last")
        #expect(disk.wait { disk.known(path("/last")) != nil })

        let later = try #require(disk.store.changes(after: generation, limit: 100))
        #expect(disk.known(path("/b")) == facts)
        #expect(told.count == 4)
        #expect(
            later.dropFirst(4).allSatisfy { $0.report.path == path("/last") },
            "\(later.map(\.report))")
    }

    @Test func `events that were dropped lead to a scan`() throws {
        let limit = "/proc/sys/fs/inotify/max_queued_events"
        let before = try Setting.read(limit)
        // Only a privileged run can make the queue short; elsewhere the rescan test stands for it.
        guard Setting.write("1", to: limit) else { return }
        let said = Mutex<[String]>([])
        let disk: OpenStore
        do {
            defer { _ = Setting.write(before, to: limit) }
            disk = try OpenStore([ExportSettings(folder: folder.path)]) { sentence in
                said.withLock { $0.append(sentence) }
            }
        }

        for number in 0..<500 { try folder.write("x", to: "f\(number)") }

        #expect(disk.wait { disk.store.census().files == 500 })
        #expect(disk.store.followers[0].progress.current.scans > 1)
        #expect(said.withLock { $0.contains { $0.contains("too many changes") } })
    }

    @Test func `a scan ends, however often another one is asked for meanwhile`() throws {
        for number in 0..<10 { _ = folder.folder("d\(number)") }
        let store = try DiskStore.open(exports: [ExportSettings(folder: folder.path)])
        defer { store.abandon() }
        // The end of a scan waits for the ledger; the follower's turns are taken by hand.
        store.table.exports[0].ledger.start()
        let follower = store.followers[0]
        defer { follower.progress.finish() }
        var round = FollowRound(follower)

        for _ in 0..<30 {
            follower.rescan()
            round.turn()
        }

        #expect(follower.progress.current.scans == 2)
        #expect(store.census().directories == 11)
    }

    @Test(arguments: [false, true])
    func `directories that left the export are not watched any more`(byScan: Bool) throws {
        _ = folder.folder("export/d/e/f")
        _ = folder.folder("export/g")
        let disk = try OpenStore([ExportSettings(folder: folder.path + "/export")])
        let progress = disk.store.followers[0].progress
        #expect(progress.current.watches == 5)

        rename("\(folder.path)/export/d", "\(folder.path)/archive")
        if byScan { disk.store.rescan() }

        #expect(disk.wait { progress.current.watches == 2 })
        #expect(disk.known(path("/d/e")) == nil)
        rename("\(folder.path)/archive", "\(folder.path)/export/back")
        #expect(disk.wait { disk.known(path("/back/e/f")) != nil })
        try folder.write("x", to: "export/back/e/f/a")
        #expect(disk.wait { disk.known(path("/back/e/f/a")) != nil })
    }

    @Test func `a directory that moves within the export stays watched`() throws {
        _ = folder.folder("d/e/f")
        let disk = try OpenStore(folder)

        rename("\(folder.path)/d/e", "\(folder.path)/g")
        #expect(disk.wait { disk.known(path("/g/f")) != nil })
        try folder.write("x", to: "g/f/a")

        #expect(disk.wait { disk.known(path("/g/f/a")) != nil })
        #expect(disk.store.followers[0].progress.current.watches == 4)
    }

    @Test func `a rescan finds what no event told`() throws {
        try folder.write("x", to: "a")
        let disk = try OpenStore(folder)
        let scans = disk.store.followers[0].progress.current.scans

        disk.store.rescan()

        #expect(disk.wait { disk.store.followers[0].progress.current.scans > scans })
        #expect(disk.known(path("/a"))?.ver == 0)
    }

    @Test func `temporary files of an interrupted store are removed at the next start`() throws {
        _ = folder.folder("d")
        try folder.write("x", to: "d/.dfs-tmp-1-1")

        _ = try OpenStore(folder)

        #expect(!folder.exists("d/.dfs-tmp-1-1"))
    }
}

/// A setting of the kernel.
enum Setting {
    static func read(_ path: String) throws -> String {
        let descriptor = open(path, O_RDONLY)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    static func write(_ text: String, to path: String) -> Bool {
        let descriptor = open(path, O_WRONLY)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count
    }
}
