import DFSProtocol
import Glibc
import TestCluster
import Testing

/// Descriptors that run out, files that others cut, folders that go away: while a server works.
struct ShortageTests {
    /// Sets how many descriptors a running process may have.
    private static func limitDescriptors(_ pid: pid_t, _ count: Int) throws {
        try SmallDisk.run("prlimit", ["--pid", "\(pid)", "--nofile=\(count):"])
    }

    private static func descriptors(_ pid: pid_t) throws -> Int {
        try FileSystem.names(in: Array("/proc/\(pid)/fd".utf8)).count
    }

    private static func code(_ files: WireConnection, _ request: String) throws -> String? {
        guard let final = try files.request(request).last else { return "" }
        if case .error(let code, _) = final.line.kind { return code }
        return nil
    }

    @Test(.enabled(if: geteuid() == 0, "needs root: prlimit raises a limit again"))
    func `a server out of descriptors says busy, serves what is open, and recovers`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            try cluster.startNameServer()
            try cluster.startFileServer("fs1", files: ["a": "contents"])
            let files = try cluster.greeted(by: "fs1")
            try files.expectOK("OPEN /a rw")
            let pid = try cluster["fs1"].process.pid
            let before = try ShortageTests.descriptors(pid)

            // Not one more, not even of those that sessions leave to everything else.
            try ShortageTests.limitDescriptors(pid, 3)
            // It is taken by the system, and waits for the server to have a descriptor for it.
            let waiting = try cluster.connect(to: "fs1")
            try waiting.send("PING\n")

            for request in ["OPEN /a r", "STORE /b new", "FETCH /a", "LIST /"] {
                #expect(try ShortageTests.code(files, request) == "busy", "\(request)")
            }
            try files.expectOK("WRITE h1 0 \"CONTENTS\"")
            try files.expectOK("SYNC h1")
            #expect(
                try files.expectOK("READ h1 0 100").payload == Array("CONTENTS".utf8))

            try ShortageTests.limitDescriptors(pid, 4096)
            #expect(try waiting.readLine().hasPrefix("OK DFS/1"))
            #expect(try waiting.readLine() == "OK")
            try files.expectOK("STORE /b new")
            waiting.close()
            try Deadline().await("the descriptors are as before") {
                try ShortageTests.descriptors(pid) <= before ? true : nil
            }
        }
    }

    /// Whether every byte is that of the whole file at its place, or 0 as in what was cut off.
    private static func isOurs(_ bytes: [UInt8], _ whole: [UInt8]) -> Bool {
        guard bytes.count <= whole.count else { return false }
        // Quick where all is as it was; the slow look is for what is not.
        if memcmp(bytes, whole, bytes.count) == 0 { return true }
        return zip(bytes, whole).allSatisfy { $0 == $1 || $0 == 0 }
    }

    @Test func `a file that another program cuts while it is read makes no answer false`()
        async throws
    {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            var export = Cluster.Export()
            let whole = (0..<(1 << 18)).map { UInt8(truncatingIfNeeded: $0 / 4096 + 1) }
            export.files = [(Array("file".utf8), whole)]
            try cluster.startFileServer("fs1", exports: [export])
            let folder = try cluster["fs1"].exports[0].folder
            let file = folder + Array("/file".utf8)
            let cutter = try FileCutter(file, whole)
            let files = try cluster.greeted(by: "fs1")
            try files.expectOK("OPEN /file r")

            var (short, long) = (0, 0)
            for round in 0..<300 {
                let request = ["READ h1 0 262144", "FETCH /file"][round % 2]
                guard let answer = try files.request(request).last else { break }
                // Where the file changes all the time FETCH may say so.
                guard answer.line.kind == .ok, let bytes = answer.payload else { continue }
                if bytes.count < whole.count { short += 1 } else { long += 1 }
                #expect(ShortageTests.isOurs(bytes, whole), "\(request) tells other bytes")
            }
            let cuts = try cutter.stop()

            #expect(short > 0 && cuts > 100, "short \(short), long \(long), cuts \(cuts)")
            try files.expectOK("CLOSE h1")
            #expect(try files.expectOK("FETCH /file").payload == whole)
        }
    }

    @Test func `a folder that is taken away is an outage, and back it is as before`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            try cluster.startNameServer()
            try cluster.startFileServer("fs1", files: ["d/a": "contents"])
            let (files, names) = (try cluster.greeted(by: "fs1"), try cluster.greeted(by: "ns1"))
            let before = try files.expectOK("STAT /d/a")
            try cluster.awaitFile(Array("/d/a".utf8), on: "fs1")
            let folder = try String(decoding: cluster["fs1"].exports[0].folder, as: UTF8.self)

            rename(folder, folder + "-away")
            try FileSystem.makeFolders(folder)
            try Deadline().await("the outage is told") {
                try ShortageTests.code(files, "STAT /d/a") == "io" ? true : nil
            }
            #expect(try ShortageTests.code(files, "STORE /d/b new") == "io")
            #expect(try ShortageTests.code(files, "OPEN /d/a r") == "io")
            #expect(try FileSystem.names(in: Array(folder.utf8)) == [], "it wrote elsewhere")
            // What is out of reach is not gone.
            try Deadline().await("the name server knows of the outage") {
                try ShortageTests.code(names, "LOCATE /d/a") == "server-down" ? true : nil
            }
            #expect(try names.request("LIST /d").first?.line.text("name") == "a")

            rmdir(folder)
            rename(folder + "-away", folder)
            try Deadline().await("the folder is served again") {
                try ShortageTests.code(files, "STAT /d/a") == nil ? true : nil
            }
            try cluster.awaitFile(Array("/d/a".utf8), on: "fs1")
            let after = try files.expectOK("STAT /d/a")
            #expect(after.line.text("fid") == before.line.text("fid"))
            #expect(after.line.text("ver") == before.line.text("ver"))
            try files.expectOK("STORE /d/b new")
        }
    }
}
