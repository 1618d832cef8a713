import DFSProtocol
import TestCluster

/// A client that works while its file server is killed, and decides what became of each request.
///
/// Belongs to one thread. It is how a careful program uses the system: `op=` while the server
/// lives, identity, version and contents once it was restarted.
struct CycleClient {
    /// How an append is repeated after its answer was lost.
    enum Repeating: Sendable {
        /// With the `op=` of the first.
        case safely
        /// As it is: what must be found out.
        case blindly
    }

    /// What a request came to.
    enum Reply {
        case ok(WireConnection.Answer)
        case refused(code: String, text: String)
        /// The connection ended first.
        case lost
    }

    let number: Int
    let server: ClusterServer
    let nameServer: ClusterServer?
    let repeating: Repeating
    var random: SeededRandom
    var record = CycleRecord()
    /// Ends waits for a server that does not come back.
    let patience: Duration = .seconds(60)

    var connection: WireConnection?
    /// Which life of the server the connection belongs to.
    var epoch = ""
    private var names: WireConnection?
    private var serial = 0
    /// The versions of stored files as they were told last; those that are not there have none.
    var versions: [String: Int64] = [:]
    /// The identities of stored files, as far as they were told.
    var identities: [String: String] = [:]
    /// Identities of files that were removed.
    var pastIdentities: Set<String> = []
    var slots = SlotFile()
    var log = LogFile()

    init(
        _ number: Int, server: ClusterServer, nameServer: ClusterServer?, seed: UInt64,
        repeating: Repeating = .safely
    ) {
        self.number = number
        self.server = server
        self.nameServer = nameServer
        self.repeating = repeating
        random = SeededRandom(seed: seed &* 1_000_003 &+ UInt64(number))
    }

    /// Does one thing to its end.
    ///
    /// - Throws: `TestFailure` where a server does not come back or says what nobody can say.
    mutating func step() throws {
        switch Int.random(in: 0..<(nameServer == nil ? 7 : 9), using: &random) {
        case 0..<2: try store(path("s\(Int.random(in: 0..<3, using: &random))"))
        case 2..<4: try writeSlot()
        case 4..<7: try append()
        case 7: try rename()
        default: try remake()
        }
    }

    func path(_ name: String) -> String { "/c\(number)-\(name)" }

    /// A new text that nothing else has, as long as a log's record.
    mutating func newText() -> [UInt8] {
        serial += 1
        let text = [UInt8]("client \(number), change \(serial) of them all".utf8)
        let fill = CycleRecord.recordBytes - text.count - 1
        return text + Array(repeating: UInt8(ascii: "."), count: fill) + [0x0A]
    }

    /// A new name for a change.
    mutating func newOperation() -> String {
        "c\(number)-\(UInt64.random(in: .min ... .max, using: &random))"
    }

    /// Whether an answer is to be thrown away unread, as if the connection had ended before it.
    mutating func losesAnswer() -> Bool { Int.random(in: 0..<8, using: &random) == 0 }

    /// Sends a request to the file server; nobody reads the answer where it is to be lost.
    mutating func ask(
        _ line: String, payload: [UInt8]? = nil, isLost: Bool = false
    ) throws -> Reply {
        let connection = try connected()
        if isLost, Bool.random(using: &random) {
            let data = payload.map { [UInt8](" {\($0.count)}\n".utf8) + $0 } ?? []
            // The connection ends while the request is on its way, or before.
            _ = try? connection.send([UInt8](line.utf8) + data + [0x0A])
            return leave(connection)
        }
        let reply = CycleClient.ask(connection, line, payload)
        if isLost || reply.isLost { return leave(connection) }
        if case .ok = reply { record.acknowledged += 1 }
        return reply
    }

    private mutating func leave(_ connection: WireConnection) -> Reply {
        connection.close()
        self.connection = nil
        log.isAttached = false
        slots.leave()
        return .lost
    }

    /// Sends a request to the name server.
    mutating func askNames(_ line: String) throws -> Reply {
        guard let nameServer else { throw TestFailure("there is no name server") }
        let endpoint = try nameServer.endpoint
        // Nobody listens while the name server is being started.
        guard let connection = names ?? (try? CycleClient.greeted(by: endpoint).0) else {
            return .lost
        }
        names = connection
        let reply = CycleClient.ask(connection, line, nil)
        if reply.isLost { names = nil }
        if case .ok = reply { record.acknowledged += 1 }
        return reply
    }

    private static func ask(
        _ connection: WireConnection, _ line: String, _ payload: [UInt8]?
    ) -> Reply {
        do {
            guard let final = try connection.request(line, payload: payload).last else {
                return .lost
            }
            switch final.line.kind {
            case .ok: return .ok(final)
            case .error(let code, _): return .refused(code: code, text: final.text)
            case .item, .notice: return .lost
            }
        } catch {
            // Killed: what was asked last may have been done.
            return .lost
        }
    }

    /// The connection to the file server, a new one where the last has ended.
    ///
    /// Sessions are gone with the connection or the server; `epoch` tells which.
    mutating func connected() throws -> WireConnection {
        if let connection { return connection }
        let endpoint = try server.endpoint
        let (connection, greeting) = try Deadline(after: patience).await("\(endpoint) greets") {
            // Nobody listens while the server is being started.
            try? CycleClient.greeted(by: endpoint)
        }
        self.connection = connection
        guard let word = greeting.split(separator: " ").first(where: { $0.hasPrefix("epoch=") })
        else { throw TestFailure("no epoch: \(greeting)") }
        epoch = String(word)
        return connection
    }

    private static func greeted(by endpoint: Endpoint) throws -> (WireConnection, String) {
        let connection = try WireConnection(to: endpoint, patience: .seconds(20))
        return (connection, try connection.readLine())
    }

    /// Waits a little before the same is asked again.
    func pause() throws {
        var isFirst = true
        try Deadline(after: patience).await("a moment has passed") {
            defer { isFirst = false }
            return isFirst ? nil : true
        }
    }

    /// Repeats a question until its answer decides.
    mutating func untilDecided(
        _ what: @autoclosure () -> String, _ question: (inout CycleClient) throws -> Bool
    ) throws {
        let deadline = Deadline(after: patience)
        while try !question(&self) {
            guard !deadline.isOver else { throw TestFailure("\(what()) was never decided") }
        }
    }
}

extension CycleClient.Reply {
    /// Whether nothing is known.
    var isLost: Bool {
        if case .lost = self { true } else { false }
    }
}
