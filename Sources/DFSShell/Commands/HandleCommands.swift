import DFSClient
import DFSProtocol

/// `handles` and `kill`: the sessions of all clients, as their servers have them.
enum HandleCommands {
    static let all: [Command] = [
        Command(row: handles, run: runHandles),
        Command(row: kill, run: runKill),
    ]

    private static let handles = CommandSpecification(
        "handles", .sessions, [.init("server", .server, .optional)],
        "Lists the open sessions of all clients, and the servers that can not be asked for theirs.",
        examples: [
            ("handles", "those opened here have a name in the column \"here\""),
            ("handles m1", "of one file server"),
        ], exits: [.notFound, .denied, .temporary, .unreachable, .integrity])

    private static let kill = CommandSpecification(
        "session kill", aliases: ["kill"], .sessions,
        [.init("handle", .serverHandle), .init("server", .server, .optional)],
        "Ends a session, whoever holds it; what it wrote stays, its lock is free.",
        examples: [
            ("kill h1", "one that was opened here"),
            ("kill c7.h1 m1", "one that \"handles\" lists"),
            ("kill %1", "no session, but a job that \"jobs\" lists"),
        ], exits: SessionCommands.exits)

    private static func runHandles(_ session: ShellSession, _ call: Invocation) async throws {
        let servers: [ServerInfo]
        if let word = call.operands.first {
            servers = [try await session.server(named: word)]
        } else {
            servers = try await session.client.servers()
        }
        var results: [ServerID: Result<[SessionInfo], DFSError>] = [:]
        try await session.handles(of: servers) { results[$0] = $1 }
        var rows: [[String]] = []
        var missing: [String] = []
        var code = ExitCode.temporary
        for server in servers {
            switch results[server.id] {
            case nil: continue
            case .success(let known) where session.output.isJSON:
                for info in known { session.output.object(session.object(info, on: server.id)) }
            case .success(let known): rows += known.map { session.row($0, on: server.id) }
            case .failure(let error):
                if session.output.isJSON { session.tell(of: server, error) }
                missing.append("\(server.id)  (\(reason(server, error)))")
                // One that lasts outweighs those that pass.
                if code == .temporary { code = error.exitCode }
            }
        }
        if !rows.isEmpty { rows.insert(columns, at: 0) }
        if !session.output.isJSON {
            for line in Columns.table(rows, rightAligned: [6, 7]) + missing {
                session.output.line(line)
            }
        }
        // What is missing was told as a part of the answer.
        if !missing.isEmpty { throw ShellFailure.told(code) }
    }

    /// Why a server's sessions are not known, in the words that `ls` marks its files with.
    static func reason(_ server: ServerInfo, _ error: DFSError) -> String {
        let since = (error.seenMilliseconds ?? server.seenMilliseconds).map(Amounts.seconds)
        switch error.code {
        case ErrorCode.serverDown.rawValue where server.isAway:
            return "server-down: folders away\(since.map { " for \($0)" } ?? "")"
        case ErrorCode.serverDown.rawValue where server.state == .goodbye:
            return "server-down: stopped\(since.map { " \($0) ago" } ?? "")"
        case ErrorCode.serverDown.rawValue:
            return "server-down: silent\(since.map { " for \($0)" } ?? "")"
        case ErrorCode.timeout.rawValue:
            return "no answer in time\(since.map { "; last heard of \($0) ago" } ?? "")"
        default:
            return "\(ErrorSentence.safe(error.code)): \(ErrorSentence.safe(error.advice))"
        }
    }

    private static let columns = [
        "server", "handle", "here", "mode", "lock", "lease", "age", "idle", "owner", "client",
        "path",
    ]

    private static func runKill(_ session: ShellSession, _ call: Invocation) async throws {
        let word = call.operands[0]
        if word.text.hasPrefix("%") { return try session.endJob(word) }
        let own = session.state.withLock { $0.sessions[word.text] }
        if let own, call.operands.count == 1 {
            try await kill(own.handle, as: word, on: try await session.server(own.server), session)
            _ = session.state.withLock { $0.sessions.removeValue(forKey: word.text) }
            return
        }
        let named = call.operands.count > 1 ? call.operands[1] : nil
        let server = try await session.server(having: word, named: named)
        try await kill(word.bytes, as: word, on: server, session)
    }

    private static func kill(
        _ handle: [UInt8], as word: Word, on server: ServerInfo, _ session: ShellSession
    ) async throws {
        do throws(DFSError) {
            try await session.client.kill(handle, on: server)
        } catch {
            throw session.missing(word, on: server, error)
        }
    }
}

