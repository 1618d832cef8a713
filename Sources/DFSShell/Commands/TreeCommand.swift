import DFSClient
import DFSProtocol

/// `tree`: everything below a directory, drawn.
enum TreeCommand {
    static func run(_ session: ShellSession, _ call: Invocation) async throws {
        let top =
            call.operands.isEmpty
            ? session.workingDirectory : try await session.onePath(call.operands[0])
        let all = try await session.client.find(top).all()
        let entries = call.has("a") ? all : withoutHidden(all, below: top)
        let text = try await EntryText(for: entries, client: session.client)
        if session.output.isJSON {
            for entry in entries { session.output.object(text.object(entry)) }
            return
        }
        session.output.line("\(top)")
        for (entry, lead) in zip(entries, leads(entries.map(\.path), below: top)) {
            session.output.line(lead + EntryText.name(entry, entry.name) + text.mark(entry))
        }
        let files = Int64(entries.count { $0.kind == .file })
        let directories = entries.count - Int(files)
        session.output.line(
            "\(directories == 1 ? "1 directory" : "\(directories) directories"), "
                + Amounts.count(files, "file"))
    }

    /// Leaves out names that begin with a dot, and what is below them.
    private static func withoutHidden(_ entries: [Entry], below top: TreePath) -> [Entry] {
        entries.filter { entry in
            guard let rest = entry.path.relative(to: top) else { return false }
            return !rest.split(separator: TreePath.slash).contains { $0.first == UInt8(ascii: ".") }
        }
    }

    /// The lines before each name; paths stand in the order of the tree.
    ///
    /// Walks from the end: whether a later sibling follows is known once it has been seen.
    static func leads(_ paths: [TreePath], below top: TreePath) -> [String] {
        let depth = top.components.count
        // For every level whether a sibling further down in the same directory was seen.
        var continues: [Bool] = []
        var leads: [String] = []
        for path in paths.reversed() {
            let level = max(0, path.components.count - depth - 1)
            if continues.count > level + 1 { continues.removeLast(continues.count - level - 1) }
            while continues.count <= level { continues.append(false) }
            var lead = ""
            for outer in 0..<level { lead += continues[outer] ? "│   " : "    " }
            leads.append(lead + (continues[level] ? "├── " : "└── "))
            continues[level] = true
        }
        return leads.reversed()
    }
}
