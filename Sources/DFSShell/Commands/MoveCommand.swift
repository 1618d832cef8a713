import DFSClient
import DFSProtocol

/// `mv`: a rename where one server has both names, else a copy that is verified before the removal.
enum MoveCommand {
    static func run(_ session: ShellSession, _ call: Invocation) async throws {
        let sources = ShellSession.outermost(
            try await session.paths(call.operands.dropLast()))
        guard let last = call.operands.last else { return }
        let target = try await TreePlace(last, session)
        if sources.count > 1, !target.isDirectory {
            throw ShellFailure(.usage, "\(target.path): several sources need a directory as target")
        }
        try await session.forEach(sources) { source in
            if source.isRoot { throw ShellFailure(.usage, "/ can not be moved") }
            if target.endsInSlash, try await session.entry(at: source)?.kind == .file {
                try target.mustTakeFile()
            }
            try await move(source, to: try target.place(of: source), session)
        }
    }

    private static func move(
        _ source: TreePath, to target: TreePath, _ session: ShellSession
    ) async throws {
        do throws(DFSError) {
            return try await session.client.rename(source, to: target, replaces: true)
        } catch {
            guard error.known == .crossServer else { throw error }
        }
        guard let entry = try await session.entry(at: source) else {
            throw DFSError(.notFound, path: source, "not found")
        }
        if entry.kind == .directory {
            return try await moveDirectory(source, to: target, session)
        }
        try await session.tallied("moved", total: entry.size) { tally in
            try await Copying(session: session, tally: tally, moves: true).file(entry, to: target)
        }
    }

    /// Moves file by file, so that what fails stays where it was.
    ///
    /// What was moved stands under a name of its own beside the target until all of it is there:
    /// the same command finds it again and goes on, where it would else go into the target.
    private static func moveDirectory(
        _ source: TreePath, to target: TreePath, _ session: ShellSession
    ) async throws {
        try await mustBeFree(target, session)
        let half = try await half(of: target, for: source, session)
        let total =
            session.output.isErrorTerminal ? await session.bytes(below: [source]) : nil
        try await session.tallied("moved", total: total) { tally in
            // Under its own name it would be gone on with inside of itself.
            let from = Quoting.text(LocalName.join(source.bytes, [0x2E]))
            tally.completes(
                with: half != target
                    ? "mv \(source) \(target)"
                    : "cp -r -c \(from) \(target), and rm -r \(source) once that is done")
            tally.keepsHalves(of: source, in: half)
            let directories = try await Copying(
                session: session, tally: tally, continues: true, moves: true
            ).tree(source, to: half)
            guard tally.code == .ok else { return }
            for directory in directories.reversed() {
                try await session.client.remove(directory, kind: .directory)
            }
            if half != target { try await session.client.rename(half, to: target, replaces: true) }
            try await session.client.remove(source, kind: .directory)
        }
    }

    private static func mustBeFree(_ target: TreePath, _ session: ShellSession) async throws {
        guard let entry = try await session.entry(at: target) else { return }
        guard entry.kind == .directory else {
            throw DFSError(.notDirectory, path: target, "a file is in the way")
        }
        var pages = session.client.list(target, pageLimit: 1).makeAsyncIterator()
        if try await pages.next() != nil {
            throw DFSError(.notEmpty, path: target, "not empty")
        }
    }

    /// Where what was moved stands until all of it is there.
    ///
    /// - Returns: The target itself where several servers would have it: it could not be renamed.
    private static func half(
        of target: TreePath, for source: TreePath, _ session: ShellSession
    ) async throws -> TreePath {
        let owners = try await session.client.servers().filter { server in
            server.mounts.contains { target.isWithin($0) || $0.isWithin(target) }
        }
        guard owners.count == 1, let parent = target.parent else { return target }
        // As long as the same is moved, it has the same name.
        var mark: UInt64 = 14_695_981_039_346_656_037
        for byte in source.bytes { mark = (mark ^ UInt64(byte)) &* 1_099_511_628_211 }
        let suffix = [UInt8](".moving-\(String(mark, radix: 36))".utf8)
        let room = Limits.componentBytes - suffix.count
        return try parent.appending(Array(target.name.prefix(room)) + suffix)
    }
}
