import DFSProtocol
import FileService
import Glibc
import Synchronization
import Testing

@testable import DFSStorage

/// File systems that are mounted inside an export, and go.
@Suite(.enabled(if: geteuid() == 0, "needs file systems of its own"))
struct NestedMountTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func rescan(_ disk: OpenStore) -> Bool {
        let scans = disk.store.followers[0].progress.current.scans
        disk.store.rescan()
        return disk.wait { disk.store.followers[0].progress.current.scans > scans }
    }

    @Test func `what is mounted inside an export is not served, counted, and told once`() throws {
        let inner = try #require(MountedFolder(folder.folder("disk"), "size=1m"))
        try folder.write("x", to: "disk/a")
        let said = Mutex<[String]>([])
        let disk = try OpenStore([ExportSettings(folder: folder.path)]) { sentence in
            said.withLock { $0.append(sentence) }
        }

        #expect(rescan(disk))
        #expect(rescan(disk))

        #expect(try disk.names(in: .root) == [])
        #expect(disk.store.census().skipped == 1)
        #expect(refusal { _ = try disk.store.entry(path("/disk")) } == .denied)
        #expect(refusal { _ = try disk.store.entry(path("/disk/a")) } == .denied)
        #expect(refusal { _ = try disk.get(path("/disk/a")) } == .denied)
        #expect(refusal { try disk.put("y", at: path("/disk/a")) } == .denied)
        #expect(refusal { try disk.put("y", at: path("/disk")) } == .denied)
        #expect(refusal { try disk.store.remove(path("/disk"), recursive: true) } == .denied)
        #expect(folder.read("disk/a") == "x")
        #expect(said.withLock { $0.filter { $0.contains("export it by itself") }.count } == 1)

        inner.unmount()
        #expect(try disk.names(in: .root) == ["disk"])
    }

    @Test func `what a mount hides stays listed with its identity and is unavailable`() throws {
        let said = Mutex<[String]>([])
        let disk = try OpenStore([ExportSettings(folder: folder.path)]) { sentence in
            said.withLock { $0.append(sentence) }
        }
        let before = try disk.put("x", at: path("/d/e/a")).facts
        let listed = try disk.inventory()
        let generation = disk.store.generation

        let mount = try #require(MountedFolder(folder.path + "/d", "size=1m"))
        #expect(rescan(disk))

        #expect(disk.known(path("/d/e/a")) == before)
        #expect(try disk.inventory() == listed)
        #expect(disk.store.changes(after: generation, limit: 10)?.count == 0)
        for place in ["/d", "/d/e", "/d/e/a", "/d/e/b", "/d/b"] {
            #expect(refusal { _ = try disk.store.entry(path(place)) } == .io, "\(place)")
            #expect(refusal { _ = try disk.get(path(place)) } == .io, "\(place)")
            #expect(refusal { try disk.put("y", at: path(place)) } == .io, "\(place)")
            let removal = refusal { try disk.store.remove(path(place), recursive: true) }
            #expect(removal == .io, "\(place)")
            let rename = refusal { try disk.store.rename(path(place), to: path("/r")) }
            #expect(rename == .io, "\(place)")
        }
        #expect(try disk.names(in: .root) == ["d"])
        #expect(said.withLock { $0.contains { $0.contains("d: another file system") } })

        mount.unmount()
        #expect(try disk.store.entry(path("/d/e/a")).facts == before)
        #expect(try disk.get(path("/d/e/a")) == "x")
    }

    @Test func `what a mount hides outlives a restart`() throws {
        var disk = try OpenStore(folder)
        let before = try disk.put("x", at: path("/d/a")).facts
        try disk.store.close()
        let mount = try #require(MountedFolder(folder.path + "/d", "size=1m"))

        disk = try OpenStore(folder)

        #expect(disk.known(path("/d/a")) == before)
        #expect(refusal { _ = try disk.store.entry(path("/d/a")) } == .io)
        mount.unmount()
        #expect(try disk.store.entry(path("/d/a")).facts == before)
    }

    @Test func `a file that is mounted over another hides it`() throws {
        let disk = try OpenStore(folder)
        let before = try disk.put("x", at: path("/a")).facts
        try disk.put("y", at: path("/b"))

        let mounted = TemporaryFolder.run(
            "/bin/mount", "--bind", folder.path + "/b", folder.path + "/a")
        try #require(mounted == 0)
        defer { TemporaryFolder.run("/bin/umount", folder.path + "/a") }

        #expect(refusal { _ = try disk.get(path("/a")) } == .io)
        #expect(try disk.names(in: .root) == ["a", "b"])
        TemporaryFolder.run("/bin/umount", folder.path + "/a")
        #expect(try disk.store.entry(path("/a")).facts == before)
    }

    @Test func `a directory is not removed from above a mount`() throws {
        let mount = try #require(MountedFolder(folder.folder("d/a disk"), "size=1m"))
        try folder.write("x", to: "d/a disk/kept")
        let disk = try OpenStore(folder)

        #expect(refusal { try disk.store.remove(path("/d"), recursive: true) } == .denied)

        #expect(folder.read("d/a disk/kept") == "x")
        mount.unmount()
        try disk.store.remove(path("/d"), recursive: true)
        #expect(!folder.exists("d"))
    }

    @Test func `a directory that the file system moves nowhere is removed name by name`() throws {
        // Of directories in the lower part this file system says what others say of subvolumes.
        let parts = try #require(MountedFolder(folder.folder("parts"), "size=8m"))
        for name in ["upper", "work", "lower/d"] { _ = folder.folder("parts/" + name) }
        try folder.write("x", to: "parts/lower/d/a")
        let export = folder.folder("export")
        let options = ["lower", "upper", "work"].map { "\($0)dir=\(parts.path)/\($0)" }
        let mounted = TemporaryFolder.run(
            "/bin/mount", "-t", "overlay", "-o", options.joined(separator: ","), "none", export)
        try #require(mounted == 0)
        defer { TemporaryFolder.run("/bin/umount", "-l", export) }
        let disk = try OpenStore([ExportSettings(folder: export)])

        let whole = refusal { try disk.store.remove(path("/d"), recursive: true) }
        #expect(whole == .notEmpty)
        #expect(try disk.get(path("/d/a")) == "x")
        try disk.store.remove(path("/d/a"), recursive: false)
        try disk.store.remove(path("/d"), recursive: true)

        #expect(try disk.names(in: .root) == [])
    }

    @Test func `another file system inside an export is exported by itself`() throws {
        let settings = [
            ExportSettings(folder: folder.folder("outer")),
            ExportSettings(folder: folder.folder("outer/inner"), mount: path("/inner")),
        ]
        let mount = try #require(MountedFolder(folder.path + "/outer/inner", "size=1m"))
        var disk = try OpenStore(settings)
        let served = disk.store.served
        try disk.put("x", at: path("/a"))
        let before = try disk.put("y", at: path("/inner/b")).facts
        try disk.store.close()
        disk = try OpenStore(settings, servedBefore: served)

        #expect(try disk.store.entry(path("/inner/b")).facts == before)
        mount.detach()
        #expect(disk.wait { disk.store.table.exports[1].isGone })
        #expect(refusal { _ = try disk.get(path("/inner/b")) } == .io)
        #expect(try disk.get(path("/a")) == "x")
        #expect(try disk.names(in: .root) == ["a", "inner"], "its disk is not asked for that")
        #expect(try disk.inventory().map(\.path).contains(path("/inner/b")))
        try disk.store.close()
        let again = refusal { _ = try DiskStore.open(exports: settings, servedBefore: served) }
        #expect(again == .io)
    }

    @Test func `a ledger is not written anew into what was mounted over its folder`() throws {
        let export = folder.folder("export")
        let state = folder.folder("export/.dfs")
        let descriptor = try Descriptor(open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        let database = try LedgerDatabase(at: "/proc/self/fd/\(descriptor.number)/ledger.sqlite") {
            descriptor.isReachable
        }
        var file = LedgerNode()
        (file.kind, file.fid) = (.file, 7)
        let batch = LedgerBatch(
            sequence: 1, generation: 1, places: [1],
            rows: [LedgerRow(id: 1, name: [0x61], node: file)])
        let header = LedgerHeader(generation: 1, identity: 9)
        let mount = try #require(MountedFolder(export, "size=8m"))
        _ = folder.folder("export/.dfs")

        #expect(throws: (any Error).self) {
            try database.replace({ _ in nil }, { (batch, header) })
        }

        #expect(folder.entries("export/.dfs") == [])
        mount.unmount()
        try database.replace({ _ in nil }, { (batch, header) })
        var fids: [Int64] = []
        #expect(try database.load { fids.append($0.node.fid) } == header)
        #expect(fids == [7])
    }

    @Test func `places in mountinfo are read as the kernel writes them`() {
        let lines = """
            22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
            36 22 98:0 /mnt1 /a\\040b/c\\134d rw,noatime master:1 - ext3 /dev/root rw
            short line
            37 22 98:0 / /end\\04 rw - tmpfs none rw

            """

        let points = MountPoint.points(in: [UInt8](lines.utf8))

        #expect(
            points.map { String(decoding: $0, as: UTF8.self) } == ["/", "/a b/c\\d", "/end\\04"])
    }
}
