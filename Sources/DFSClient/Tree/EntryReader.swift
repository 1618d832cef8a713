import DFSProtocol
import DFSTransport

/// Reads the lines of LIST, FIND, STAT and SERVERS, and believes none of them unseen.
enum EntryReader {
    /// Whether an item is of a kind that is known here; of a later version there may be others.
    static func isKnown(_ line: ReplyLine) -> Bool {
        guard let word = line.operands.first else { return true }
        return word.elementsEqual("file".utf8) || word.elementsEqual("dir".utf8)
    }

    /// Reads an item of LIST.
    static func entry(of line: ReplyLine, in directory: TreePath) throws(DFSError) -> Entry {
        guard let name = line.value("name") else {
            throw .violation("an item without a name", path: directory)
        }
        if let reason = TreePath.refusal(component: name) {
            throw .violation("a listing holds \(Quoting.text(name)): \(reason)", path: directory)
        }
        do throws(RequestError) {
            return try entry(of: line, at: try directory.appending(name), kind(of: line))
        } catch {
            throw .violation("an item of a listing: \(error.advice)", path: directory)
        }
    }

    /// Reads an item of FIND, which must stand below the path that was searched.
    static func entry(of line: ReplyLine, below top: TreePath) throws(DFSError) -> Entry {
        do throws(RequestError) {
            let path = try TreePath(line.value("path") ?? [])
            guard path != top, path.isWithin(top) else {
                throw RequestError(.badName, path: path, "\(path) is not below \(top)")
            }
            return try entry(of: line, at: path, kind(of: line))
        } catch {
            throw .violation("an item of a search: \(error.advice)", path: top)
        }
    }

    /// Reads the answer of STAT.
    static func status(of line: ReplyLine, at path: TreePath) throws(DFSError) -> FileStatus {
        do throws(RequestError) {
            let entry = try entry(of: line, at: path, kind(word: line.value("type")))
            return FileStatus(
                entry: entry, version: try optional(line, "ver"), fileID: try optional(line, "fid"),
                pairs: line.pairs.map { (String(decoding: $0.key, as: UTF8.self), $0.value) })
        } catch {
            throw .violation("an answer to STAT: \(error.advice)", path: path)
        }
    }

    private static func entry(
        of line: ReplyLine, at path: TreePath, _ kind: Entry.Kind
    ) throws(RequestError) -> Entry {
        let mode: FileMode? =
            if let text = line.value("mode") { try FileMode(text: text) } else { nil }
        let modified: WallTime? =
            if let text = line.value("mtime"), !text.isEmpty {
                try WallTime(text: text)
            } else {
                nil
            }
        return Entry(
            path: path, kind: kind,
            size: kind == .file ? try optional(line, "size") ?? 0 : 0, modified: modified,
            mode: mode, server: line.value("server").flatMap { ServerID($0) },
            state: ServerState(line.text("state") ?? "up"),
            conflicts: (line.text("conflict") ?? "").split(separator: " ").compactMap {
                ServerID(String($0))
            })
    }

    private static func kind(of line: ReplyLine) throws(RequestError) -> Entry.Kind {
        try kind(word: line.operands.first)
    }

    private static func kind(word: [UInt8]?) throws(RequestError) -> Entry.Kind {
        switch word {
        case [UInt8]("file".utf8): return .file
        case [UInt8]("dir".utf8): return .directory
        default: throw RequestError(.badArgument, "neither a file nor a directory")
        }
    }

    static func optional(_ line: ReplyLine, _ key: StaticKey) throws(RequestError) -> Int64? {
        guard let value = line.value(key), !value.isEmpty else { return nil }
        return try Number.parse(value, named: key.text)
    }

    /// Reads an item of SERVERS.
    static func server(of line: ReplyLine) throws(DFSError) -> ServerInfo {
        do throws(RequestError) {
            guard let id = line.value("id").flatMap({ ServerID($0) }) else {
                throw RequestError(.badArgument, "a server without an id")
            }
            var mounts: [TreePath] = []
            for mount in try Quoting.unquoteList(line.value("mounts") ?? []) {
                mounts.append(try TreePath(mount))
            }
            return ServerInfo(
                id: id,
                address: try line.text("addr").map { (text) throws(RequestError) in
                    try Endpoint(text)
                }, state: ServerState(line.text("state") ?? ""),
                isAway: line.text("why") == "away",
                isStillTelling: line.text("inventory") == "running",
                seenMilliseconds: try optional(line, "seen"),
                files: try optional(line, "files") ?? 0, bytes: try optional(line, "bytes") ?? 0,
                free: try optional(line, "free"), mounts: mounts,
                epoch: try optional(line, "epoch"))
        } catch {
            throw .violation("an item of SERVERS: \(error.advice)")
        }
    }

    /// Reads the answer of LOCATE.
    static func location(of line: ReplyLine, at path: TreePath) throws(DFSError) -> FileLocation {
        do throws(RequestError) {
            guard let server = line.value("server").flatMap({ ServerID($0) }) else {
                throw RequestError(.badArgument, "no server in it")
            }
            var location = FileLocation(
                path: path, server: server, address: try Endpoint(line.text("addr") ?? ""))
            location.state = ServerState(line.text("state") ?? "up")
            location.size = try optional(line, "size") ?? 0
            location.version = try optional(line, "ver") ?? 0
            location.seenMilliseconds = try optional(line, "seen") ?? 0
            return location
        } catch {
            throw .violation("a location: \(error.advice)", path: path)
        }
    }
}
