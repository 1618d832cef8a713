import DFSProtocol
import TestCluster
import Testing

/// What a name server knows after it was killed, or started with other words.
struct NameServerRestartTests {
    /// A name server and a file server with files, each line of a request answered by both.
    private static func cluster() throws -> Cluster {
        let cluster = try Cluster()
        try cluster.startNameServer()
        try cluster.startFileServer("m1", mount: "/m1", files: ["a": "one", "d/b": "two"])
        return cluster
    }

    /// Sends a request until it is answered OK; its change must be one that may be repeated.
    private static func repeated(_ line: String, on cluster: Cluster) throws -> String {
        let connection = try cluster.greeted(by: "ns1")
        defer { connection.close() }
        var last = ""
        return try Deadline(after: Deadline.usual).await("\(line) is OK; it is: \(last)") {
            guard let final = try connection.request(line).last else { return nil }
            last = final.text
            if final.line.kind == .ok { return last }
            if case .error(let code, _) = final.line.kind {
                #expect(["server-down", "timeout"].contains(code), "\(last)")
            }
            return nil
        }
    }

    @Test(arguments: ["MKDIR /m1/x op=c-1", "CREATE /m1/x op=c-1", "RENAME /m1/a /m1/x op=c-1"])
    func `a repeat after kill -9 is answered as the first was`(line: String) async throws {
        try await ClusterSlots.shared.run {
            let cluster = try NameServerRestartTests.cluster()
            defer { cluster.shutDown() }
            let first = try cluster.greeted(by: "ns1").expectOK(line).text

            try cluster.nameServer.kill()
            try cluster.nameServer.start()
            let again = try cluster.greeted(by: "ns1").expectOK(line).text

            #expect(again == first)
        }
    }

    @Test(arguments: ["REMOVE /m1/a op=c-1", "RENAME /m1/a /m1/x op=c-1"])
    func `a repeat finds out what became of a change that kill -9 interrupted`(
        line: String
    ) async throws {
        try await ClusterSlots.shared.run {
            let cluster = try NameServerRestartTests.cluster()
            defer { cluster.shutDown() }
            let connection = try cluster.greeted(by: "ns1")

            // The owner stands still: it has the order in its socket, or not yet.
            try cluster["m1"].pause()
            try connection.send("@r \(line)\n")
            // An answer to what came later says that the intent was taken.
            #expect(try connection.expectOK("@s STATUS").line.kind == .ok)
            try cluster.nameServer.kill()
            try cluster["m1"].resume()
            try cluster.nameServer.start()
            _ = try NameServerRestartTests.repeated(line, on: cluster)

            try cluster.awaitNoFile([UInt8]("/m1/a".utf8))
            try cluster.greeted(by: "m1").expectOK("STORE /m1/a \"new\"")
            try cluster.awaitFile([UInt8]("/m1/a".utf8), on: "m1")
            _ = try NameServerRestartTests.repeated(line, on: cluster)
            let fetched = try cluster.greeted(by: "m1").expectOK("DIGEST /m1/a")
            #expect(fetched.line.text("size") == "3")
        }
    }

    @Test func `a forgotten file server leaves the tree, and is new when it comes back`()
        async throws
    {
        try await ClusterSlots.shared.run {
            let cluster = try NameServerRestartTests.cluster()
            defer { cluster.shutDown() }
            #expect(try cluster["m1"].stop() == .exit(0))
            #expect(try cluster.nameServer.stop() == .exit(0))

            try cluster.nameServer.start(with: ["--forget", "m1"])
            let connection = try cluster.greeted(by: "ns1")
            #expect(try connection.expectOK("FIND /").text == "OK count=0")
            #expect(try connection.expectOK("SERVERS").text == "OK count=0")
            #expect(cluster.nameServerLog.contains("m1 is forgotten, with 2 files"))
            #expect(try cluster.nameServer.stop() == .exit(0))
            try cluster.nameServer.start(with: ["--forget", "m1"])
            #expect(cluster.nameServerLog.contains("m1 was forgotten before"))

            try cluster["m1"].start()
            try cluster.awaitFile([UInt8]("/m1/d/b".utf8), on: "m1")
        }
    }

    @Test func `an unknown file server can not be forgotten`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try NameServerRestartTests.cluster()
            defer { cluster.shutDown() }
            #expect(try cluster.nameServer.stop() == .exit(0))

            #expect(throws: TestFailure.self) {
                try cluster.nameServer.start(with: ["--forget", "m9"])
            }

            #expect(try cluster.nameServer.process.wait() == .exit(1))
            #expect(cluster.nameServerLog.contains("known are: m1"))
        }
    }
}

extension Cluster {
    fileprivate var nameServerLog: String {
        // Without a name server there is no log, and what is looked for is not in it.
        (try? nameServer.logEnd) ?? ""
    }
}
