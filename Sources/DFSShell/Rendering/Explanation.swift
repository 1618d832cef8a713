import DFSClient
import DFSProtocol

/// What is known of a path, in sentences: where it is, why there, who is silent, what to do.
///
/// Made of answers that were had before; looks at nothing itself.
struct Explanation {
    let path: TreePath
    /// Every file server, by its id.
    let servers: [ServerInfo]

    // MARK: - A file

    /// - Parameters:
    ///   - silence: Why the server did not answer from here, in words; nil where it did, or was not
    ///     asked.
    ///   - sessions: Those that are open on the file.
    func file(
        _ status: FileStatus, unreachable silence: String? = nil, sessions: [SessionInfo] = []
    ) -> [String] {
        let entry = status.entry
        let version = status.version.map { ", at version \($0)" } ?? ""
        let time = entry.modified.map { ", last changed \(Amounts.time($0))" } ?? ""
        var lines = ["\(path) is a file of \(Amounts.sentence(entry.size))\(time)\(version)."]
        guard let id = entry.server else { return lines }
        let server = servers.first { $0.id == id }
        lines.append("It lies on file server \(id)\(address(server))\(why(server)).")
        lines += server.map { [state($0, silence)] } ?? []
        lines += conflict(entry, id) + use(sessions)
        lines.append(advice(entry, server, silence, sessions))
        return lines
    }

    private func address(_ server: ServerInfo?) -> String {
        guard let address = server?.address else { return "" }
        return " at \(ErrorSentence.safe("\(address)"))"
    }

    /// The mount that brought a file where it is, and who else has it.
    private func why(_ server: ServerInfo?) -> String {
        guard let server, let mount = mount(of: server) else { return "" }
        let others = servers.filter { $0.id != server.id && $0.mounts.contains(mount) }
        if others.isEmpty { return ", because that one alone serves \(mount)" }
        let names = Explanation.list(others.map(\.id.text))
        return ", which serves \(mount) as \(names) \(others.count == 1 ? "does" : "do") too"
    }

    /// The mount of a server that the path is in.
    private func mount(of server: ServerInfo) -> TreePath? {
        server.mounts.filter { path.isWithin($0) }.max { $0.components.count < $1.components.count }
    }

    /// How a server is, and what that means for its files.
    func state(_ server: ServerInfo, _ silence: String? = nil) -> String {
        let time = server.seenMilliseconds.map(Amounts.seconds)
        let since = time.map { " for \($0)" } ?? ""
        switch server.state {
        case .up:
            if let silence {
                return "The name server hears \(server.id), but it can not be had from here: "
                    + "\(silence)."
            }
            return "\(server.id) is up\(time.map { ", and gave a sign of life \($0) ago" } ?? "")."
                + (server.isStillTelling
                    ? " It has yet to tell a part of its files: more names may come." : "")
        case .suspect:
            return
                "\(server.id) has been silent\(since): it may be slow, and is soon taken for down."
        case .down:
            return
                "\(server.id) has been silent\(since) and is taken for down: names and sizes are "
                + "kept, contents can not be had."
        case .goodbye where server.isAway:
            return "\(server.id) runs, but its folders have been away\(since): names and sizes are "
                + "kept, contents can not be had."
        case .goodbye:
            return
                "\(server.id) was stopped as planned\(time.map { " \($0) ago" } ?? ""): names and "
                + "sizes are kept, contents can not be had."
        case .draining:
            return "\(server.id) is about to stop: what it has can be read, and nothing new begins."
        case .other(let word):
            return "\(server.id) is in a state that this dfsh does not know: "
                + "\(ErrorSentence.safe(word))."
        }
    }

    private func conflict(_ entry: Entry, _ id: ServerID) -> [String] {
        guard !entry.conflicts.isEmpty else { return [] }
        let others = Explanation.list(entry.conflicts.map(\.text))
        let have = entry.conflicts.count == 1 ? "has a file" : "have files"
        return [
            "\(others) \(have) of the same path: \(id) had it first and keeps the name, and the "
                + "other is hidden behind it."
        ]
    }

    /// How many sessions are named.
    private static let mostSessions = 4

    /// Who has the file open, and who of them keeps others waiting.
    private func use(_ sessions: [SessionInfo]) -> [String] {
        if sessions.isEmpty { return [] }
        // Who has the lock is named first.
        let sorted = sessions.filter { $0.lock != nil } + sessions.filter { $0.lock == nil }
        var named = sorted.prefix(Explanation.mostSessions).map { info in
            let client = info.clientName.map { " of \(ErrorSentence.safe($0))" } ?? ""
            let lock = info.lock.map { ", with the \($0.rawValue) lock" } ?? ""
            let lease = info.leaseMilliseconds.map {
                ", its lease has \(Amounts.seconds($0)) left"
            }
            return "\(Quoting.text(info.handle))\(client) (\(ErrorSentence.safe(info.mode))\(lock)"
                + "\(lease ?? ""))"
        }
        if sorted.count > named.count { named.append("\(sorted.count - named.count) more") }
        let count = sorted.count == 1 ? "1 session" : "\(sorted.count) sessions"
        return ["It is open in \(count): \(Explanation.list(named))."]
    }

