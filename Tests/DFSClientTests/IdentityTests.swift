import DFSClient
import DFSProtocol
import NIOCore
import Testing

/// Servers that answer at an address where another one is meant.
@Suite struct IdentityTests {
    private static let content = "OK size=2 ver=1 fid=7 eof=yes {2}\nab\n"

    /// A server that would answer everything, and greets as it is told.
    private func stranger(_ greeting: String) async throws -> ScriptedServer {
        try await ScriptedServer.start(greeting: "OK DFS/1 \(greeting) max-data=1048576\n") {
            line, _ in
            .send(line.hasPrefix("FETCH") ? Self.content : "OK size=2 ver=1 fid=7\n")
        }
    }

    private static let operations: [@Sendable (DFSClient) async throws -> Void] = [
        { _ = try await $0.fetch(TreePath("/a"), offset: 0, count: 2) },
        { client in
            var pieces = [ByteBuffer(string: "ab")]
            _ = try await client.store(TreePath("/a"), verifies: false) { pieces.popLast() }
        },
        { _ = try await $0.open(TreePath("/a"), .read) },
        { try await $0.kill([UInt8]("h1".utf8), on: try await $0.servers()[0]) },
    ]

    @Test(
        arguments: ["role=file id=m2 epoch=1", "role=name id=m1 epoch=1", "role=file epoch=1"],
        operations.indices)
    func `nothing is asked of a server that is not the one that was named`(
        greeting: String, index: Int
    ) async throws {
        let other = try await stranger(greeting)
        let address = other.endpoint
        let failure = try await withClient { line, _ in
            switch line.split(separator: " ")[0] {
            case "LOCATE": .send("OK path=/a server=m1 addr=\(address) state=up size=2 ver=1\n")
            case "CREATE": .send("ERR exists path=/a \"x\"\n")
            default: .send("* server id=m1 addr=\(address) state=up\nOK count=1\n")
            }
        } _: { client, _ in
            await refusal { try await Self.operations[index](client) }
        }

        #expect(failure?.code == "protocol-violation")
        #expect(failure?.server?.text == "m1")
        #expect(failure?.isOutcomeUnknown == false)
        #expect(other.lines.isEmpty)
        try await other.stop()
    }

    @Test func `a redirect leads to the same file server and to no other`() async throws {
        let other = try await stranger("role=file id=m2 epoch=1")
        let address = other.endpoint
        let failure = try await withFileServer { _, _ in
            .send("ERR moved to=\(address) \"elsewhere\"\n")
        } _: { client, _ in
            await refusal { _ = try await client.fetch(TreePath("/a"), offset: 0, count: 2) }
        }

        #expect(failure?.code == "protocol-violation")
        #expect(other.lines.isEmpty)
        try await other.stop()
    }

    @Test func `a name server that sends its clients to a file server is not followed`()
        async throws
    {
        let other = try await stranger("role=file id=m1 epoch=1")
        let address = other.endpoint
        let failure = try await withClient { _, _ in
            .send("ERR moved to=\(address) \"elsewhere\"\n")
        } _: { client, _ in
            await refusal { try await client.makeDirectory(TreePath("/d")) }
        }

        #expect(failure?.code == "protocol-violation")
        #expect(other.lines.isEmpty)
        try await other.stop()
    }

    @Test func `an address that has gone to another server is asked for anew`() async throws {
        let other = try await stranger("role=file id=m2 epoch=1")
        let right = try await stranger("role=file id=m1 epoch=2")
        let (old, new) = (other.endpoint, right.endpoint)
        let text = try await withClient { line, _ in
            switch line.split(separator: " ")[0] {
            case "LIST": .send("* file name=a size=2 server=m1 state=up\nOK count=1\n")
            case "LOCATE": .send("OK path=/a server=m1 addr=\(new) state=up size=2 ver=1\n")
            default: .send("* server id=m1 addr=\(old) state=up\nOK count=1\n")
            }
        } _: { client, _ in
            let entry = try await client.list(.root).all()[0]
            var text = ""
            _ = try await client.fetch(TreePath("/a"), listedAs: entry, verifies: false) {
                text += String(buffer: $0)
            }
            return text
        }

        #expect(text == "ab")
        #expect(other.lines.isEmpty)
        try await other.stop()
        try await right.stop()
    }
}
