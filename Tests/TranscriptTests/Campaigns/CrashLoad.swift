import Synchronization
import TestCluster

/// Clients that work while servers are killed, and write down every answer.
final class CrashLoad: Sendable {
    private let cluster: Cluster
    private let seed: UInt64
    private let acknowledged = Atomic(0)
    private let isOver = Atomic(false)
    private let records = Mutex<[CrashRecord]>([])
    private static let clients = 6

    init(_ cluster: Cluster, seed: UInt64) {
        self.cluster = cluster
        self.seed = seed
    }

    /// Starts all clients, each on a thread of its own.
    func start() throws {
        for number in 0..<CrashLoad.clients {
            try BlockingThread.start { [self] in
                var client = CrashClient(
                    number: number, server: number % 2 == 0 ? "m1" : "m2",
                    random: SeededRandom(seed: seed &+ UInt64(number)), cluster: cluster)
                while !isOver.load(ordering: .relaxed) {
                    let before = client.record.acknowledged
                    client.step()
                    acknowledged.add(client.record.acknowledged - before, ordering: .relaxed)
                }
                records.withLock { $0.append(client.record) }
            }
        }
    }

    /// Waits until that many more requests have been acknowledged.
    func awaitProgress(_ count: Int) throws {
        let goal = acknowledged.load(ordering: .relaxed) + count
        try Deadline(after: .seconds(60)).await("\(count) more requests are acknowledged") {
            acknowledged.load(ordering: .relaxed) >= goal ? true : nil
        }
    }

    /// Lets the clients end after what they are doing.
    func stop() { isOver.store(true, ordering: .relaxed) }

    /// Ends the clients and takes what they wrote down.
    func finish() throws -> [CrashRecord] {
        stop()
        return try Deadline(after: .seconds(60)).await("all clients have ended") {
            records.withLock { $0.count == CrashLoad.clients ? $0 : nil }
        }
    }
}

/// One client: whole files, sessions, and the life of a name from STORE over RENAME to REMOVE.
private struct CrashClient {
    enum Answer {
        case ok
        /// It was refused: nothing happened.
        case refused
        /// The connection ended first, or the server itself does not know.
        case unknown
    }

    let number: Int
    let server: String
    var random: SeededRandom
    let cluster: Cluster
    var record: CrashRecord
    private var connections: [String: WireConnection] = [:]
    private var serial = 0

    init(number: Int, server: String, random: SeededRandom, cluster: Cluster) {
        self.number = number
        self.server = server
        self.random = random
        self.cluster = cluster
        record = CrashRecord(server: server)
    }

    mutating func step() {
        serial += 1
        switch Int.random(in: 0..<4, using: &random) {
        case 0: store()
        case 1: writeInSession()
        case 2: makeDirectory()
        default: liveAndDie()
        }
    }

    /// Sends a request on the connection to a server; a new one is made where the last one ended.
    private mutating func ask(_ id: String, _ line: String, payload: [UInt8]? = nil) -> Answer {
        do {
            let connection = try connections[id] ?? cluster.greeted(by: id, patience: .seconds(20))
            connections[id] = connection
            guard let final = try connection.request(line, payload: payload).last else {
                return .unknown
            }
            switch final.line.kind {
            case .ok:
                record.acknowledged += 1
                return .ok
            case .error("timeout", _), .error("internal", _): return .unknown
            default: return .refused
            }
        } catch {
            // Killed: what was asked last may have been done. The next request connects anew.
            connections[id] = nil
            return .unknown
        }
    }

    private func path(_ name: String) -> String { "/\(server)/c\(number)-\(name)" }

    private func contents() -> [UInt8] {
        Array("client \(number), change \(serial), and enough to fill one line of text\n".utf8)
    }

    /// Notes what a change of a file's contents can have led to.
    private mutating func note(_ path: String, _ contents: [UInt8]?, _ answer: Answer) {
        switch answer {
        case .ok: record.files[path] = [contents]
        case .refused: break
        case .unknown: record.files[path, default: [nil]].append(contents)
        }
    }

    private mutating func store() {
        let path = path("stored\(Int.random(in: 0..<5, using: &random))")
        let contents = contents()
        note(path, contents, ask(server, "STORE \(path)", payload: contents))
    }

    private mutating func writeInSession() {
        let path = path("written\(serial)")
        let contents = contents()
        // Handles are numbered by connection: a connection of its own has h1.
        connections[server] = nil
        switch ask(server, "OPEN \(path) create-new") {
        case .refused: return
        case .unknown: record.files[path] = [nil, []]
        case .ok:
            record.files[path] = [[]]
            let answer = ask(server, "WRITE h1 0", payload: contents)
            note(path, contents, answer)
            if answer == .ok {
                _ = ask(server, Bool.random(using: &random) ? "SYNC h1" : "CLOSE h1")
            }
        }
    }

    private mutating func makeDirectory() {
        let path = path("dir\(serial)")
        switch ask("ns1", "MKDIR \(path)") {
        case .ok: record.directories[path] = [true]
        case .refused: record.directories[path] = [false]
        case .unknown: record.directories[path] = [true, false]
        }
    }

    private mutating func liveAndDie() {
        let (first, second) = (path("name\(serial)a"), path("name\(serial)b"))
        let contents = contents()
        let stored = ask(server, "STORE \(first)", payload: contents)
        note(first, contents, stored)
        guard stored == .ok else { return }
        switch ask("ns1", "RENAME \(first) \(second)") {
        case .refused: return
        case .unknown:
            record.files[first] = [contents, nil]
            record.files[second] = [contents, nil]
            return
        case .ok:
            record.files[first] = [nil]
            record.files[second] = [contents]
        }
        guard Bool.random(using: &random) else { return }
        note(second, nil, ask("ns1", "REMOVE \(second)"))
    }
}
