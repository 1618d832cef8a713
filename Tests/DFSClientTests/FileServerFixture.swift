import DFSClient
import DFSProtocol

/// A name server that says every file is on one scripted file server.
struct FileServerFixture {
    /// What was asked of the file server so far, the operation's name shown as OP.
    let file: ScriptedServer

    var lines: [String] { file.lines.map(FileServerFixture.withoutName) }

    /// Takes the random part off a line.
    static func withoutName(_ line: String) -> String {
        line.split(separator: " ").map { $0.hasPrefix("op=") ? "op=OP" : String($0) }
            .joined(separator: " ")
    }

    /// The operation's name on a line, or nil.
    static func name(_ line: String) -> String? {
        line.split(separator: " ").first { $0.hasPrefix("op=") }.map(String.init)
    }
}

/// What is unusual about the servers of a test.
struct Surroundings: Sendable {
    /// The file server's epoch as each of its connections, counted from 1, is told it.
    var epochs: @Sendable (_ connection: Int) -> Int = { _ in 1 }
    /// What the name server answers to its lines instead of the usual; nil for that.
    var names: @Sendable (_ line: String, _ count: Int) -> ScriptedServer.Answer? = { _, _ in nil }
    /// The client's deadline.
    var deadline: Duration = .seconds(10)
}

/// Runs a body with a client whose files are all on one scripted file server, called m1.
func withFileServer<Result: Sendable>(
    _ surroundings: Surroundings = Surroundings(), _ script: @escaping ScriptedServer.Script,
    _ body: (DFSClient, FileServerFixture) async throws -> Result
) async throws -> Result {
    let file = try await ScriptedServer.start(
        greetings: {
            "OK DFS/1 role=file id=m1 epoch=\(surroundings.epochs($0)) max-data=1048576\n"
        }, script)
    let address = file.endpoint
    let result = try await withClient(
        of: { line, count in
            if let answer = surroundings.names(line, count) { return answer }
            switch line.split(separator: " ").first {
            case "LOCATE":
                return .send("OK path=/a server=m1 addr=\(address) state=up size=10 ver=1\n")
            case "CREATE": return .send("ERR exists path=/a \"is there\"\n")
            case "SERVERS": return .send("* id=m1 addr=\(address) state=up\nOK count=1\n")
            default: return .send("OK\n")
            }
        }, deadline: surroundings.deadline
    ) { client, _ in
        try await body(client, FileServerFixture(file: file))
    }
    try await file.stop()
    return result
}
