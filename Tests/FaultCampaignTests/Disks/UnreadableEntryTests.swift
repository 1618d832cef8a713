import DFSProtocol
import Glibc
import TestCluster
import Testing

/// A local folder with a name that the disk can not tell anything of.
struct UnreadableEntryTests {
    @Test(
        .enabled(if: Machine.canMountLoops, "needs root and loop devices: mount -o loop failed"))
    func `what the disk here does not tell of is told, and nothing is deleted for it`()
        async throws
    {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            let disk = try SmallDisk(.ext4, mebibytes: 8, in: cluster.folder)
            for name in ["bad", "good"] {
                try FileSystem.write("\(name)\n", to: "\(disk.path)/export/\(name)")
            }
            try cluster.startNameServer()
            try cluster.startFileServer("fs1", exports: [Cluster.Export()])
            let (folder, mirror) = ("\(disk.path)/export", ["mirror", "-R", "--delete"])
            #expect(try cluster.shell(mirror + [folder, "/copy"]).exitCode == 0)

            try SmallDisk.run("umount", [disk.path])
            try SmallDisk.run("debugfs", ["-w", "-R", "clri /export/bad", disk.image])
            try SmallDisk.run("mount", ["-o", "loop", disk.image, disk.path])
            let mirrored = try cluster.shell(mirror + [folder, "/copy"])
            let put = try cluster.shell(["put", "-r", folder, "/put"])

            #expect(mirrored.exitCode == 1)
            #expect(mirrored.errors.contains("local \(folder)/bad: "))
            #expect(!mirrored.errors.contains("deleted"))
            #expect(try cluster.shell(["cat", "/copy/bad"]).output == "bad\n")
            #expect(put.exitCode == 1)
            #expect(put.errors.contains("local \(folder)/bad: "))
            #expect(try cluster.shell(["ls", "/put"]).output == "good\n")
            #expect(try cluster.shell(["lls", folder]).output == "bad\ngood\n")
        }
    }
}
