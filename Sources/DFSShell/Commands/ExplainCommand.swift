import DFSClient
import DFSProtocol

/// `explain`: everything about a path in sentences.
enum ExplainCommand {
    static let all: [Command] = [Command(row: explain, run: run)]

    private static let explain = CommandSpecification(
        "explain", .servers, [.init("path", .remotePath, .any)],
        "Says where a path is and why there, who is silent since when, and what can be done.",
        examples: [
            ("explain /A/F1", "also for names that are not there, and for servers that are down"),
            ("explain", "of the working directory"),
        ], exits: [.notFound, .temporary, .unreachable])

    private static func run(_ session: ShellSession, _ call: Invocation) async throws {
        let paths =
            call.operands.isEmpty
            ? [session.workingDirectory] : try await session.paths(call.operands)
        var isFirst = true
        try await session.forEach(paths) { path in
            let lines = try await lines(of: path, session)
            if session.output.isJSON {
                return session.output.object([
                    "path": .path(path), "text": .text(lines.joined(separator: "\n")),
                ])
            }
            if !isFirst { session.output.line("") }
            isFirst = false
            for line in lines { session.output.line(line) }
        }
    }

    private static func lines(
        of path: TreePath, _ session: ShellSession
    ) async throws -> [String] {
        let client = session.client
        let explanation = Explanation(path: path, servers: try await client.servers())
        let status: FileStatus
        do throws(DFSError) {
            status = try await client.stat(path)
        } catch {
            guard error.known == .notFound || error.known == .notDirectory else { throw error }
            let parent = try await nearest(above: path, session)
            let names = try await client.list(parent).all().map(\.name)
            return explanation.absent(below: parent, having: names)
        }
        guard status.entry.kind == .file else {
            return explanation.directory(try await client.diskUsage(path))
        }
        switch await sessions(of: status.entry, session) {
        case .success(let sessions): return explanation.file(status, sessions: sessions)
        case .failure(let failure):
            return explanation.file(status, unreachable: failure.sentence)
        }
    }

    private static func nearest(
        above path: TreePath, _ session: ShellSession
    ) async throws -> TreePath {
        var next = path.parent
        while let candidate = next, !candidate.isRoot {
            if try await session.entry(at: candidate)?.kind == .directory { return candidate }
            next = candidate.parent
        }
        return .root
    }

    /// The sessions that are open on a file; or why a server that is said to be up can not be had
    /// from here.
    private static func sessions(
        of entry: Entry, _ session: ShellSession
    ) async -> Result<[SessionInfo], ShellFailure> {
        guard entry.isAvailable, let id = entry.server else { return .success([]) }
        do {
            let server = try await session.server(id)
            let all = try await session.client.handles(on: server)
            return .success(all.filter { $0.path == entry.path })
        } catch let error as DFSError {
            return .failure(ShellFailure(error.exitCode, ErrorSentence.safe(error.advice)))
        } catch {
            // It left the list of servers meanwhile, and is told as that.
            return .success([])
        }
    }
}
