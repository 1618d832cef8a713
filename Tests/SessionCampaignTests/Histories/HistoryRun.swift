import TestCluster

/// One history on one server: its clients, its kills, and the check of every file.
struct HistoryRun {
    /// What a history came to.
    struct Outcome: Sendable {
        /// A text for each promise that was broken.
        var faults: [String] = []
        var operations = 0
        var unanswered = 0
        var kills = 0
        /// States that the largest search looked at.
        var states = 0
        var record: HistoryRecord
    }

    private let scene: HistoryScene

    /// - Parameter nameServer: Where files are renamed and removed; nil where none are.
    init(_ plan: HistoryPlan, on server: ClusterServer, names nameServer: ClusterServer? = nil) {
        scene = HistoryScene(plan, server, nameServer)
    }

    /// Runs the clients until all have made their rounds, and checks what they saw.
    ///
    /// - Throws: `TestFailure` where a server does what no history explains: it hangs, or ends.
    func run() async throws -> Outcome {
        let plan = scene.plan
        var record = HistoryRecord(files: plan.paths.count)
        for file in plan.paths.indices { try make(file, &record) }
        for round in 0...plan.kills.count {
            let isKilled = round < plan.kills.count
            if isKilled { scene.planKill(after: plan.kills[round]) }
            record.add(try await clients(round))
            guard isKilled else { continue }
            // The clients may have been too few to give that many answers.
            if !scene.isKilled { try scene.kill() }
            try restart(&record)
        }
        for file in plan.paths.indices {
            try read(file, &record)
            try lock(file, &record)
        }
        return check(record)
    }

    private func restart(_ record: inout HistoryRecord) throws {
        record.killed(at: scene.tick())
        let invoked = scene.tick()
        try scene.restart()
        let returned = scene.tick()
        for file in record.operations.indices {
            record.operations[file].append(
                FileOperation(
                    id: HistoryScene.nextNumber(), client: -1, action: .restart, answer: .done,
                    invoked: invoked, returned: returned))
        }
    }

    /// Lets each client work on a thread of its own.
    private func clients(_ round: Int) async throws -> HistoryRecord {
        let scene = scene
        return try await withThrowingTaskGroup(of: HistoryRecord.self) { group in
            for number in 0..<scene.plan.clients {
                group.addTask {
                    var client: HistoryClient
                    do { client = try HistoryClient(number, round: round, scene) } catch {
                        guard scene.isKilled else { throw error }
                        return HistoryRecord(files: scene.plan.paths.count)
                    }
                    try client.run()
                    return client.record
                }
            }
            var record = HistoryRecord(files: scene.plan.paths.count)
            for try await one in group { record.add(one) }
            return record
        }
    }

    /// Makes a file that nobody has seen yet.
    private func make(_ file: Int, _ record: inout HistoryRecord) throws {
        let count = HistoryPlan.startWords
        try ask("STORE \(scene.plan.paths[file])", .store(count: count), file, &record)
    }

    /// Reads a whole file after everything else.
    private func read(_ file: Int, _ record: inout HistoryRecord) throws {
        let path = scene.plan.paths[file]
        let step = HistoryPlan.mostWords
        var offset = 0
        while true {
            let bytes = (offset * FileContent.wordBytes, step * FileContent.wordBytes)
            try ask(
                "FETCH \(path) \(bytes.0) \(bytes.1)", .fetch(offset: offset, count: step), file,
                &record)
            guard case .content(_, let isEnd, _)? = record.operations[file].last?.answer,
                !isEnd, offset < 4 * HistoryPlan.fullWords
            else { return }
            offset += step
        }
    }

    /// Takes the lock, which nobody can have any more.
    private func lock(_ file: Int, _ record: inout HistoryRecord) throws {
        let session = Int(HistoryScene.nextNumber())
        let line = "OPEN \(scene.plan.paths[file]) create lock=exclusive wait=8000"
        let action = FileOperation.Action.open(
            session: session, making: .absent, lock: .exclusive)
        let final = try ask(line, action, file, &record)
        guard final.line.kind == .ok else {
            throw TestFailure("the end of all sessions did not free a lock: \(final.text)")
        }
    }

    @discardableResult
    private func ask(
        _ line: String, _ action: FileOperation.Action, _ file: Int, _ record: inout HistoryRecord
    ) throws -> WireConnection.Answer {
        let id = HistoryScene.nextNumber()
        var payload: [UInt8]?
        if case .store(let count) = action {
            payload = FileContent.bytes(writer: id, count: count)
        }
        let connection = try HistoryClient.connect(to: scene.server)
        var operation = FileOperation(
            id: id, client: -1, action: action, answer: .done, invoked: scene.tick(),
            returned: .max)
        guard let final = try connection.request(line, payload: payload).last else {
            throw TestFailure("no answer to \(line)")
        }
        operation.returned = scene.tick()
        if let operation = try HistoryAnswer.settled(operation, final) {
            record.operations[file].append(operation)
        }
        return final
    }

    /// Searches an order for each file.
    private func check(_ record: HistoryRecord) -> Outcome {
        var outcome = Outcome(kills: scene.plan.kills.count, record: record)
        for (file, operations) in record.operations.enumerated() {
            let name = "seed \(scene.plan.seed), file \(scene.plan.paths[file])"
            outcome.operations += operations.count
            outcome.unanswered += operations.count { !$0.isCertain }
            var check = HistoryCheck(operations)
            switch check.run(from: .nothing) {
            case .linearizable: break
            case .violation(let account): outcome.faults.append("\(name): \(account)")
            case .unknown(let states):
                outcome.faults.append("\(name): no verdict after \(states) states")
            }
            outcome.states = max(outcome.states, check.states)
        }
        return outcome
    }
}