extension ShellSession {
    /// The name that a session has in this shell, where it was opened here.
    private func nameHere(of info: SessionInfo, on server: ServerID) -> String? {
        let sessions = state.withLock { $0.sessions }
        return handleNames.first {
            sessions[$0]?.server == server && sessions[$0]?.handle == info.handle
        }
    }

    fileprivate func object(_ info: SessionInfo, on server: ServerID) -> JSONObject {
        [
            "server": .text(server.text), "handle": .bytes(info.handle),
            "here": .text(nameHere(of: info, on: server)), "mode": .text(info.mode),
            "lock": .text(info.lock?.rawValue), "lease": .number(info.leaseMilliseconds),
            "age": .number(info.ageMilliseconds), "idle": .number(info.idleMilliseconds),
            "owner": .text(info.owner), "client": .text(info.clientName),
            "path": .path(info.path),
        ]
    }

    /// Tells that the sessions of a server are not known.
    fileprivate func tell(of server: ServerInfo, _ error: DFSError) {
        var error = error
        error.server = server.id
        output.complain(HandleCommands.reason(server, error), nil, error)
    }

    fileprivate func row(_ info: SessionInfo, on server: ServerID) -> [String] {
        [
            server.text, Quoting.text(info.handle), nameHere(of: info, on: server) ?? "-",
            ErrorSentence.safe(info.mode),
            info.lock?.rawValue ?? "-",
            info.leaseMilliseconds.map { Amounts.seconds($0) + " left" } ?? "conn",
            info.ageMilliseconds.map(Amounts.seconds) ?? "-",
            info.idleMilliseconds.map(Amounts.seconds) ?? "-",
            Quoting.text([UInt8](info.owner.utf8)),
            info.clientName.map { Quoting.text([UInt8]($0.utf8)) } ?? "-", "\(info.path)",
        ]
    }

    /// Asks servers for their sessions, side by side.
    ///
    /// - Parameter take: Gets each answer as it comes.
    /// - Throws: `CancellationError`.
    func handles(
        of servers: [ServerInfo],
        _ take: (ServerID, Result<[SessionInfo], DFSError>) -> Void
    ) async throws {
        await withTaskGroup(of: Heard.self) { group in
            for server in servers {
                group.addTask { [client] in
                    do throws(DFSError) {
                        return Heard(server.id, .success(try await client.handles(on: server)))
                    } catch {
                        return Heard(server.id, .failure(error))
                    }
                }
            }
            for await heard in group { take(heard.server, heard.result) }
        }
        try Task.checkCancellation()
    }

    /// What one of several servers said.
    ///
    /// An object, since a group that hands on the pair as it is crashes when Swift 6.3.1 optimizes.
    private final class Heard: Sendable {
        let server: ServerID
        let result: Result<[SessionInfo], DFSError>

        init(_ server: ServerID, _ result: Result<[SessionInfo], DFSError>) {
            self.server = server
            self.result = result
        }
    }

    /// A file server by its id.
    func server(named word: Word) async throws -> ServerInfo {
        guard let server = try await client.servers().first(where: { $0.id.text == word.text })
        else { throw ShellFailure(.notFound, "\(word.shown): no such file server") }
        return server
    }

    func server(_ id: ServerID) async throws -> ServerInfo {
        try await server(named: Word(plain: id.bytes))
    }

    /// The server that is named, or else the one that lists a session of that name.
    ///
    /// Without a name every server is heard: two may have sessions of one name, and the wrong one
    /// is not to be ended.
    func server(having handle: Word, named word: Word?) async throws -> ServerInfo {
        if let word { return try await server(named: word) }
        let answers = try await client.handles()
        var found: [ServerInfo] = []
        var silent: [String] = []
        for answer in answers {
            switch answer.result {
            case .success(let sessions):
                if sessions.contains(where: { $0.handle == handle.bytes }) {
                    found.append(answer.server)
                }
            case .failure: silent.append(answer.server.id.text)
            }
        }
        guard let first = found.first else {
            guard silent.isEmpty else {
                throw ShellFailure(
                    .temporary,
                    "\(handle.shown): no server that answers has such a session, and "
                        + "\(silent.joined(separator: " and ")) can not be asked now; \"handles\" "
                        + "shows why")
            }
            throw ShellFailure(
                .notFound, "\(handle.shown): no server has such a session; \"handles\" lists them")
        }
        guard found.count == 1 else {
            let names = found.map(\.id.text).joined(separator: " and ")
            throw ShellFailure(.usage, "\(handle.shown) is on \(names): name the server too")
        }
        return first
    }
}
