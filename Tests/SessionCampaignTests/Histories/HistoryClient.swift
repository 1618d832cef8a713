import DFSProtocol
import TestCluster

/// One client of a history, from its connection to the end of its rounds or of the server.
///
/// Belongs to one thread.
struct HistoryClient {
    /// A session that this client has.
    struct Session {
        let number: Int
        let handle: String
        /// What resumes it; nil where it ends with its connection.
        let token: String?
    }

    /// A request that is on its way.
    struct Sent {
        let file: Int
        var operation: FileOperation
    }

    let number: Int
    let scene: HistoryScene
    private var random: SeededRandom
    var connection: WireConnection
    /// By file.
    var sessions: [Session?]
    /// What it saw.
    var record: HistoryRecord

    private var plan: HistoryPlan { scene.plan }

    init(_ number: Int, round: Int, _ scene: HistoryScene) throws {
        self.number = number
        self.scene = scene
        random = SeededRandom(
            seed: scene.plan.seed &* 1_000_003 &+ UInt64(1000 * round + number))
        connection = try HistoryClient.connect(scene)
        sessions = Array(repeating: nil, count: scene.plan.paths.count)
        record = HistoryRecord(files: scene.plan.paths.count)
    }

    static func connect(_ scene: HistoryScene) throws -> WireConnection {
        let connection = try WireConnection(to: try scene.server.endpoint)
        guard try connection.readLine().hasPrefix("OK DFS/1 ") else {
            throw TestFailure("no greeting")
        }
        return connection
    }

    /// Makes its rounds; ends early and quietly where the server is killed.
    mutating func run() throws {
        do {
            for _ in 0..<plan.rounds { try round() }
            try closeLeased()
        } catch {
            guard scene.isKilled else { throw error }
        }
    }

    private mutating func happens(_ rate: Int) -> Bool {
        rate > 0 && Int.random(in: 0..<rate, using: &random) == 0
    }

    private mutating func round() throws {
        let file = Int.random(in: 0..<plan.paths.count, using: &random)
        if sessions[file] == nil { try open(file) }
        guard let session = sessions[file] else { return }
        let count = Int.random(in: 1...plan.most, using: &random)
        var sent = try send(count, on: file, session)
        let isStolen = session.token != nil && happens(plan.lossRate)
        let isLost = !isStolen && happens(plan.lossRate)
        let answered = isLost ? Int.random(in: 0..<count, using: &random) : count
        do {
            if isStolen { return try steal(&sent) }
            for _ in 0..<answered { try receive(&sent, from: connection) }
            if isLost { try breakOff(&sent) }
        } catch {
            lose(sent)
            throw error
        }
    }
}

// Requests and their answers.
extension HistoryClient {
    mutating func open(_ file: Int) throws {
        let isLeased = happens(plan.leaseRate)
        let session = Int(HistoryScene.nextNumber())
        let invoked = scene.tick()
        let line = "OPEN \(plan.paths[file]) rw\(isLeased ? " lease=20000" : "")"
        guard let final = try connection.request(line).last, final.line.kind == .ok else {
            throw TestFailure("\(line) was not answered OK")
        }
        let operation = FileOperation(
            id: HistoryScene.nextNumber(), client: number, action: .open(session: session),
            answer: .size(try HistoryClient.words("size", final)), invoked: invoked,
            returned: scene.tick())
        note(final, of: operation, in: file)
        sessions[file] = Session(
            number: session, handle: final.line.text("h") ?? "", token: final.line.text("token"))
        if isLeased, final.line.text("token") == nil {
            throw TestFailure("no token: \(final.text)")
        }
        try scene.noteAnswer()
    }

    /// Sends several requests with tags, so that they run together.
    mutating func send(
        _ count: Int, on file: Int, _ session: Session
    ) throws -> [String: Sent] {
        var sent: [String: Sent] = [:]
        do {
            for index in 0..<count {
                let id = HistoryScene.nextNumber()
                let wish = plan.wishes.randomElement(using: &random) ?? .read
                let (line, action, words) = request(wish, plan.paths[file], session)
                let operation = FileOperation(
                    id: id, client: number, action: action, answer: .none(.connection),
                    invoked: scene.tick(), returned: .max)
                sent["@t\(index)"] = Sent(file: file, operation: operation)
                var bytes = [UInt8]("@t\(index) \(line)".utf8)
                if let words {
                    let data = FileContent.bytes(writer: id, count: words)
                    bytes += [UInt8](" {\(data.count)}\n".utf8) + data
                }
                try connection.send(bytes + [0x0A])
            }
        } catch {
            lose(sent)
            throw error
        }
        return sent
    }

