import CPosix
import DFSProtocol
import FileService
import Glibc
import Synchronization
import Testing

@testable import DFSStorage

/// Folders that vanish, disks that are full or may not be written.
@Suite struct OutageTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func `a folder that is gone is an outage, and its files stay listed`() throws {
        let export = folder.folder("export")
        let disk = try OpenStore([ExportSettings(folder: export)])
        let before = try disk.put("x", at: path("/d/a")).facts
        let listed = try disk.inventory()

        rename(export, export + "-away")
        #expect(disk.wait { disk.store.table.exports[0].isGone })

        #expect(refusal { _ = try disk.store.entry(path("/d/a")) } == .io)
        #expect(refusal { _ = try disk.store.open(path("/d/a"), .read, mode: nil) } == .io)
        #expect(refusal { try disk.put("y", at: path("/b")) } == .io)
        #expect(refusal { try disk.store.remove(path("/d"), recursive: true) } == .io)
        #expect(try disk.inventory() == listed)

        rename(export + "-away", export)
        #expect(disk.wait { !disk.store.table.exports[0].isGone })
        #expect(try disk.store.entry(path("/d/a")).facts == before)
    }

    @Test func `another folder in its place is not served`() throws {
        let export = folder.folder("export")
        let disk = try OpenStore([ExportSettings(folder: export)])
        try disk.put("x", at: path("/a"))

        rename(export, export + "-away")
        mkdir(export, 0o755)
        #expect(disk.wait { disk.store.table.exports[0].isGone })

        #expect(refusal { try disk.put("y", at: path("/b")) } == .io)
        #expect(try disk.inventory().map(\.path) == [path("/a")])
        #expect(folder.entries("export") == [])
    }

    @Test func `a missing name is an outage at once where the folder is gone`() throws {
        let export = folder.folder("export")
        let disk = try OpenStore([ExportSettings(folder: export)])

        rename(export, export + "-away")

        #expect(refusal { _ = try disk.store.entry(path("/a")) } == .io)
    }

    @Test func `a folder in use, no folder and two at one place are refused with a sentence`()
        throws
    {
        let first = try OpenStore(folder)

        let inUse = refusal { _ = try DiskStore.open(exports: [.init(folder: folder.path)]) }
        let none = refusal { _ = try DiskStore.open(exports: [.init(folder: "/nowhere")]) }
        try folder.write("x", to: "file")
        let file = refusal {
            _ = try DiskStore.open(exports: [.init(folder: folder.path + "/file")])
        }
        let twice = refusal {
            _ = try DiskStore.open(exports: [.init(folder: "/tmp"), .init(folder: "/")])
        }

        #expect(inUse == .busy)
        #expect(none == .notFound)
        #expect(file == .notDirectory)
        #expect(twice == .badArgument)
        #expect(first.store.mounts == [.root])
    }

    @Test func `a folder inside another export is refused, in either order`() throws {
        let outer = folder.folder("outer")
        let inner = folder.folder("outer/inner")
        let mount = path("/inner")

        let apart = refusal {
            _ = try DiskStore.open(
                exports: [.init(folder: outer, mount: mount), .init(folder: inner, mount: .root)])
        }
        let alone = refusal { _ = try DiskStore.open(exports: [.init(folder: inner)]) }

        #expect(apart == .badArgument)
        #expect(alone == .badArgument)
    }

    @Test(.enabled(if: geteuid() == 0, "needs a file system of its own"))
    func `a full disk refuses writes, damages nothing and recovers`() throws {
        let disk = try #require(MountedFolder(folder.folder("full"), "size=2m"))
        let export = try OpenStore([ExportSettings(folder: disk.path)])
        try export.put("kept", at: path("/kept"))
        let session = try export.store.open(path("/growing"), .create, mode: nil)
        let block = String(repeating: "x", count: 65_536)
        var offset: Int64 = 0
        var code: ErrorCode?
        while code == nil, offset < 4 << 20 {
            code = refusal { try session.write(block, at: offset) }
            offset += 65_536
        }

        #expect(code == .noSpace)
        #expect(refusal { try export.put(block + block, at: path("/kept")) } == .noSpace)
        #expect(try export.get(path("/kept")) == "kept")
        #expect(try export.names(in: .root) == ["growing", "kept"])
        #expect(refusal { _ = try session.sync() } == .io)
        #expect(refusal { _ = try session.close() } == .io)
        let second = try export.store.open(path("/growing"), .readWrite, mode: nil)
        try second.truncate(to: 0)
        #expect(try second.append("again") == 5)
        #expect(export.wait { refusal { _ = try second.sync() } == nil })
        _ = try export.store.digest(path("/growing"), range: nil, isWanted: { true })
        #expect(export.store.census().unverified == 0)
        try export.store.remove(path("/kept"), recursive: false)
        try export.put("new", at: path("/kept"))
        #expect(try export.get(path("/kept")) == "new")
    }

    @Test(.enabled(if: geteuid() == 0, "needs a file system of its own"))
    func `a full disk does not keep anybody from removing`() throws {
        let disk = try #require(MountedFolder(folder.folder("full"), "size=2m"))
        let export = try OpenStore([ExportSettings(folder: disk.path)])
        try export.put("x", at: path("/d/a"))
        let fill = open(disk.path + "/fill", O_WRONLY | O_CREAT, 0o644)
        let block = [UInt8](repeating: 0, count: 4096)
        while Glibc.write(fill, block, block.count) > 0 {}
        close(fill)

        try export.store.rename(path("/d/a"), to: path("/d/b"))
        #expect(refusal { _ = try export.store.entry(path("/d/a")) } == .notFound)
        try export.store.remove(path("/d/b"), recursive: false)
        try export.store.remove(path("/d"), recursive: true)

        #expect(refusal { _ = try export.store.entry(path("/d")) } == .notFound)
    }

    @Test(.enabled(if: geteuid() == 0, "needs a file system of its own"))
    func `a read-only file system is served for reading`() throws {
        let disk = try #require(MountedFolder(folder.folder("ro"), "size=1m"))
        try folder.write("text", to: "ro/a")
        disk.remountReadOnly()
        let export = try OpenStore([ExportSettings(folder: disk.path)])

        #expect(try export.get(path("/a")) == "text")
        #expect(refusal { try export.put("x", at: path("/b")) } == .readOnly)
        #expect(refusal { try export.store.remove(path("/a"), recursive: false) } == .readOnly)
        #expect(
            refusal { _ = try export.store.open(path("/a"), .readWrite, mode: nil) } == .readOnly)
    }

    @Test(.enabled(if: geteuid() == 0, "needs a file system of its own"))
    func `a disk that became read-only is served for reading, with its identities`() throws {
        let export = folder.folder("disk")
        func settings(_ folder: String) -> [ExportSettings] {
            [
                ExportSettings(folder: folder, mount: path("/ro")),
                ExportSettings(folder: self.folder.folder("rw"), mount: path("/rw")),
            ]
        }
        var disk = try OpenStore(settings(export))
        let ledger = disk.store.served[0].ledger
        try disk.put("one", at: path("/ro/a"))
        let before = try disk.put("two", at: path("/ro/a")).facts
        // As kill -9 leaves it: what is newest stands in the log of the ledger alone.
        TemporaryFolder.run("/bin/cp", "-r", export + "/.dfs", folder.path + "/killed")
        try disk.store.close()
        TemporaryFolder.run("/bin/rm", "-r", export + "/.dfs")
        TemporaryFolder.run("/bin/cp", "-r", folder.path + "/killed", export + "/.dfs")
        // An older version kept no marks of names that move.
        #expect(unlink(export + "/.dfs/moving") == 0)
        let view = try #require(MountedFolder(folder.folder("view"), viewOf: export))
        view.remount("ro,bind")
        let said = Mutex<[String]>([])

        disk = try OpenStore(settings(view.path)) { sentence in
            said.withLock { $0.append(sentence) }
        }

        #expect(try disk.store.entry(path("/ro/a")).facts == before)
        #expect(try disk.get(path("/ro/a")) == "two")
        #expect(disk.store.served[0].ledger == ledger)
        #expect(said.withLock { $0.contains { $0.contains("served for reading, as they were") } })
        try disk.put("x", at: path("/rw/b"))
        let second = refusal {
            _ = try DiskStore.open(exports: Array(settings(view.path).prefix(1)))
        }
        #expect(second == .busy)

        view.remount("rw,bind")
        #expect(refusal { try disk.put("x", at: path("/ro/a")) } == .readOnly)
        #expect(refusal { try disk.store.remove(path("/ro/a"), recursive: false) } == .readOnly)
        #expect(
            refusal { try disk.store.rename(path("/ro/a"), to: path("/ro/b")) } == .readOnly)
        let open = refusal { _ = try disk.store.open(path("/ro/a"), .readWrite, mode: nil) }
        #expect(open == .readOnly)
        let mode = FileMode(bits: 0o600)
        let change = refusal {
            _ = try disk.store.setAttributes(path("/ro/a"), mode: mode, mtime: nil)
        }
        #expect(change == .readOnly)
        try disk.store.close()
        disk = try OpenStore(settings(export))
        #expect(try disk.store.entry(path("/ro/a")).facts == before)
        let after = try disk.put("three", at: path("/ro/a")).facts
        #expect((after.fid, after.ver) == (before.fid, before.ver + 1))
    }
}

/// A small file system in memory, unmounted at the end.
final class MountedFolder: Sendable {
    let path: String

    init?(_ path: String, _ options: String) {
        self.path = path
        guard TemporaryFolder.run("/bin/mount", "-t", "tmpfs", "-o", options, "none", path) == 0
        else { return nil }
    }

    /// Shows a folder at a second place, which can be read-only while the first is not.
    init?(_ path: String, viewOf folder: String) {
        self.path = path
        guard TemporaryFolder.run("/bin/mount", "--bind", folder, path) == 0 else { return nil }
    }

    func remountReadOnly() { remount("ro") }

    func remount(_ options: String) {
        TemporaryFolder.run("/bin/mount", "-o", "remount,\(options)", path)
    }

    func unmount() { TemporaryFolder.run("/bin/umount", path) }

    /// Unmounts it also where somebody has files open in it.
    func detach() { TemporaryFolder.run("/bin/umount", "-l", path) }

    deinit { detach() }
}
