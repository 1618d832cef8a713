import DFSClient
import DFSProtocol

/// `mkdir`, `rm` and `mv`: what changes names.
enum ChangingCommands {
    static let all: [Command] = [
        Command(row: makeDirectory, run: runMakeDirectory),
        Command(row: remove, run: runRemove),
        Command(row: removeDirectory, run: runRemoveDirectory),
        Command(row: move, run: MoveCommand.run),
    ]

    private static let makeDirectory = CommandSpecification(
        "mkdir", .files, [.init("path", .remotePath, .oneOrMore)],
        options: [.init("p", "missing parents too; an existing directory is no error")],
        "Makes directories; no file server is needed for that.",
        examples: [("mkdir -p /docs/2026/november", "with both parents")],
        exits: [.notFound, .conflict, .unreachable])

    private static let remove = CommandSpecification(
        "rm", .files, [.init("path", .remotePath, .oneOrMore)],
        options: [
            .init(
                "r",
                "directories with all in them on the server's disk, also what dfs does not list: "
                    + "symbolic links (not what they point to), FIFOs"),
            .init("f", "what is not there is no error, and nothing is asked"),
        ],
        "Removes files, on the disk of their server too; asks only a person at a prompt, and only "
            + "before removing what a pattern fits.",
        examples: [
            ("rm '/docs/*.bak'", "the one file of that name"), ("rm -r /old", "all of /old"),
        ], exits: [.notFound, .denied, .temporary, .unreachable, .conflict])

    private static let removeDirectory = CommandSpecification(
        "rmdir", .files, [.init("path", .remoteDirectory, .oneOrMore)],
        "Removes empty directories; what is in one keeps it from being removed.",
        examples: [("rmdir /docs/old", "\"rm -r\" removes one with all in it")],
        exits: [.notFound, .denied, .temporary, .unreachable])

    private static let move = CommandSpecification(
        "mv", .files,
        [.init("source", .remotePath, .oneOrMore), .init("target", .remotePath)],
        "Renames, or moves into a directory; between servers it copies, verifies and removes.",
        examples: [
            ("mv a.txt b.txt", "renames, and replaces a b.txt that is there"),
            ("mv *.txt /docs", "all of them into the directory /docs"),
        ], exits: [.notFound, .denied, .temporary, .unreachable, .integrity, .conflict])

    private static func runMakeDirectory(_ session: ShellSession, _ call: Invocation) async throws {
        let paths = try call.operands.map { word in
            guard !word.isPattern else {
                throw call.misuse("\(word.shown) is a pattern; in a name it stands in quotes")
            }
            return try session.path(word.bytes)
        }
        try await session.forEach(paths) { path in
            if call.has("p") {
                try await session.makeDirectoryWithParents(path)
            } else {
                try await session.client.makeDirectory(path)
            }
        }
    }

    private static func runRemove(_ session: ShellSession, _ call: Invocation) async throws {
        let isForced = call.has("f")
        var paths: [TreePath] = []
        for word in call.operands {
            do {
                paths += try await session.paths(word)
            } catch let failure as ShellFailure where isForced && failure.code == .notFound {
                continue
            }
        }
        if call.has("r") { paths = ShellSession.outermost(paths) }
        let hasPattern = call.operands.contains(where: \.isPattern)
        if hasPattern, !isForced, paths.count > 0 {
            let names = paths.count == 1 ? "\(paths[0])" : "\(paths.count) names"
            guard try await session.confirms("remove \(names)?") else {
                throw ShellFailure(.interrupted, "nothing was removed")
            }
        }
        try await session.forEach(paths) { path in
            do throws(DFSError) {
                try await session.client.remove(
                    path, isRecursive: call.has("r"), kind: call.has("r") ? nil : .file)
            } catch {
                if isForced, error.known == .notFound { return }
                if error.known == .isDirectory, !call.has("r") {
                    throw ShellFailure(
                        .failed, "\(path): is a directory; rm -r removes it with all in it")
                }
                throw error
            }
        }
    }

    private static func runRemoveDirectory(
        _ session: ShellSession, _ call: Invocation
    ) async throws {
        try await session.forEach(try await session.paths(call.operands)) { path in
            try await session.client.remove(path, kind: .directory)
        }
    }
}

extension ShellSession {
    /// Makes a directory and what is missing above it; one that is there is fine.
    func makeDirectoryWithParents(_ path: TreePath) async throws {
        var missing: [TreePath] = []
        var next: TreePath? = path
        while let candidate = next, !candidate.isRoot {
            if let entry = try await entry(at: candidate) {
                guard entry.kind == .directory else {
                    throw DFSError(.notDirectory, path: candidate, "a file is in the way")
                }
                break
            }
            missing.append(candidate)
            next = candidate.parent
        }
        for directory in missing.reversed() {
            try await makeDirectoryWhereMissing(directory)
        }
    }
}
