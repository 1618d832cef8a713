import DFSClient
import DFSProtocol

/// `cp`: from file server to file server, and not through here.
enum CopyCommand {
    static let all: [Command] = [Command(row: copy, run: run)]

    private static let copy = CommandSpecification(
        "cp", .files,
        [.init("source", .remotePath, .oneOrMore), .init("target", .remotePath)],
        options: [
            .init("r", "directories with everything in them"),
            .init("dry-run", "only tells what would be done", isLong: true),
        ],
        "Copies within the tree: the file servers do it among themselves, verified.",
        examples: [
            ("cp a.txt b.txt", "replaces a b.txt that is there, at once"),
            ("cp *.txt /docs", "all of them into the directory /docs"),
            ("cp -r /docs /backup/docs", "all of /docs, with modes and times"),
        ], exits: GetCommand.exits)

    /// So many files are copied at once.
    private static let width = 8

    private static func run(_ session: ShellSession, _ call: Invocation) async throws {
        let sources = ShellSession.outermost(try await session.paths(call.operands.dropLast()))
        guard let last = call.operands.last else { return }
        let target = last.isPattern ? try await session.onePath(last) : try session.path(last.bytes)
        let isInto =
            target.isRoot ? true : try await session.entry(at: target)?.kind == .directory
        if sources.count > 1, !isInto {
            throw ShellFailure(.usage, "\(target): several sources need a directory as target")
        }
        let isDry = call.has("dry-run")
        try await session.tallied(isDry ? "would copy" : "copied") { tally in
            let copying = Copying(session: session, tally: tally, isDry: isDry)
            for source in sources {
                if tally.leavesTheRest() { break }
                try await session.orTell(tally) {
                    var place = target
                    if isInto, !source.isRoot { place = try target.appending(source.name) }
                    try await copy(source, to: place, call, copying)
                }
            }
        }
    }

    private static func copy(
        _ source: TreePath, to target: TreePath, _ call: Invocation, _ copying: Copying
    ) async throws {
        guard source != target else {
            throw ShellFailure(.usage, "\(source): is itself; nothing was copied")
        }
        let entry = source.isRoot ? nil : try await copying.session.client.stat(source).entry
        if let entry, entry.kind == .file { return try await copying.file(entry, to: target) }
        guard call.has("r") else {
            throw ShellFailure(
                .failed, "\(source): is a directory; cp -r copies it with all in it")
        }
        guard !target.isWithin(source) else {
            throw ShellFailure(.usage, "\(source) can not be copied into itself, as \(target)")
        }
        // What is only told is told in the order of the tree.
        try await copying.tree(source, to: target, width: copying.isDry ? 1 : width)
    }
}

/// Copies that the file servers make.
private struct Copying: Sendable {
    let session: ShellSession
    let tally: TransferTally
    let isDry: Bool

    func file(_ entry: Entry, to target: TreePath) async throws {
        try await tally.file { meter in
            if isDry {
                session.output.line(
                    "copy \(entry.path) -> \(target)",
                    as: ["would": "copy", "path": .path(entry.path), "target": .path(target)])
            } else {
                _ = try await session.client.copy(entry.path, to: target)
            }
            meter.moved(Int(clamping: entry.size))
        }
    }

    func tree(_ source: TreePath, to target: TreePath, width: Int) async throws {
        if !isDry { try await session.makeDirectoryWhereMissing(target) }
        let later = SecondAttempts()
        await later.begin(session)
        try await withThrowingTaskGroup(of: Void.self) { group in
            var running = 0
            var pages = session.client.find(source).makeAsyncIterator()
            while let page = try await pages.nextPage() {
                for entry in page {
                    guard let rest = entry.path.relative(to: source) else { continue }
                    let place = try TreePath(LocalName.join(target.bytes, rest))
                    if entry.kind == .directory {
                        try await makeDirectory(place)
                        continue
                    }
                    if running >= width {
                        try await group.next()
                        running -= 1
                    }
                    if tally.leavesTheRest() { return }
                    running += 1
                    group.addTask { try await fileOrTell(entry, to: place, later) }
                }
            }
            try await group.waitForAll()
        }
        try await later.run(session)
    }

    private func makeDirectory(_ path: TreePath) async throws {
        if isDry { return }
        do {
            try await session.makeDirectoryWhereMissing(path)
        } catch {
            try await tally.tell(error, session)
        }
    }

    private func fileOrTell(
        _ entry: Entry, to target: TreePath, _ later: SecondAttempts?
    ) async throws {
        do {
            try await file(entry, to: target)
        } catch {
            let isTaken =
                later?.takes(error) { try await fileOrTell(entry, to: target, $0) } ?? false
            if !isTaken { try await tally.tell(error, session) }
        }
    }
}
