import DFSClient
import DFSProtocol

/// How listings show an entry: its name, and why its content can not be had.
struct EntryText {
    /// How long each server that is not up has been silent, in milliseconds.
    private let silence: [ServerID: Int64]
    /// Servers that run, but whose folders are not there.
    private let away: Set<ServerID>

    /// Asks for the servers' silence only where an entry is not available.
    init(for entries: [Entry], client: DFSClient) async throws {
        guard entries.contains(where: { $0.kind == .file && $0.state != .up }) else {
            self.init(servers: [])
            return
        }
        self.init(servers: try await client.servers())
    }

    /// Takes what is known of the servers already.
    init(servers: [ServerInfo]) {
        var silence: [ServerID: Int64] = [:]
        for server in servers { silence[server.id] = server.seenMilliseconds }
        self.silence = silence
        away = Set(servers.filter(\.isAway).map(\.id))
    }

    /// A name as it can be typed back, with `/` behind a directory.
    static func name(_ entry: Entry, _ bytes: some Collection<UInt8>) -> String {
        Word.typed(bytes) + (entry.kind == .directory ? "/" : "")
    }

    /// ` (server-down: m2, silent for 4 s)`, or nothing where the content can be had.
    ///
    /// Two spaces stand before it, which no quoted name ends in: scripts cut there.
    func mark(_ entry: Entry) -> String {
        var marks: [String] = []
        if !entry.isAvailable {
            let server = entry.server.map { ": \($0)" } ?? ""
            let isAway = entry.server.map(away.contains) ?? false
            let since = entry.server.flatMap { silence[$0] }.map {
                let time = Amounts.seconds($0)
                return entry.state != .goodbye
                    ? ", silent for \(time)"
                    : isAway ? ", folders away for \(time)" : ", stopped \(time) ago"
            }
            marks.append("(server-down\(server)\(since ?? ""))")
        }
        if !entry.conflicts.isEmpty {
            let others = entry.conflicts.map(\.text).joined(separator: " ")
            marks.append("(conflict: also on \(others))")
        }
        return marks.map { "  " + $0 }.joined()
    }

    /// What `--json` says of an entry.
    func object(_ entry: Entry) -> JSONObject {
        var object: JSONObject = [
            "path": .path(entry.path), "name": .bytes(entry.name),
            "type": entry.kind == .file ? "file" : "directory",
        ]
        guard entry.kind == .file else { return object }
        object["size"] = .number(entry.size)
        object["modified"] = .time(entry.modified)
        if let mode = entry.mode {
            object["mode"] = .text(String(decoding: mode.text, as: UTF8.self))
        }
        object["server"] = .text(entry.server?.text)
        object["state"] = .text(entry.server.map(away.contains) == true ? "away" : entry.state.word)
        object["available"] = .flag(entry.isAvailable)
        if let silent = entry.server.flatMap({ silence[$0] }) { object["silent"] = .number(silent) }
        if !entry.conflicts.isEmpty {
            object["conflicts"] = .list(entry.conflicts.map { .text($0.text) })
        }
        return object
    }

    /// What `--json` says of an entry and all that is known of it.
    ///
    /// Keys of a newer server come behind those that have a name here, as the wire has them.
    func object(_ status: FileStatus) -> JSONObject {
        var object = object(status.entry)
        if let version = status.version { object["version"] = .number(version) }
        if let fileID = status.fileID { object["fid"] = .number(fileID) }
        for (key, value) in status.pairs where !EntryText.named.contains(key) {
            if object[key] == nil { object[key] = .bytes(value) }
        }
        return object
    }

    /// Keys of the wire that have another name with `--json`, or tell the same as another key.
    private static let named: Set<String> = ["mtime", "ver", "seen", "conflict"]

    /// What `ls -l` says of the server: `up`, `suspect 3 s`, `down 12 s`.
    func state(_ entry: Entry) -> String {
        guard entry.kind == .file else { return "-" }
        guard entry.state != .up, let server = entry.server, let time = silence[server] else {
            return ErrorSentence.safe(entry.state.word)
        }
        return "\(ErrorSentence.safe(entry.state.word)) \(Amounts.seconds(time))"
    }
}
