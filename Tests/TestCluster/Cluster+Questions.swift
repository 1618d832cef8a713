import DFSProtocol

extension Cluster {
    /// Opens a raw connection to a server; its greeting is yet to be read.
    public func connect(
        to id: String, patience: Duration = Deadline.usual
    ) throws -> WireConnection {
        try WireConnection(to: try self[id].endpoint, patience: patience)
    }

    /// Opens a raw connection and reads the greeting.
    public func greeted(by id: String, patience: Duration = Deadline.usual) throws -> WireConnection
    {
        let connection = try connect(to: id, patience: patience)
        let greeting = try connection.readLine()
        guard greeting.hasPrefix("OK DFS/1 ") else {
            throw TestFailure("\(id) greets with: \(greeting)")
        }
        return connection
    }

    /// The name server that is asked: the first one.
    public var nameServer: ClusterServer {
        get throws {
            guard let server = servers.first(where: { $0.executable == .nameServer }) else {
                throw TestFailure("there is no name server")
            }
            return server
        }
    }

    /// Waits until the name server says of a file server that it is `state` (up, suspect, down,
    /// goodbye).
    public func awaitState(
        of id: String, _ state: String, within duration: Duration = Deadline.usual
    ) throws {
        var last = "nothing"
        try asking(Deadline(after: duration), "\(id) is \(state); it is \(last)") { connection in
            for answer in try connection.request("SERVERS") where answer.line.text("id") == id {
                last = answer.line.text("state") ?? "without a state"
            }
            return last == state
        }
    }

    /// Waits until the name server answers LOCATE for a file that a server has.
    public func awaitFile(
        _ path: [UInt8], on id: String, within duration: Duration = Deadline.usual
    ) throws {
        let request = "LOCATE \(Quoting.text(path)) server=\(id)"
        var last = ""
        try asking(Deadline(after: duration), "\(request) is OK; it is: \(last)") { connection in
            guard let final = try connection.request(request).last else { return false }
            last = final.text
            return final.line.kind == .ok
        }
    }

    /// Waits until the name server no longer knows a path.
    public func awaitNoFile(_ path: [UInt8], within duration: Duration = Deadline.usual) throws {
        let request = "LOCATE \(Quoting.text(path))"
        try asking(Deadline(after: duration), "\(request) is not-found") { connection in
            guard let final = try connection.request(request).last else { return false }
            return final.line.kind == .error(code: "not-found", isFatal: false)
        }
    }

    /// Waits until the name server counts that many files of a server.
    public func awaitFiles(
        of id: String, count: Int, within duration: Duration = Deadline.usual
    ) throws {
        var last = "unknown"
        try asking(Deadline(after: duration), "\(id) has \(count) files; it has \(last)") {
            connection in
            for answer in try connection.request("SERVERS") where answer.line.text("id") == id {
                last = answer.line.text("files") ?? "no count"
            }
            return last == "\(count)"
        }
    }

    /// Puts a question to the name server until the answer is yes.
    private func asking(
        _ deadline: Deadline, _ what: @autoclosure () -> String,
        _ question: (WireConnection) throws -> Bool
    ) throws {
        let connection = try greeted(by: nameServer.id)
        do {
            try deadline.await(what()) { try question(connection) ? true : nil }
        } catch let failure as TestFailure {
            throw TestFailure("\(failure)\n\(logEnds)")
        }
    }
}
