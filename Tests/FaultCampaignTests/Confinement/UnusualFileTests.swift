import DFSProtocol
import Glibc
import TestCluster
import Testing

/// What stands in an export and is no usual file: refused without hanging; and hard links.
struct UnusualFileTests {
    private static let requests = [
        "OPEN /x r", "OPEN /x rw", "OPEN /x create", "OPEN /x create-new", "FETCH /x",
        "FETCH /x 0 10", "STORE /x new", "SETATTR /x mode=0644", "SETATTR /x mtime=now",
        "STAT /x", "DIGEST /x", "LIST /x", "PULL /x source=/calm", "STORE /x/below new",
        "OPEN /x/below create", "FETCH /x/below", "LIST /x/below",
    ]

    private static func code(_ connection: WireConnection, _ request: String) throws -> String? {
        guard let final = try connection.request(request).last else { return "" }
        if case .error(let code, _) = final.line.kind { return code }
        return nil
    }

    /// Makes what the argument names, or says why it can not.
    private static func make(_ kind: String, _ path: String) throws {
        let code =
            switch kind {
            case "FIFO": mkfifo(path, 0o666)
            case "device": mknod(path, S_IFCHR | 0o666, 0x105)
            case "disk": mknod(path, S_IFBLK | 0o600, 0x700)
            case "link to a device": symlink("/dev/zero", path)
            case "link to itself": symlink("x", path)
            case "link to a process": symlink("/proc/self/root/etc/passwd", path)
            case "link into the export": symlink("calm", path)
            default: try listen(path)
            }
        guard code == 0 else { throw TestFailure("no \(kind): errno \(errno)") }
    }

    private static func listen(_ path: String) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw TestFailure("\(path) is too long for a socket")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    @Test(
        .enabled(if: geteuid() == 0, "needs root: mknod of devices"),
        arguments: [
            "FIFO", "device", "disk", "socket", "link to a device", "link to itself",
            "link to a process", "link into the export",
        ])
    func `what is no file is refused by every verb, at once, and stays`(
        _ kind: String
    ) async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            try cluster.startNameServer()
            try cluster.startFileServer("fs1", files: ["calm": "calm"])
            let folder = try String(decoding: cluster["fs1"].exports[0].folder, as: UTF8.self)
            try UnusualFileTests.make(kind, folder + "/x")
            let (files, names) = (try cluster.greeted(by: "fs1"), try cluster.greeted(by: "ns1"))

            for request in UnusualFileTests.requests {
                let code = try UnusualFileTests.code(files, request)
                let refusals: Set = ["denied", "not-dir", "exists", "not-found"]
                #expect(refusals.contains(code ?? "OK"), "\(request) -> \(code ?? "OK")")
            }
            let listed = try files.request("LIST /").map(\.text).joined(separator: "\n")
            #expect(!listed.contains("name=x"))
            for request in ["LOCATE /x", "RENAME /x /y", "RENAME /x /y replace=yes"] {
                #expect(try UnusualFileTests.code(names, request) == "not-found", "\(request)")
            }
            var status = stat()
            #expect(lstat(folder + "/x", &status) == 0, "it is gone")
            #expect(try files.expectOK("FETCH /calm").payload == Array("calm".utf8))
        }
    }

    /// Protocol.md, "Security": a hard link is a name of the file itself.
    @Test func `a hard link is served as the file that it is, and STORE replaces the name only`()
        async throws
    {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            try cluster.startNameServer()
            try cluster.startFileServer("fs1", files: ["calm": "calm"])
            let folder = try String(decoding: cluster["fs1"].exports[0].folder, as: UTF8.self)
            let outside = Array("\(cluster.folder)/outside".utf8)
            let path = String(decoding: outside, as: UTF8.self)
            try FileSystem.write(Array("outside".utf8), to: outside)
            for name in ["read", "written", "stored", "removed", "renamed"] {
                guard link(path, "\(folder)/\(name)") == 0 else {
                    throw TestFailure("no hard link: errno \(errno)")
                }
            }
            let (files, names) = (try cluster.greeted(by: "fs1"), try cluster.greeted(by: "ns1"))

            // One file under five names: each is what the file is.
            #expect(try files.expectOK("FETCH /read").payload == Array("outside".utf8))
            try files.expectOK("OPEN /written rw")
            try files.expectOK("WRITE h1 0 OUT")
            try files.expectOK("CLOSE h1")
            #expect(try FileSystem.read(outside) == Array("OUTside".utf8))

            let fids = try ["/read", "/written"].map {
                try files.expectOK("STAT \($0)").line.text("fid")
            }
            #expect(fids[0] != nil && fids[0] != fids[1])

            // What changes a name changes that name alone.
            try files.expectOK("STORE /stored new")
            try cluster.awaitFile(Array("/removed".utf8), on: "fs1")
            try names.expectOK("REMOVE /removed")
            try cluster.awaitFile(Array("/renamed".utf8), on: "fs1")
            try names.expectOK("RENAME /renamed /other")
            #expect(try FileSystem.read(outside) == Array("OUTside".utf8))
            #expect(try files.expectOK("FETCH /stored").payload == Array("new".utf8))
            #expect(try files.expectOK("FETCH /other").payload == Array("OUTside".utf8))
        }
    }
}
