import DFSProtocol
import Glibc
import TestCluster
import Testing

/// System calls of a running server fail, by strace, as on a disk that fails for a while.
@Suite(
    .enabled(if: Machine.canTrace, "needs strace and the right to trace: strace -p failed"))
struct FailingDiskTests {
    /// A server with one file of 64 KiB, and a connection to it.
    private struct World {
        let cluster: Cluster
        let files: WireConnection
        let path: String
        let contents = [UInt8](repeating: 0x61, count: 65_536)

        init() throws {
            cluster = try Cluster()
            try cluster.startNameServer()
            var export = Cluster.Export()
            export.files = [(Array("file".utf8), contents)]
            try cluster.startFileServer("fs1", exports: [export])
            files = try cluster.greeted(by: "fs1")
            path = try String(decoding: cluster["fs1"].exports[0].folder, as: UTF8.self) + "/file"
        }

        /// Makes system calls on the file fail until the tracer stops.
        func failing(_ calls: String, _ error: String = "EIO") throws -> Tracer {
            try Tracer(
                cluster["fs1"].process.pid,
                ["trace=\(calls)", "inject=\(calls):error=\(error)"], on: path,
                scratch: cluster.folder)
        }

        func code(_ request: String, _ payload: [UInt8]? = nil) throws -> String? {
            guard let final = try files.request(request, payload: payload).last else { return "" }
            if case .error(let code, _) = final.line.kind { return code }
            return nil
        }
    }

    @Test func `a failed fsync ends the session's writing, and opening anew goes on`() async throws
    {
        try await ClusterSlots.shared.run {
            let world = try World()
            defer { world.cluster.shutDown() }
            let before = try world.files.expectOK("OPEN /file rw")
            try world.files.expectOK("WRITE h1 0 \"new\"")

            let tracer = try world.failing("fsync")
            #expect(try world.code("SYNC h1") == "io")
            try tracer.stop()

            // The disk works again, but nobody knows what it has of this file.
            #expect(try world.code("SYNC h1") == "io")
            #expect(try world.code("WRITE h1 0 \"more\"") == "io")
            #expect(try world.code("APPEND h1 \"more\"") == "io")
            #expect(try world.code("TRUNCATE h1 1") == "io")
            #expect(try world.code("CLOSE h1") == "io")
            #expect(try world.code("SYNC h1") == "stale-handle")
            let after = try world.files.expectOK("OPEN /file rw")
            #expect(after.line.text("fid") == before.line.text("fid"))
            let versions = (try before.line.number("ver"), try after.line.number("ver"))
            #expect(versions.1 > versions.0, "another content under the same version")
            try world.files.expectOK("WRITE h2 0 \"new\"")
            try world.files.expectOK("SYNC h2")
            try world.files.expectOK("CLOSE h2")
        }
    }

    @Test func `a failed fsync ends the writing of every session of the file`() async throws {
        try await ClusterSlots.shared.run {
            let world = try World()
            defer { world.cluster.shutDown() }
            try world.files.expectOK("OPEN /file rw")
            try world.files.expectOK("OPEN /file rw")
            try world.files.expectOK("WRITE h1 0 \"one\"")
            try world.files.expectOK("WRITE h2 10 \"two\"")

            let tracer = try world.failing("fsync")
            #expect(try world.code("SYNC h1") == "io")
            try tracer.stop()

            // What the second session wrote was to be made durable by the same call.
            #expect(try world.code("SYNC h2") == "io")
            #expect(try world.code("CLOSE h2") == "io")
            #expect(try world.code("CLOSE h1") == "io")
        }
    }

    @Test func `a disk that can not be read says so, and reads again later`() async throws {
        try await ClusterSlots.shared.run {
            let world = try World()
            defer { world.cluster.shutDown() }
            try world.files.expectOK("OPEN /file r")

            let tracer = try world.failing("pread64")
            #expect(try world.code("READ h1 0 100") == "io")
            #expect(try world.code("FETCH /file") == "io")
            #expect(try world.code("DIGEST /file") == "io")
            #expect(try world.code("STAT /file") == nil)
            try tracer.stop()

            #expect(try world.files.expectOK("READ h1 0 100").payload?.count == 100)
            #expect(try world.files.expectOK("FETCH /file").payload == world.contents)
            try world.files.expectOK("CLOSE h1")
        }
    }

    @Test(arguments: [("EIO", "io"), ("ENOSPC", "no-space"), ("EDQUOT", "quota")])
    func `a write that fails changes nothing and says why`(
        _ error: String, _ code: String
    ) async throws {
        try await ClusterSlots.shared.run {
            let world = try World()
            defer { world.cluster.shutDown() }
            try world.files.expectOK("OPEN /file rw")

            let tracer = try world.failing("pwrite64", error)
            #expect(try world.code("WRITE h1 10", Array("changed".utf8)) == code)
            #expect(try world.code("APPEND h1", Array("changed".utf8)) != nil)
            try tracer.stop()

            #expect(try world.files.expectOK("FETCH /file").payload == world.contents)
            _ = try world.code("CLOSE h1")
            try world.files.expectOK("OPEN /file rw")
            try world.files.expectOK("WRITE h2 0 \"new\"")
            try world.files.expectOK("CLOSE h2")
        }
    }

    @Test func `without the fault the same requests are answered OK`() async throws {
        try await ClusterSlots.shared.run {
            let world = try World()
            defer { world.cluster.shutDown() }

            let tracer = try world.failing("fadvise64")
            for request in [
                "OPEN /file rw", "WRITE h1 0 \"new\"", "SYNC h1", "READ h1 0 100", "FETCH /file",
                "CLOSE h1",
            ] {
                #expect(try world.code(request) == nil, "\(request)")
            }
            try tracer.stop()
        }
    }
}
