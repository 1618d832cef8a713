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
            .init(
                "c", "leaves files at the target that are the same already, so goes on with a copy"),
            .init("dry-run", "only tells what would be done", isLong: true),
        ],
        "Copies within the tree: the file servers do it among themselves, verified.",
        examples: [
            ("cp a.txt b.txt", "replaces a b.txt that is there, at once"),
            ("cp *.txt /docs", "all of them into the directory /docs"),
            ("cp -r /docs /backup/docs", "all of /docs, with modes and times"),
            ("cp -r -c /docs/. /backup/docs", "goes on where that was cut short"),
        ], exits: GetCommand.exits)

    private static func run(_ session: ShellSession, _ call: Invocation) async throws {
        let (contents, whole) = try await sources(call.operands.dropLast(), session)
        guard let last = call.operands.last else { return }
        let target = try await TreePlace(last, session)
        if contents.count + whole.count > 1, !target.isDirectory {
            throw ShellFailure(.usage, "\(target.path): several sources need a directory as target")
        }
        let total =
            session.output.isErrorTerminal ? await session.bytes(below: contents + whole) : nil
        try await session.tallied(call.has("dry-run") ? "would copy" : "copied", total: total) {
            tally in
            let copying = Copying(
                session: session, tally: tally, isDry: call.has("dry-run"),
                continues: call.has("c"))
            for source in contents {
                if tally.leavesTheRest() { break }
                try await session.orTell(tally) {
                    try await copy(source, to: target.path, target, call, copying)
                }
            }
            for source in whole {
                if tally.leavesTheRest() { break }
                try await session.orTell(tally) {
                    let place = try target.place(of: source)
                    try await copy(source, to: place, target, call, copying)
                }
            }
        }
    }

    /// The directories whose contents are meant, as by the dot at the end of `DIR/.`, and the rest.
    private static func sources(
        _ words: ArraySlice<Word>, _ session: ShellSession
    ) async throws -> (contents: [TreePath], whole: [TreePath]) {
        let isContents = { (word: Word) in
            !word.isPattern && word.bytes.count > 1
                && word.bytes.suffix(2).elementsEqual("/.".utf8)
        }
        return (
            try await session.paths(words.filter(isContents)),
            ShellSession.outermost(try await session.paths(words.filter { !isContents($0) }))
        )
    }

    private static func copy(
        _ source: TreePath, to place: TreePath, _ target: TreePlace, _ call: Invocation,
        _ copying: Copying
    ) async throws {
        guard source != place else {
            throw ShellFailure(.usage, "\(source): is itself; nothing was copied")
        }
        let entry = source.isRoot ? nil : try await copying.session.client.stat(source).entry
        if let entry, entry.kind == .file {
            try target.mustTakeFile()
            return try await copying.file(entry, to: place)
        }
        guard call.has("r") else {
            throw ShellFailure(
                .failed, "\(source): is a directory; cp -r copies it with all in it")
        }
        guard !place.isWithin(source) else {
            throw ShellFailure(.usage, "\(source) can not be copied into itself, as \(place)")
        }
        if !copying.isDry {
            // Done again as it is, it would go into the directory that is there now.
            let from = Quoting.text(LocalName.join(source.bytes, [0x2E]))
            copying.tally.completes(with: "cp -r -c \(from) \(place)")
        }
        _ = try await copying.tree(source, to: place)
    }
}

/// Where in the tree something goes that the person gave a path for.
struct TreePlace: Sendable {
    let path: TreePath
    /// Whether a directory is there, into which things go under their own names.
    let isDirectory: Bool
    /// Whether a directory was meant, by a slash at the end, that is not there.
    let endsInSlash: Bool

    init(_ word: Word, _ session: ShellSession) async throws {
        path = word.isPattern ? try await session.onePath(word) : try session.path(word.bytes)
        isDirectory = path.isRoot ? true : try await session.entry(at: path)?.kind == .directory
        endsInSlash = !isDirectory && word.bytes.last == TreePath.slash
    }

    /// Where something goes: under its own name where a directory is there.
    func place(of source: TreePath) throws -> TreePath {
        isDirectory && !source.isRoot ? try path.appending(source.name) : path
    }

    /// Refuses a file where a directory was meant that is not there.
    func mustTakeFile() throws {
        guard endsInSlash else { return }
        throw ShellFailure(.notFound, "\(path)/: no such directory; mkdir makes it")
    }
}
