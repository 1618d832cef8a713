import DFSProtocol
import FileService
import Glibc
import Testing

@testable import DFSStorage

/// A folder is told from another, and from nothing, by the ledger in it.
@Suite struct ExportIdentityTests {
    let folder: TemporaryFolder
    let export: String

    init() throws {
        folder = try TemporaryFolder()
        export = folder.folder("export")
    }

    private func served(_ settings: [ExportSettings]) throws -> [ServedExport] {
        let disk = try OpenStore(settings)
        try disk.put("x", at: path("/photos/a"))
        return disk.store.served
    }

    private func sentence(_ settings: ExportSettings, after served: [ServedExport]) -> String? {
        do throws(RequestError) {
            _ = try DiskStore.open(exports: [settings], servedBefore: served)
            return nil
        } catch {
            return error.advice
        }
    }

    private var settings: ExportSettings {
        ExportSettings(folder: export, mount: path("/photos"))
    }

    @Test func `a ledger has one identity for good, and no two have the same`() throws {
        let other = ExportSettings(folder: folder.folder("other"), mount: path("/music"))

        let first = try served([settings, other])
        let second = try served([other, settings])

        #expect(first == second)
        #expect(first.map(\.mount) == [path("/music"), path("/photos")])
        #expect(first.map(\.folder) == [other.folder, [UInt8](export.utf8)])
        #expect(Set(first.map(\.ledger)).count == 2)
        #expect(first.allSatisfy { $0.ledger > 0 })
    }

    @Test func `an empty mount point is refused and left empty`() throws {
        let before = try served([settings])
        rename(export, export + "-away")
        mkdir(export, 0o755)

        let refused = try #require(sentence(settings, after: before))

        #expect(refused.contains("/photos is not the folder that was served there before"))
        #expect(refused.contains("it has no ledger"))
        #expect(refused.contains("mount it and start again"))
        #expect(refused.contains("--new-export /photos"))
        #expect(folder.entries("export") == [])
    }

    @Test func `a folder whose .dfs has no ledger is refused`() throws {
        let before = try served([settings])
        rename(export, export + "-away")
        _ = folder.folder("export/.dfs")

        #expect(sentence(settings, after: before)?.contains("it has no ledger") == true)
        #expect(folder.entries("export/.dfs") == [])
    }

    @Test func `a folder with the ledger of another is refused, and its own is taken again`() throws
    {
        let before = try served([settings])
        rename(export, export + "-away")
        mkdir(export, 0o755)
        let other = try served([settings])

        #expect(sentence(settings, after: before)?.contains("it has another ledger") == true)

        #expect(other != before)
        rename(export, export + "-other")
        rename(export + "-away", export)
        #expect(try OpenStore([settings], servedBefore: before).get(path("/photos/a")) == "x")
    }

    @Test func `a folder or a mount that is not known may be new`() throws {
        let before = try served([settings])
        let elsewhere = ExportSettings(folder: folder.folder("else"), mount: path("/photos"))
        let mounted = ExportSettings(folder: folder.folder("mounted"), mount: path("/new"))

        #expect(sentence(elsewhere, after: before) == nil)
        #expect(sentence(mounted, after: before) == nil)
    }

    @Test func `the same folder under another name is known by its real one`() throws {
        let before = try served([settings])
        symlink(export, folder.path + "/link")
        rename(export, export + "-away")
        mkdir(export, 0o755)
        let linked = ExportSettings(folder: folder.path + "/link", mount: path("/photos"))

        #expect(sentence(linked, after: before)?.contains("it has no ledger") == true)
    }

    @Test func `a folder that comes back without its ledger is not served`() throws {
        let disk = try OpenStore([settings])
        try disk.put("x", at: path("/photos/a"))
        let listed = try disk.inventory()
        let served = disk.store.table.exports[0]

        rename(export, export + "-away")
        #expect(disk.wait { served.isGone })
        rename(export + "-away/.dfs", export + "-ledger")
        rename(export + "-away", export)

        #expect(served.checkPresence() == false)
        #expect(served.isGone)
        #expect(refusal { _ = try disk.store.entry(path("/photos/a")) } == .io)
        #expect(try disk.inventory() == listed)

        rename(export + "-ledger", export + "/.dfs")
        #expect(disk.wait { !served.isGone })
    }

    @Test(.enabled(if: geteuid() == 0, "needs a file system of its own"))
    func `a read-only file system is known to have no ledger`() throws {
        let disk = try #require(MountedFolder(export, "size=1m"))
        try folder.write("text", to: "export/a")
        disk.remountReadOnly()
        let before = try OpenStore([settings]).store.served

        #expect(before.map(\.ledger) == [0])
        #expect(try OpenStore([settings], servedBefore: before).get(path("/photos/a")) == "text")
        TemporaryFolder.run("/bin/umount", "-l", export)
        #expect(sentence(settings, after: before)?.contains("it has no ledger") == true)
        #expect(folder.entries("export") == [])
    }

    @Test func `a copy in the folder's place is an outage, and is served from the next start on`()
        throws
    {
        let disk = try OpenStore([settings])
        let before = try disk.put("x", at: path("/photos/a")).facts
        TemporaryFolder.run("/bin/cp", "-a", export, export + "-copy")
        rename(export, export + "-away")
        rename(export + "-copy", export)

        #expect(disk.wait { disk.store.isAway })
        #expect(refusal { _ = try disk.store.entry(path("/photos/a")) } == .io)
        #expect(refusal { try disk.put("y", at: path("/photos/b")) } == .io)
        let served = disk.store.served
        try disk.store.close()

        let again = try OpenStore([settings], servedBefore: served)
        let after = try again.store.entry(path("/photos/a")).facts
        #expect(try again.get(path("/photos/a")) == "x")
        #expect(after.fid == before.fid)
        // Nobody has seen what was copied: it counts as changed.
        #expect(after.ver > before.ver)
        #expect(folder.entries("export-away") == [".dfs", "a"])
    }
}
