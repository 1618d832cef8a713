import TestCluster

// Connections that end, and sessions that do not.
extension HistoryClient {
    /// Writes down what got no answer.
    ///
    /// - Parameter bound: When the sessions that live on had come to another connection.
    func lost(_ sent: [String: Sent], bound: Int) -> [Sent] {
        sent.sorted { $0.key < $1.key }.map { _, request in
            var request = request
            let isSettled = sessions.contains { session in
                session != nil && session?.number == request.operation.action.session
            }
            if isSettled { request.operation.returned = bound }
            return request
        }
    }

    /// Writes down what got no answer, and may happen at any later time.
    mutating func lose(_ sent: [String: Sent], bound: Int = .max) {
        for request in lost(sent, bound: bound) {
            record.operations[request.file].append(request.operation)
        }
    }

    /// Ends the connection without another word, and goes on with what outlives it.
    mutating func breakOff(_ sent: inout [String: Sent]) throws {
        noteEnds()
        connection.close()
        record.losses += 1
        let bound = try move()
        lose(sent, bound: bound)
        sent = [:]
    }

    /// Resumes sessions from another connection while requests are on their way on the old one.
    ///
    /// Each of them happened before RESUME was answered, or is refused.
    mutating func steal(_ sent: inout [String: Sent]) throws {
        let old = connection
        noteEnds()
        let bound = try move()
        while !sent.isEmpty { try receive(&sent, from: old, bound: bound) }
        old.close()
    }

    /// Writes down which sessions end with this connection, some time from now on.
    private mutating func noteEnds() {
        for (file, session) in sessions.enumerated() {
            guard let session, session.token == nil else { continue }
            noteEnd(of: session.number, in: file, from: scene.tick())
        }
    }

    /// Connects anew and resumes the sessions that have a lease; the others are over.
    ///
    /// - Returns: When the last of them was there.
    private mutating func move() throws -> Int {
        let leased = sessions
        sessions = Array(repeating: nil, count: sessions.count)
        connection = try HistoryClient.connect(to: scene.server)
        for (file, session) in leased.enumerated() {
            guard let session, let token = session.token else { continue }
            let line = "RESUME \(session.handle) token=\(token)"
            let final = try ask(line, .stat(session: session.number), in: file, at: connection)
            switch final.line.kind {
            case .ok:
                sessions[file] = session
                record.resumed += 1
            // It ran out, or somebody killed it.
            case .error("lease-expired", _), .error("stale-handle", _): break
            default: throw TestFailure("\(line): \(final.text)")
            }
        }
        return scene.tick()
    }
}
