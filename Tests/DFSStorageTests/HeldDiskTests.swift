import DFSProtocol
import FileService
import Glibc
import Synchronization
import Testing

@testable import DFSStorage

/// A file system on a loop device that can be made to answer no write.
final class HeldDisk: Sendable {
    let path: String

    init?(in folder: TemporaryFolder) {
        path = folder.folder("held")
        let image = folder.path + "/image"
        let commands = [
            ["/usr/bin/truncate", "-s", "16M", image], ["/usr/sbin/mkfs.ext4", "-q", "-F", image],
            ["/bin/mount", "-o", "loop", image, path],
        ]
        for command in commands where HeldDisk.run(command) != 0 { return nil }
    }

    private static func run(_ words: [String]) -> Int32 {
        switch words.count {
        case 4: TemporaryFolder.run(words[0], words[1], words[2], words[3])
        default: TemporaryFolder.run(words[0], words[1], words[2], words[3], words[4])
        }
    }

    func hold() -> Bool { TemporaryFolder.run("/usr/sbin/fsfreeze", "-f", path) == 0 }

    func letGo() { TemporaryFolder.run("/usr/sbin/fsfreeze", "-u", path) }

    deinit { TemporaryFolder.run("/bin/umount", "-l", path) }
}

/// One export whose disk does not answer, and what others hear of the other.
@Suite(.enabled(if: geteuid() == 0, "needs a file system of its own"))
struct HeldDiskTests {
    let folder: TemporaryFolder
    let held: HeldDisk
    let disk: OpenStore

    init() throws {
        folder = try TemporaryFolder()
        held = try #require(HeldDisk(in: folder))
        disk = try OpenStore([
            ExportSettings(folder: folder.folder("good"), mount: path("/good")),
            ExportSettings(folder: held.path, mount: path("/held")),
        ])
        try disk.put("x", at: path("/good/a"))
        try disk.put("x", at: path("/held/a"))
    }

    @Test func `a ledger that can not be written keeps nothing of another export from being told`()
        throws
    {
        let export = disk.store.table.exports[1]
        let listed = try disk.inventory().map(\.path)
        let place = try #require(export.ledger.state.withLock { $0.tree.find([[0x61]]) })
        try #require(held.hold())
        defer { held.letGo() }
        // A change that the disk can not have.
        export.ledger.state.withLock { $0.raiseVersion(place) }
        export.ledger.wake()

        let generation = disk.store.generation
        try disk.put("y", at: path("/good/b"))
        #expect(disk.store.generation == generation + 1)
        let changes = disk.store.changes(after: generation, limit: 10)
        #expect(changes?.map(\.report.path) == [path("/good/b")])

        let told = Mutex<[TreePath]>([])
        let disk = disk
        let telling = Background {
            let paths = try disk.inventory(page: 1).map(\.path)
            told.withLock { $0 = paths }
        }
        telling.wait()
        #expect(told.withLock { Set($0) } == Set(listed + [path("/good/b")]))

        held.letGo()
        #expect(disk.wait { disk.store.generation == generation + 2 })
        #expect(try disk.store.entry(path("/held/a")).facts.ver == 2)
    }
}
