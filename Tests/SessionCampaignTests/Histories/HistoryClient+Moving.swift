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
        let bound = try move()
        while !sent.isEmpty { try receive(&sent, from: old, bound: bound) }
        old.close()
    }

    /// Connects anew and resumes the sessions that have a lease; the others are over.
    ///
    /// - Returns: When the last of them was there.
    private mutating func move() throws -> Int {
        let leased = sessions
        sessions = Array(repeating: nil, count: sessions.count)
        connection = try HistoryClient.connect(scene)
        for (file, session) in leased.enumerated() {
            guard let session, let token = session.token else { continue }
            let line = "RESUME \(session.handle) token=\(token)"
            guard let final = try connection.request(line).last, final.line.kind == .ok else {
                throw TestFailure("\(line) was not answered OK")
            }
            sessions[file] = session
            record.resumed += 1
        }
        return scene.tick()
    }

    /// Ends the sessions that would outlive this client, so that thousands do not wait to expire.
    mutating func closeLeased() throws {
        for session in sessions {
            guard let session, session.token != nil else { continue }
            // A replaced file makes this stale-file; the session is over in any case.
            _ = try connection.request("CLOSE \(session.handle)")
        }
    }
}
