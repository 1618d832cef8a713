import DFSProtocol

/// Chooses the file server for a new name, and can say why.
struct Placement {
    /// What was chosen, in a form for programs and one for people.
    struct Choice: Equatable {
        var server: UInt16
        var why: String
    }

    /// The servers that new names at a path belong to: those with the longest mount over it.
    static func owners(of path: TreePath, _ servers: [FileServer]) -> [FileServer] {
        let reaching = servers.compactMap { server in
            server.mount(over: path).map { (server, $0.bytes.count) }
        }
        let longest = reaching.map(\.1).max()
        return reaching.filter { $0.1 == longest }.map(\.0).sorted { $0.id < $1.id }
    }

    /// Picks among owners: with at least half as much room as the roomiest, the least loaded.
    ///
    /// Ties go to the one with more room, then to the id that sorts first.
    /// - Returns: Nil where none of them is up.
    static func choose(_ owners: [FileServer]) -> Choice? {
        let up = owners.filter { $0.state == .up }
        guard let first = up.first else { return nil }
        if owners.count == 1 {
            return Choice(server: first.number, why: "the only server with this mount")
        }
        if up.count == 1 {
            return Choice(
                server: first.number, why: "the only one that is up of \(owners.count) servers")
        }
        let most = up.map { $0.free ?? 0 }.max() ?? 0
        let roomy = up.filter { ($0.free ?? 0) >= most / 2 }
        let best = roomy.min { left, right in
            (left.load ?? 0, -(left.free ?? 0)) < (right.load ?? 0, -(right.free ?? 0))
        }
        guard let best else { return nil }
        let room = best.free.map { "\($0) bytes free" } ?? "free space not told"
        return Choice(
            server: best.number,
            why: "\(room), load \(best.load ?? 0): the least loaded of \(roomy.count) with room, "
                + "of \(up.count) that are up")
    }
}
