import Glibc
import TestCluster
import Testing

/// A server that runs out of descriptors says so, goes on with what it has, and recovers.
struct DescriptorTests {
    /// How many descriptors a running server may have, and how many it could allow itself.
    private static func limits(of server: ClusterServer) throws -> (soft: Int, hard: Int) {
        let limits = try FileSystem.read("/proc/\(try server.process.pid)/limits")
        let line = String(decoding: limits, as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix("Max open files") }
        let numbers = try #require(line).split(separator: " ").compactMap { Int($0) }
        try #require(numbers.count == 2)
        return (numbers[0], numbers[1])
    }

    /// Sets how many descriptors a running server may have.
    private static func limit(_ server: ClusterServer, to number: Int) throws {
        let program = try ChildProcess(
            "/usr/bin/prlimit", ["--pid", "\(try server.process.pid)", "--nofile=\(number):"])
        try #require(try program.wait() == .exit(0))
    }

    private static func openDescriptors(of server: ClusterServer) throws -> Int {
        try FileSystem.names(in: [UInt8]("/proc/\(try server.process.pid)/fd".utf8)).count
    }

    @Test func `a server raises the limit as far as it may`() async throws {
        try await ClusterSlots.shared.run {
            // What a server inherits from this process is one less than what it may have.
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
            var own = rlimit()
            try #require(getrlimit(resource, &own) == 0)
            own.rlim_cur = own.rlim_max - 1
            try #require(setrlimit(resource, &own) == 0)
            let cluster = try Cluster()
            defer { cluster.shutDown() }

            for server in [try cluster.startNameServer(), try cluster.startFileServer("fs1")] {
                let limits = try DescriptorTests.limits(of: server)
                #expect(limits.soft == limits.hard)
            }
        }
    }

    @Test func `without descriptors open is busy, and everything else goes on`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            try cluster.startNameServer()
            let server = try cluster.startFileServer("fs1", files: ["a": "text", "b": "more"])
            let client = try cluster.greeted(by: "fs1")
            let used = try DescriptorTests.openDescriptors(of: server)
            try DescriptorTests.limit(server, to: used + 60)

            var opened = 0
            var last = try client.request("OPEN /a r").last
            while last?.line.kind == .ok, opened < 100 {
                opened += 1
                last = try client.request("OPEN /a r").last
            }

            #expect(last?.text.hasPrefix("ERR busy path=/a retry=1000 ") == true)
            #expect((1..<60).contains(opened))
            #expect(try client.expectOK("READ h1 0 10").payload == [UInt8]("text".utf8))
            #expect(try client.expectOK("FETCH /b").payload == [UInt8]("more".utf8))
            try client.expectOK("STORE /c new")
            try cluster.greeted(by: "ns1").expectOK("REMOVE /b")
            try client.expectOK("CLOSE h1")
            try client.expectOK("OPEN /a r")
        }
    }

    @Test func `connections do not take the last descriptors`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            let server = try cluster.startFileServer("fs1", files: ["a": "text"])
            let client = try cluster.greeted(by: "fs1")
            let used = try DescriptorTests.openDescriptors(of: server)
            try DescriptorTests.limit(server, to: used + 40)

            var others: [WireConnection] = []
            var greeting = "OK "
            while greeting.hasPrefix("OK "), others.count < 100 {
                others.append(try cluster.connect(to: "fs1"))
                greeting = try others[others.count - 1].readLine()
            }

            #expect(greeting.hasPrefix("ERR busy fatal retry=1000 "))
            try client.expectOK("FETCH /a")
            for other in others { other.close() }
            try Deadline().await("a new connection is served") {
                try cluster.connect(to: "fs1").readLine().hasPrefix("OK ") ? true : nil
            }
        }
    }

    @Test func `who can not be accepted waits and is accepted later`() async throws {
        try await ClusterSlots.shared.run {
            let cluster = try Cluster()
            defer { cluster.shutDown() }
            let server = try cluster.startFileServer("fs1", files: ["a": "text"])
            let client = try cluster.greeted(by: "fs1")
            try client.expectOK("OPEN /a r")
            // As many as standard input, output and errors have: there is no room for any other.
            let old = try DescriptorTests.limits(of: server)
            try DescriptorTests.limit(server, to: 3)

            let waiting = try cluster.connect(to: "fs1")
            try client.expectOK("READ h1 0 10")
            #expect(try client.request("OPEN /a r").last?.text.contains("ERR busy ") == true)
            try DescriptorTests.limit(server, to: old.soft)

            #expect(try waiting.readLine().hasPrefix("OK DFS/1 "))
        }
    }
}
