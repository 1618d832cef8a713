import DFSClient
import DFSProtocol

/// `mv`: a rename where one server has both names, else a copy that is verified before the removal.
enum MoveCommand {
    static func run(_ session: ShellSession, _ call: Invocation) async throws {
        let sources = ShellSession.outermost(
            try await session.paths(call.operands.dropLast()))
        guard let last = call.operands.last else { return }
        let target = last.isPattern ? try await session.onePath(last) : try session.path(last.bytes)
        let isInto = try await session.entry(at: target)?.kind == .directory
        if sources.count > 1, !isInto {
            throw ShellFailure(.usage, "\(target): several sources need a directory as target")
        }
        try await session.forEach(sources) { source in
            if source.isRoot { throw ShellFailure(.usage, "/ can not be moved") }
            var place = target
            if isInto { place = try target.appending(source.name) }
            try await move(source, to: place, session)
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
        if entry.kind == .file {
            try await moveFile(source, to: target, session)
        } else {
            try await moveDirectory(source, to: target, session)
        }
    }

    private static func moveFile(
        _ source: TreePath, to target: TreePath, _ session: ShellSession
    ) async throws {
        let copy = try await session.client.copy(source, to: target)
        // What was written to the source since it was copied must not go with it.
        guard try await session.client.digest(of: source).sha256 == copy.sha256 else {
            throw ShellFailure(
                .conflict, "\(source): was changed while it was copied to \(target); both are kept")
        }
        try await session.client.remove(source, kind: .file)
    }

    /// Moves file by file, so that what fails stays where it was; directories go once empty.
    private static func moveDirectory(
        _ source: TreePath, to target: TreePath, _ session: ShellSession
    ) async throws {
        if let entry = try await session.entry(at: target) {
            guard entry.kind == .directory else {
                throw DFSError(.notDirectory, path: target, "a file is in the way")
            }
            var pages = session.client.list(target, pageLimit: 1).makeAsyncIterator()
            if try await pages.next() != nil {
                throw DFSError(.notEmpty, path: target, "not empty")
            }
        } else {
            try await session.client.makeDirectory(target)
        }
        let entries = try await session.client.find(source).all()
        for entry in entries {
            guard let rest = entry.path.relative(to: source) else { continue }
            let place = try TreePath(target.bytes + [TreePath.slash] + rest)
            if entry.kind == .directory {
                try await session.client.makeDirectory(place)
            } else {
                try await moveFile(entry.path, to: place, session)
            }
        }
        let directories = entries.filter { $0.kind == .directory }.map(\.path)
        for directory in directories.reversed() + [source] {
            try await session.client.remove(directory, kind: .directory)
        }
    }
}
