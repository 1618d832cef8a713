import Crypto
import DFSClient
import DFSProtocol
import NIOCore

/// A client that puts files on one scripted file server, called m1, and its name server.
struct TransferFixture {
    /// One request as a server sees it.
    struct Asked {
        let line: String
        let verb: String
        /// How often the verb has come, this time included.
        let time: Int
        /// Where the file server is.
        let address: Endpoint
    }

    /// What a request is answered instead of the usual; nil for that.
    typealias Special = @Sendable (_ asked: Asked) -> ScriptedServer.Answer?

    let client: DFSClient
    let names: ScriptedServer
    let file: ScriptedServer

    /// The bytes that are put, more than one piece.
    static let content = "12345678"
    static let digest: String = {
        SHA256.hash(data: [UInt8](content.utf8)).map { byte in
            let digits = String(byte, radix: 16)
            return digits.utf8.count == 1 ? "0" + digits : digits
        }.joined()
    }()
    static let leased = "OK h=s1 size=0 ver=0 fid=7 lease=30000 token=00\n"
    static let refusedAsDown = "ERR server-down server=m1 seen=3000 retry=1000 \"x\"\n"

    /// What SERVERS says of a file server that is down.
    static func down(_ address: Endpoint) -> ScriptedServer.Answer {
        .send("* server id=m1 addr=\(address) state=down seen=3000\nOK count=1\n")
    }

    /// Stores the content as /a, in pieces of 4 bytes.
    func put() async throws {
        var pieces = [ByteBuffer(string: TransferFixture.content)]
        _ = try await client.store(TreePath("/a")) { pieces.popLast() }
    }

    /// Runs a body with servers where the name /a is free and everything works, but for the
    /// special.
    ///
    /// - Parameters:
    ///   - deadline: The client's.
    ///   - epochs: The file server's epoch as each of its connections, counted from 1, is told it.
    ///   - pieceBytes: The most that one request carries.
    static func run<Result: Sendable>(
        deadline: Duration = .seconds(60), epochs: @escaping @Sendable (Int) -> Int = { _ in 1 },
        pieceBytes: Int = 4, watchAfter: Duration = .seconds(2),
        names: @escaping Special = { _ in nil }, file: @escaping Special = { _ in nil },
        _ body: (TransferFixture) async throws -> Result
    ) async throws -> Result {
        let (asked, sent, place) = (VerbCounts(), VerbCounts(), AddressBox())
        let fileServer = try await ScriptedServer.start(
            greetings: { "OK DFS/1 role=file id=m1 epoch=\(epochs($0)) max-data=1048576\n" }
        ) { line, _ in
            let verb = String(line.split(separator: " ")[0])
            let request = Asked(
                line: line, verb: verb, time: sent.next(verb), address: place.endpoint)
            return file(request) ?? answer(ofFileServer: line, verb)
        }
        let address = fileServer.endpoint
        place.set(address)
        let nameServer = try await ScriptedServer.start { line, _ in
            let verb = String(line.split(separator: " ")[0])
            let request = Asked(line: line, verb: verb, time: asked.next(verb), address: address)
            return names(request) ?? answer(ofNameServer: verb, address)
        }
        var options = ClientOptions()
        options.deadline = deadline
        options.pieceBytes = pieceBytes
        options.piecesInFlight = 1
        options.watchAfter = watchAfter
        let client = DFSClient(nameServers: [nameServer.endpoint], options: options)
        let result = try await body(
            TransferFixture(client: client, names: nameServer, file: fileServer))
        await client.close()
        try await nameServer.stop()
        try await fileServer.stop()
        return result
    }

    private static func answer(
        ofFileServer line: String, _ verb: String
    ) -> ScriptedServer.Answer {
        switch verb {
        case "OPEN", "RESUME": .send(leased)
        case "SYNC": .send("OK ver=1\n")
        case "WRITE": .send("OK bytes=4 size=8\n")
        case "STORE": .send("OK size=8 ver=1 fid=7\n")
        case "CLOSE": .send("OK size=8 ver=1\n")
        case "DIGEST": .send("OK sha256=\(digest) size=8 ver=1 fid=7\n")
        case "FETCH":
            .send(
                "OK size=8 ver=1 fid=7 eof=no {4}\n\(line.contains(" 0 ") ? "1234" : "5678")\n")
        default: .send("ERR internal \"the script has no \(verb)\"\n")
        }
    }

    private static func answer(
        ofNameServer verb: String, _ address: Endpoint
    ) -> ScriptedServer.Answer {
        switch verb {
        case "LOCATE": .send("ERR not-found path=/a \"x\"\n")
        case "CREATE": .send("OK path=/a server=m1 addr=\(address) state=up\n")
        case "SERVERS": .send("* server id=m1 addr=\(address) state=up\nOK count=1\n")
        default: .send("OK\n")
        }
    }
}