    /// The line of a request, what the model calls it, and how many words it writes.
    private mutating func request(
        _ wish: HistoryPlan.Wish, _ path: String, _ session: Session
    ) -> (line: String, action: FileOperation.Action, words: Int?) {
        let (h, s) = (session.handle, session.number)
        let offset = random.requestOffset()
        let count = random.requestWords()
        let start = offset * FileContent.wordBytes
        let bytes = count * FileContent.wordBytes
        switch wish {
        case .read:
            return (
                "READ \(h) \(start) \(bytes)", .read(session: s, offset: offset, count: count), nil
            )
        case .write:
            return (
                "WRITE \(h) \(start)", .write(session: s, offset: offset, count: count), count
            )
        case .append: return ("APPEND \(h)", .append(session: s, count: count), count)
        case .truncate: return ("TRUNCATE \(h) \(start)", .truncate(session: s, size: offset), nil)
        case .sync: return ("SYNC \(h)", .sync(session: s), nil)
        case .stat: return ("STAT \(h)", .stat(session: s), nil)
        case .look: return ("STAT \(path)", .look, nil)
        case .fetch:
            return ("FETCH \(path) \(start) \(bytes)", .fetch(offset: offset, count: count), nil)
        case .store: return ("STORE \(path)", .store(count: count), count)
        }
    }

    /// Reads one answer, whichever comes.
    ///
    /// - Parameter bound: When the session went to another connection: what it did, it did before.
    mutating func receive(
        _ sent: inout [String: Sent], from connection: WireConnection, bound: Int = .max
    ) throws {
        let final = try connection.readAnswer()
        let returned = scene.tick()
        let tag = final.line.tag.map { String(decoding: $0.bytes, as: UTF8.self) } ?? ""
        guard let request = sent.removeValue(forKey: tag) else {
            throw TestFailure("an answer to nothing: \(final.text)")
        }
        var operation = request.operation
        operation.returned =
            operation.action.session == nil ? returned : min(returned, bound)
        switch final.line.kind {
        case .ok:
            operation.answer = try HistoryClient.answer(final, operation.action)
            note(final, of: operation, in: request.file)
        case .error("stale-file", _):
            operation.answer = .stale
            record.operations[request.file].append(operation)
            // Half of the clients go on with what they have.
            if Bool.random(using: &random) { sessions[request.file] = nil }
        case .error("busy", _), .error("stale-handle", _): record.refused += 1
        default: throw TestFailure("\(operation.action) was answered: \(final.text)")
        }
        try scene.noteAnswer()
    }

    private mutating func note(
        _ final: WireConnection.Answer, of operation: FileOperation, in file: Int
    ) {
        record.operations[file].append(operation)
        switch operation.action {
        case .open, .fetch, .store, .look:
            // A version is a number wherever it is told; without one there is nothing to compare.
            guard let ver = try? final.line.number("ver") else { return }
            record.sightings[file].append(
                .init(
                    invoked: operation.invoked, returned: operation.returned,
                    fid: final.line.text("fid").flatMap { Int64($0) }, ver: ver))
        default: break
        }
    }

    /// What an OK tells, in words.
    static func answer(
        _ final: WireConnection.Answer, _ action: FileOperation.Action
    ) throws -> FileOperation.Answer {
        switch action {
        case .read, .fetch:
            guard let payload = final.payload, let eof = final.line.text("eof") else {
                throw TestFailure("no bytes: \(final.text)")
            }
            var size: Int?
            if case .fetch = action { size = try words("size", final) }
            return .content(FileContent(payload), isEnd: eof == "yes", size: size)
        case .sync: return .done
        case .write(_, _, let count), .append(_, let count):
            guard try words("bytes", final) == count else {
                throw TestFailure("not all bytes: \(final.text)")
            }
            return .size(try words("size", final))
        default: return .size(try words("size", final))
        }
    }

    /// A number of bytes in words; what is no whole number of words is no size that a file has.
    private static func words(_ key: StaticKey, _ final: WireConnection.Answer) throws -> Int {
        let bytes = Int(try final.line.number(key))
        return bytes % FileContent.wordBytes == 0 ? bytes / FileContent.wordBytes : -bytes
    }
}
