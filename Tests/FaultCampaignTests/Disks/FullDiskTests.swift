import DFSProtocol
import Glibc
import TestCluster
import Testing

/// A disk that is full while a server works on it, and has room again later.
struct FullDiskTests {
    private static let block = [UInt8](repeating: 0x62, count: 65_536)

    @Test(
        .enabled(if: Machine.canMountLoops, "needs root and loop devices: mount -o loop failed"),
        arguments: SmallDisk.Kind.allCases)
    func `a full disk refuses clearly, damages nothing, can be emptied, and serves on`(
        _ kind: SmallDisk.Kind
    ) async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            let disk = try SmallDisk(kind, mebibytes: 8, in: cluster.folder)
            try cluster.startNameServer()
            try cluster.startFileServer("fs1", exports: [Cluster.Export(folder: disk.export)])
            let (files, names) = (try cluster.greeted(by: "fs1"), try cluster.greeted(by: "ns1"))
            try files.expectOK("STORE /kept", payload: Array("kept".utf8))
            try files.expectOK("STORE /gone", payload: FullDiskTests.block)

            let size = try FullDiskTests.fill(files)

            #expect(try FullDiskTests.code(files, "STORE /kept", FullDiskTests.block) == "no-space")
            // Who sends several changes and looks at the last answer only must not be told OK.
            #expect(try FullDiskTests.code(files, "APPEND h1", FullDiskTests.block) == "io")
            #expect(try FullDiskTests.code(files, "TRUNCATE h1 100000") == "io")
            #expect(try FullDiskTests.code(files, "SYNC h1") == "io")
            #expect(try FullDiskTests.text(files, "STAT h1", "size") == "\(size)")
            #expect(try files.expectOK("READ h1 \(size - 10) 100").payload?.count == 10)
            #expect(try files.expectOK("FETCH /kept").payload == Array("kept".utf8))
            try names.expectOK("RENAME /kept /renamed")
            #expect(try files.expectOK("FETCH /renamed").payload == Array("kept".utf8))

            // Read whole, the file is known again, and the session goes on: until the disk refuses
            // the next one.
            try files.expectOK("DIGEST /growing")
            let ver = try files.expectOK("SYNC h1").line.text("ver")
            #expect(try FullDiskTests.code(files, "APPEND h1", FullDiskTests.block) == "no-space")
            #expect(try FullDiskTests.code(files, "SYNC h1") == "io")
            // Nothing of it was made, whatever the file system has set the time to.
            #expect(try FullDiskTests.text(files, "STAT /growing", "ver") == ver)

            try names.expectOK("REMOVE /gone")
            #expect(try FullDiskTests.code(files, "CLOSE h1") == "io")
            try files.expectOK("OPEN /growing rw")
            try files.expectOK("TRUNCATE h2 100000")
            try files.expectOK("SYNC h2")
            try files.expectOK("STORE /after", payload: FullDiskTests.block)
            try files.expectOK("CLOSE h2")

            try cluster["fs1"].stop()
            try cluster["fs1"].start()
            let again = try cluster.greeted(by: "fs1")
            #expect(try again.expectOK("FETCH /after").payload == FullDiskTests.block)
            #expect(try FullDiskTests.text(again, "STAT /growing", "size") == "100000")
            #expect(try again.expectOK("FETCH /renamed").payload == Array("kept".utf8))
        }
    }

    /// Writes to a session until there is no room, and checks that nothing of the last write stays.
    ///
    /// - Returns: The size that was acknowledged.
    private static func fill(_ files: WireConnection) throws -> Int {
        try files.expectOK("OPEN /growing create")
        var size = 0
        while size < 16 << 20 {
            let code = try code(files, "WRITE h1 \(size)", block)
            if code == nil {
                size += block.count
                continue
            }
            #expect(code == "no-space")
            #expect(try text(files, "STAT h1", "size") == "\(size)", "half of a write stayed")
            return size
        }
        throw TestFailure("the disk of 8 MiB took \(size) bytes")
    }

    private static func code(
        _ files: WireConnection, _ request: String, _ payload: [UInt8]? = nil
    ) throws -> String? {
        guard let final = try files.request(request, payload: payload).last else { return "none" }
        if case .error(let code, _) = final.line.kind { return code }
        return nil
    }

    private static func text(
        _ files: WireConnection, _ request: String, _ key: StaticKey
    ) throws -> String? {
        try files.expectOK(request).line.text(key)
    }
}
