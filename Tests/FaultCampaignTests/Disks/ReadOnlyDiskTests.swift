import DFSProtocol
import Glibc
import TestCluster
import Testing

/// A file system that the kernel makes read-only while a server works on it, as after an error.
struct ReadOnlyDiskTests {
    private static func code(_ connection: WireConnection, _ request: String) throws -> String? {
        guard let final = try connection.request(request).last else { return "" }
        if case .error(let code, _) = final.line.kind { return code }
        return nil
    }

    @Test(
        .enabled(if: Machine.canMountLoops, "needs root and loop devices: mount -o loop failed"))
    func `a disk that turned read-only is read on, and keeps what was acknowledged`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            let disk = try SmallDisk(
                .ext4, mebibytes: 16, in: cluster.folder, mounting: ["errors=remount-ro"])
            try cluster.startNameServer()
            try cluster.startFileServer("fs1", exports: [Cluster.Export(folder: disk.export)])
            let (files, names) = (try cluster.greeted(by: "fs1"), try cluster.greeted(by: "ns1"))
            try files.expectOK("STORE /stored contents")
            try files.expectOK("OPEN /open create")
            try files.expectOK("WRITE h1 0 synced")
            try files.expectOK("SYNC h1")

            try disk.breakFileSystem()

            #expect(try files.expectOK("FETCH /stored").payload == Array("contents".utf8))
            #expect(try files.expectOK("READ h1 0 100").payload == Array("synced".utf8))
            #expect(try ReadOnlyDiskTests.code(files, "STAT /stored") == nil)
            #expect(try ReadOnlyDiskTests.code(files, "LIST /") == nil)
            for request in [
                "STORE /stored more", "STORE /new more", "OPEN /new create", "OPEN /stored rw",
                "STORE /folder/new more", "SETATTR /stored mode=0600",
            ] {
                #expect(try ReadOnlyDiskTests.code(files, request) == "read-only", "\(request)")
            }
            for request in ["REMOVE /stored", "RENAME /stored /other"] {
                #expect(try ReadOnlyDiskTests.code(names, request) == "read-only", "\(request)")
            }
            let refused = try ReadOnlyDiskTests.code(files, "WRITE h1 0 more")
            #expect(["read-only", "io"].contains(refused ?? "OK"))
            #expect(try files.expectOK("FETCH /stored").payload == Array("contents".utf8))

            // The kernel lets nobody write before all is unmounted, so the server must let go.
            try cluster["fs1"].stop()
            try disk.mountAgain()
            try cluster["fs1"].start()
            let again = try cluster.greeted(by: "fs1")
            #expect(try again.expectOK("FETCH /stored").payload == Array("contents".utf8))
            #expect(try again.expectOK("FETCH /open").payload == Array("synced".utf8))
            try again.expectOK("STORE /new more")
        }
    }
}

extension SmallDisk {
    /// Has the kernel find an error in the file system.
    fileprivate func breakFileSystem() throws {
        let mounts = String(decoding: try FileSystem.read("/proc/self/mounts"), as: UTF8.self)
        guard
            let line = mounts.split(separator: "\n").first(where: { $0.contains(" \(path) ") }),
            let device = line.split(separator: " ").first?.split(separator: "/").last
        else { throw TestFailure("\(path) is not mounted") }
        let switchPath = "/sys/fs/ext4/\(device)/trigger_fs_error"
        let descriptor = open(switchPath, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw TestFailure("no \(switchPath): errno \(errno)") }
        defer { close(descriptor) }
        guard write(descriptor, "test", 4) == 4 else { throw TestFailure("\(switchPath) refused") }
    }

    /// Unmounts it and mounts it at the same place.
    fileprivate func mountAgain() throws {
        try SmallDisk.run("umount", [path])
        try SmallDisk.run("mount", ["-o", "loop", image, path])
    }
}
