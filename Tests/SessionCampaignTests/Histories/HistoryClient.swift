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
    var random: SeededRandom
    var connection: WireConnection
    /// To the name server, from the first time that something is asked there.
    var names: WireConnection?
    /// By file.
    var sessions: [Session?]
    /// Files whose session is of no use any more.
    var quits: Set<Int> = []
    /// The versions that were told last, by file.
    var versions: [Int64?]
    /// What it saw.
    var record: HistoryRecord

    var plan: HistoryPlan { scene.plan }

    init(_ number: Int, round: Int, _ scene: HistoryScene) throws {
        self.number = number
        self.scene = scene
        random = SeededRandom(
            seed: scene.plan.seed &* 1_000_003 &+ UInt64(1000 * round + number))
        connection = try HistoryClient.connect(to: scene.server)
        sessions = Array(repeating: nil, count: scene.plan.paths.count)
        versions = Array(repeating: nil, count: scene.plan.paths.count)
        record = HistoryRecord(files: scene.plan.paths.count)
    }

    static func connect(to server: ClusterServer) throws -> WireConnection {
        let connection = try WireConnection(to: try server.endpoint)
        guard try connection.readLine().hasPrefix("OK DFS/1 ") else {
            throw TestFailure("no greeting")
        }
        return connection
    }

    /// Makes its rounds; ends early and quietly where the server is killed.
    mutating func run() throws {
        do {
            for _ in 0..<plan.rounds { try round() }
            for file in sessions.indices { try close(file) }
        } catch {
            guard scene.isKilled else { throw error }
        }
    }

    private mutating func round() throws {
        let file = Int.random(in: 0..<plan.paths.count, using: &random)
        try act(file)
        if sessions[file] == nil { try open(file) }
        guard let session = sessions[file] else { return }
        try work(file, session)
        for file in quits.sorted() { try close(file) }
    }

    /// Sends some requests together, and loses or moves the connection now and then.
    private mutating func work(_ file: Int, _ session: Session) throws {
        let count = Int.random(in: 1...plan.most, using: &random)
        var sent = try send(count, on: file, session)
        let isStolen = session.token != nil && random.happens(plan.lossRate)
        let isLost = !isStolen && random.happens(plan.lossRate)
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

// One request after the other.
extension HistoryClient {
    /// Asks, and writes down what came of it, or that nothing came.
    ///
    /// - Returns: What was answered, OK or not.
    @discardableResult
    mutating func ask(
        _ line: String, _ action: FileOperation.Action, in file: Int, at asked: WireConnection,
        ifVersion: Int64? = nil
    ) throws -> WireConnection.Answer {
        var operation = FileOperation(
            id: HistoryScene.nextNumber(), client: number, action: action, ifVersion: ifVersion,
            answer: .none(.connection), invoked: scene.tick(), returned: .max)
        let final: WireConnection.Answer
        do {
            guard let last = try asked.request(line).last else { throw TestFailure("no answer") }
            final = last
        } catch {
            record.operations[file].append(operation)
            throw error
        }
        operation.returned = scene.tick()
        note(try HistoryAnswer.settled(operation, final), in: file)
        try scene.noteAnswer()
        return final
    }

    /// Writes an operation down; nil was refused, and is nothing.
    mutating func note(_ operation: FileOperation?, in file: Int) {
        guard let operation else { return record.refused += 1 }
        record.operations[file].append(operation)
        if let ver = operation.told.ver { versions[file] = ver }
    }

    /// A version to ask for now and then: the one that was told last, or the one before.
    mutating func condition(on file: Int, _ rate: Int) -> Int64? {
        guard random.happens(rate), let known = versions[file] else { return nil }
        return Bool.random(using: &random) ? known : max(0, known - 1)
    }

    mutating func open(_ file: Int) throws {
        let isLeased = random.happens(plan.leaseRate)
        let isShort = isLeased && random.happens(plan.shortRate)
        let isLocked = random.happens(plan.lockRate)
        let lock: FileOperation.Lock? =
            isLocked ? (Bool.random(using: &random) ? .shared : .exclusive) : nil
        let making: FileOperation.Making =
            plan.makesFiles
            ? [.nothing, .absent, .absent, .new].randomElement(using: &random) ?? .nothing
            : .nothing
        let condition = making == .new ? nil : condition(on: file, 2 * plan.conditionRate)
        let session = Int(HistoryScene.nextNumber())
        var line = "OPEN \(plan.paths[file]) \(making.word)"
        if isLeased { line += " lease=\(isShort ? 40 : 20_000)" }
        if let lock {
            line += " lock=\(lock.rawValue)"
            if Bool.random(using: &random) { line += " wait=20" }
        }
        if let condition { line += " if-ver=\(condition)" }
        let asked = scene.tick()
        let final = try ask(
            line, .open(session: session, making: making, lock: lock), in: file, at: connection,
            ifVersion: condition)
        guard final.line.kind == .ok else { return }
        guard let handle = final.line.text("h"), !isLeased || final.line.text("token") != nil
        else { throw TestFailure("no handle or no token: \(final.text)") }
        sessions[file] = Session(number: session, handle: handle, token: final.line.text("token"))
        if isLeased { scene.noteTarget(.init(session: session, handle: handle), in: file) }
        // It may run out whenever its client is slow, and before it knows of it.
        if isShort { noteEnd(of: session, in: file, from: asked) }
    }

    /// Ends its session on a file, if it has one.
    mutating func close(_ file: Int) throws {
        quits.remove(file)
        guard let session = sessions[file] else { return }
        sessions[file] = nil
        try ask(
            "CLOSE \(session.handle)", .close(session: session.number), in: file, at: connection)
    }

    /// Writes down that a session ends at some moment, of which nobody will be told.
    mutating func noteEnd(of session: Int, in file: Int, from time: Int) {
        record.operations[file].append(
            FileOperation(
                id: HistoryScene.nextNumber(), client: number, action: .end(session: session),
                answer: .none(.connection), invoked: time, returned: .max))
    }
}

// What is done between two rounds.
extension HistoryClient {
    /// Does one deed, or nothing.
    private mutating func act(_ file: Int) throws {
        let path = plan.paths[file]
        let deed = plan.deeds.randomElement(using: &random) ?? .nothing
        switch deed {
        case .nothing: break
        case .close: try close(file)
        case .kill:
            guard let target = scene.target(in: file, &random) else { return }
            let action = FileOperation.Action.kill(session: target.session)
            try ask("KILL \(target.handle)", action, in: file, at: connection)
        case .remove: try askNames("REMOVE \(path)", .remove, in: file)
        case .move:
            let beside = HistoryPlan.beside(path)
            try askNames("RENAME \(path) \(beside)", .putAside, in: file)
            try askNames("RENAME \(beside) \(path)", .bringBack, in: file)
        }
    }

    private mutating func askNames(
        _ line: String, _ action: FileOperation.Action, in file: Int
    ) throws {
        guard let server = scene.nameServer else { return }
        let connection = try names ?? HistoryClient.connect(to: server)
        names = connection
        try ask(line, action, in: file, at: connection)
    }
}

extension FileOperation.Making {
    /// The operand of OPEN.
    var word: String {
        switch self {
        case .nothing: "rw"
        case .absent: "create"
        case .new: "create-new"
        }
    }
}
