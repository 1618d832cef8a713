import DFSProtocol
import DFSTransport

/// One open session of a file server, whoever holds it.
public struct SessionInfo: Sendable {
    /// The name that `kill` takes; of a leased session also the one that `resume` takes.
    public let handle: [UInt8]
    /// The file, by the name that it was opened by.
    public let path: TreePath
    /// How it was opened, in the wire's word.
    public let mode: String
    /// Who opened it, as the server knows them.
    public let owner: String
    /// How the client called itself; nil where it did not.
    public let clientName: String?
    /// Milliseconds since it was opened; nil where the server did not tell.
    public let ageMilliseconds: Int64?
    /// Milliseconds since the last request that named it; nil where the server did not tell.
    public let idleMilliseconds: Int64?
    /// What is left of its lease, in milliseconds; nil for a session that ends with its connection.
    public let leaseMilliseconds: Int64?
    /// Its lock; nil for none.
    public let lock: FileLock?
    /// Every pair of the item, in the server's order, for people.
    public let pairs: [(key: String, value: [UInt8])]

    init(_ line: ReplyLine) throws(DFSError) {
        do throws(RequestError) {
            guard let handle = line.value("h"), (1...64).contains(handle.count) else {
                throw RequestError(.badArgument, "a session without a handle")
            }
            self.handle = handle
            path = try TreePath(line.value("path") ?? [])
            ageMilliseconds = try EntryReader.optional(line, "age")
            idleMilliseconds = try EntryReader.optional(line, "idle")
            switch try Lease(text: line.value("lease") ?? [UInt8]("conn".utf8)) {
            case .connection: leaseMilliseconds = nil
            case .milliseconds(let left): leaseMilliseconds = left
            }
        } catch {
            throw .violation("an item of HANDLES: \(error.advice)")
        }
        mode = line.text("mode") ?? ""
        owner = line.text("owner") ?? ""
        clientName = line.text("client").flatMap { $0.isEmpty ? nil : $0 }
        lock = line.text("lock").flatMap { FileLock(rawValue: $0) }
        pairs = line.pairs.map { (String(decoding: $0.key, as: UTF8.self), $0.value) }
    }
}

/// What one file server answered to the question for its sessions, or why it did not.
public struct ServerHandles: Sendable {
    /// The server, as the name server knows it.
    public let server: ServerInfo
    /// Its sessions in its order; or `server-down`, `unreachable`, `timeout`, `protocol-violation`,
    /// or what it refused, each with `DFSError.server`.
    public let result: Result<[SessionInfo], DFSError>
}

extension DFSError {
    /// That a server has no session of a name.
    init(missing handle: [UInt8], on server: ServerInfo) {
        self.init(
            .staleHandle,
            "\(server.id) has no session \(Quoting.text(handle)): it has ended, or there never was "
                + "one of that name")
        self.server = server.id
        missingSession = handle
    }
}

extension DFSClient {
    /// The sessions that are open on every file server, ordered by the server's id.
    ///
    /// The servers are asked side by side: those that do not answer cost one deadline together, and
    /// take nothing from what the others said. One that is down is not asked.
    /// - Throws: Why the name server did not say which servers there are; `cancelled`.
    public func handles() async throws(DFSError) -> [ServerHandles] {
        let servers = try await servers()
        let results = await withTaskGroup(of: Heard.self) { group in
            for (number, server) in servers.enumerated() {
                group.addTask { [self] in
                    do throws(DFSError) {
                        return Heard(number, .success(try await handles(on: server, patience())))
                    } catch {
                        return Heard(number, .failure(error))
                    }
                }
            }
            var results: [Int: Result<[SessionInfo], DFSError>] = [:]
            for await heard in group { results[heard.number] = heard.result }
            return results
        }
        if Task.isCancelled { throw DFSError(.cancelled, "given up by the caller") }
        return servers.enumerated().compactMap { number, server in
            results[number].map { ServerHandles(server: server, result: $0) }
        }
    }

    /// What one of several servers said.
    ///
    /// An object, since a group that hands on the pair as it is crashes when Swift 6.3.1 optimizes.
    private final class Heard: Sendable {
        let number: Int
        let result: Result<[SessionInfo], DFSError>