    private func advice(
        _ entry: Entry, _ server: ServerInfo?, _ silence: String?, _ sessions: [SessionInfo]
    ) -> String {
        let name = Word.typed(path.bytes)
        let id = server?.id.text ?? "that server"
        if !entry.isAvailable { return "What to do: \(Explanation.remedy(server, id))" }
        if silence != nil {
            return "What to do: look whether the address is right (--advertise of dfs-fileserver) "
                + "and no firewall is in the way; \"status \(id)\" asks it again."
        }
        if !entry.conflicts.isEmpty {
            return
                "What to do: \"mv \(name) NEWNAME\" gives this one another name, and the other is "
                + "then seen here."
        }
        if let holder = sessions.first(where: { $0.lock != nil }) {
            return "What to do: \"cat \(name)\" needs no lock; \"session open --lock "
                + "\(holder.lock?.rawValue ?? "") --wait MS \(name) rw\" waits for this one, and "
                + "\"kill \(Word.typed(holder.handle)) \(id)\" ends its session."
        }
        return "What to do: nothing; \"cat \(name)\" shows it, \"get \(name)\" brings it here."
    }

    private static func remedy(_ server: ServerInfo?, _ id: String) -> String {
        let rest = "\"servers\" shows when it is back, and the files of other servers can be used."
        if server?.isAway == true {
            return "mount the disk of \(id) again, and it goes on by itself; \(rest)"
        }
        return "start dfs-fileserver --id \(id) again on its machine, or look whether the network "
            + "there is up; \(rest) Where it never comes back, dfs-nameserver --forget \(id) "
            + "takes what only it has out of the tree."
    }

    // MARK: - A directory

    /// - Parameter usage: What is below it.
    func directory(_ usage: Usage) -> [String] {
        let directories =
            usage.directories == 1 ? "1 directory" : "\(usage.directories) directories"
        var lines = [
            "\(path) is a directory with \(Amounts.count(usage.files, "file")) "
                + "(\(Amounts.sentence(usage.bytes))) and \(directories) below it."
        ]
        lines.append("The name server keeps directories itself, so it is there whoever is down.")
        let concerned = servers.filter { server in
            server.mounts.contains { path.isWithin($0) || $0.isWithin(path) }
        }
        for server in concerned {
            let mounts = server.mounts.filter { path.isWithin($0) || $0.isWithin(path) }
            lines.append(
                "File server \(server.id) brings files here: it serves "
                    + "\(Explanation.list(mounts.map { "\($0)" })). " + state(server))
        }
        lines.append(placement())
        let silent = concerned.filter { !$0.state.isAvailable }
        if let first = silent.first {
            lines.append("What to do: \(Explanation.remedy(first, first.id.text))")
        }
        return lines
    }

    /// Where a new file of this directory would be made.
    private func placement() -> String {
        let able = servers.filter { mount(of: $0) != nil }
        if able.isEmpty {
            return "No file server serves \(path) or what is above it: directories can be made "
                + "there, files can not."
        }
        let up = able.filter { $0.state == .up }
        let names = Explanation.list(able.map(\.id.text))
        return up.isEmpty
            ? "No new file can be made there before \(names) \(able.count == 1 ? "is" : "are") back."
            : "New files there are made on \(Explanation.list(up.map(\.id.text), "or"))."
    }

    // MARK: - Nothing

    /// - Parameters:
    ///   - parent: The nearest directory above that is there.
    ///   - names: What is in it.
    func absent(below parent: TreePath, having names: [[UInt8]]) -> [String] {
        var lines = [
            "Nothing is called \(path). The nearest directory above it that is there is \(parent)."
        ]
        let missing = path.relative(to: parent)?.split(separator: TreePath.slash).first ?? []
        let near = NearNames.of(Array(missing), among: names).map { Word.typed($0) }
        if !near.isEmpty { lines.append("There is \(Explanation.list(near)) in it.") }
        let silent = servers.filter { server in
            !server.state.isAvailable
                && server.mounts.contains { path.isWithin($0) || $0.isWithin(path) }
        }
        let telling = servers.filter { $0.isStillTelling && !silent.contains($0) }
        for server in silent + telling { lines.append(state(server)) }
        if !silent.isEmpty {
            lines.append(
                "Names of a server that is away stay in the tree: the file was not there when it "
                    + "was last heard.")
        }
        lines.append(Explanation(path: parent, servers: servers).placement())
        lines.append(
            "What to do: look with \"ls \(Word.typed(parent.bytes))\", or search the whole tree with "
                + "\"find / -name \(Word.typed(path.name))\".")
        return lines
    }

    /// `a`, `a and b`, `a, b and c`.
    static func list(_ words: [String], _ joint: String = "and") -> String {
        guard let last = words.last, words.count > 1 else { return words.first ?? "" }
        return words.dropLast().joined(separator: ", ") + " \(joint) \(last)"
    }
}
