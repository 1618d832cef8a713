import DFSClient
import DFSProtocol

/// `locate`, `servers` and `status`: where things are and who is alive.
enum ServerCommands {
    static let all: [Command] = [
        Command(row: locate, run: runLocate),
        Command(row: servers, run: runServers),
        Command(row: status, run: runStatus),
    ]

    private static let locate = CommandSpecification(
        "locate", .servers, [.init("path", .remotePath, .oneOrMore)],
        "Tells which file server has a file, where that is reached, and its state.",
        examples: [("locate /B/F4", "the server that has it, its address and its state")],
        exits: [.notFound, .temporary, .unreachable])

    private static let servers = CommandSpecification(
        "servers", .servers, [], "Lists the file servers: address, state, files, bytes, mounts.",
        examples: [("servers", "a line for each; of one that is down, since when")],
        exits: [.unreachable])

    private static let status = CommandSpecification(
        "status", .servers, [.init("server", .server, .optional)],
        options: [.init("h", "sizes with units of 1024 bytes, times in seconds and more")],
        "Tells how the name server is doing, or a file server.",
        examples: [
            ("status", "of the name server"), ("status -h m1", "of the file server m1, with units"),
        ],
        exits: [.notFound, .temporary, .unreachable])

    private static func runLocate(_ session: ShellSession, _ call: Invocation) async throws {
        try await session.forEach(try await session.paths(call.operands)) { path in
            let place = try await session.client.locate(path)
            var words = [
                "\(path)", place.server.text, ErrorSentence.safe("\(place.address)"),
                ErrorSentence.safe(place.state.word),
            ]
            if place.state != .up { words[3] += " " + Amounts.seconds(place.seenMilliseconds) }
            session.output.line(
                words.joined(separator: "  "),
                as: [
                    "path": .path(path), "server": .text(place.server.text),
                    "address": .text("\(place.address)"), "state": .text(place.state.word),
                    "silent": .number(place.seenMilliseconds), "size": .number(place.size),
                    "version": .number(place.version),
                ])
        }
    }

    private static func runServers(_ session: ShellSession, _ call: Invocation) async throws {
        let servers = try await session.client.servers()
        if session.output.isJSON {
            for server in servers { session.output.object(object(server)) }
            return
        }
        let rows = servers.map { server in
            var state = server.isAway ? "away" : ErrorSentence.safe(server.state.word)
            if server.state != .up, let seen = server.seenMilliseconds {
                state += " " + Amounts.seconds(seen)
            }
            if server.isStillTelling { state += ", telling" }
            return [
                server.id.text, server.address.map { ErrorSentence.safe("\($0)") } ?? "-", state,
                Amounts.count(server.files, "file"), Amounts.sentence(server.bytes),
                server.mounts.map { "\($0)" }.joined(separator: " "),
            ]
        }
        for line in Columns.table(rows, rightAligned: [3, 4]) { session.output.line(line) }
    }

    private static func object(_ server: ServerInfo) -> JSONObject {
        [
            "server": .text(server.id.text), "address": .text(server.address.map { "\($0)" }),
            "state": .text(server.isAway ? "away" : server.state.word),
            "silent": .number(server.seenMilliseconds), "files": .number(server.files),
            "bytes": .number(server.bytes), "free": .number(server.free),
            "mounts": .list(server.mounts.map { .path($0) }), "epoch": .number(server.epoch),
        ]
    }

    private static func runStatus(_ session: ShellSession, _ call: Invocation) async throws {
        let pairs: [(key: String, value: [UInt8])]
        if let word = call.operands.first {
            pairs = try await session.client.status(of: try await session.server(named: word))
        } else {
            pairs = try await session.client.status()
        }
        if session.output.isJSON { return session.output.object(JSONObject(pairs: pairs)) }
        let rows = pairs.map {
            [
                ErrorSentence.safe($0.key),
                amount($0.key, $0.value, isHuman: call.has("h")) ?? Quoting.text($0.value),
            ]
        }
        for line in Columns.table(rows) { session.output.line(line) }
    }

    /// A value with its unit; nil for one that has none.
    ///
    /// - Source: Protocol.md, "STATUS".
    static func amount(_ key: String, _ value: [UInt8], isHuman: Bool) -> String? {
        guard let number = Number.parse(value.span) else { return nil }
        switch key {
        case "uptime": return isHuman ? Amounts.seconds(number) : "\(number) ms"
        case "bytes", "free": return isHuman ? Amounts.human(number) : "\(number) bytes"
        default: return nil
        }
    }
}