        init(_ number: Int, _ result: Result<[SessionInfo], DFSError>) {
            self.number = number
            self.result = result
        }
    }

    private func handles(
        on server: ServerInfo, _ patience: Patience
    ) async throws(DFSError) -> [SessionInfo] {
        guard server.state.isAvailable else {
            var failure = DFSError(.serverDown, "\(server.id) is \(server.state.word)")
            failure.server = server.id
            failure.endpoint = server.address
            failure.seenMilliseconds = server.seenMilliseconds
            throw failure
        }
        var sessions: [SessionInfo] = []
        var page: ClientRequest? = request(.handles)
        while let request = page {
            let reply = try await onServer(server, patience) { (link) throws(ConnectionError) in
                try await send(request, to: link, until: patience)
            }
            do throws(DFSError) {
                for item in reply.items { sessions.append(try SessionInfo(item.line)) }
                page = try nextPage(after: reply, sessions)
            } catch {
                var failure = error
                failure.server = server.id
                failure.endpoint = server.address
                throw failure
            }
        }
        return sessions
    }

    /// What asks for the sessions behind a page; nil after the last one.
    private func nextPage(
        after reply: Reply, _ sessions: [SessionInfo]
    ) throws(DFSError) -> ClientRequest? {
        guard reply.final.text("more") == "yes" else { return nil }
        guard let last = reply.final.value("after"), !reply.items.isEmpty,
            sessions.count <= Limits().handles
        else { throw .violation("a list of sessions without an end") }
        var next = request(.handles)
        next.option("after", last)
        return next
    }

    /// The sessions that are open on one file server, in its order.
    ///
    /// - Throws: `server-down` where the name server says so, `unreachable`, `timeout`;
    ///   `unknown-server` where its address is not known.
    public func handles(on server: ServerInfo) async throws(DFSError) -> [SessionInfo] {
        try await handles(on: server, patience())
    }

    /// Ends a session, whoever holds it; its changes stay, its lock is released.
    ///
    /// - Parameter handle: As `handles(on:)` tells it.
    /// - Throws: `stale-handle` with `missingSession` where there is no such session, any more or
    ///   ever.
    public func kill(_ handle: [UInt8], on server: ServerInfo) async throws(DFSError) {
        var request = request(.kill)
        request.operand(handle)
        let patience = patience()
        _ = try await naming(handle, on: server) { () throws(DFSError) in
            try await onServer(server, patience) { (link) throws(ConnectionError) in
                try await send(request, to: link, until: patience)
            }
        }
    }

    /// What a file server says of itself: every pair of STATUS, in its order.
    public func status(
        of server: ServerInfo
    ) async throws(DFSError) -> [(key: String, value: [UInt8])] {
        let patience = patience()
        let reply = try await onServer(server, patience) { (link) throws(ConnectionError) in
            try await send(request(.status), to: link, until: patience)
        }
        return reply.final.pairs.map { (String(decoding: $0.key, as: UTF8.self), $0.value) }
    }

    /// Runs what names a session of a server; that there is none is said in those words.
    func naming<Answer>(
        _ handle: [UInt8], on server: ServerInfo, _ body: () async throws(DFSError) -> Answer
    ) async throws(DFSError) -> Answer {
        do throws(DFSError) {
            return try await body()
        } catch {
            guard error.known == .staleHandle else { throw error }
            throw DFSError(missing: handle, on: server)
        }
    }

    /// Asks one file server, once.
    func onServer<Answer>(
        _ server: ServerInfo, _ patience: Patience,
        _ body: (ServerLink) async throws(ConnectionError) -> Answer
    ) async throws(DFSError) -> Answer {
        guard let address = server.address else {
            throw DFSError(.unknownServer, "\(server.id) has no address")
        }
        do throws(ConnectionError) {
            return try await body(
                try await pool.link(to: server.id, at: address, until: patience))
        } catch {
            throw DFSError(error, path: nil, server: server.id, endpoint: address)
        }
    }
}
