import DFSClient
import DFSProtocol
import Glibc

/// `put`, `reput` and `mput`.
enum PutCommand {
    static let all: [Command] = [
        Command(row: put) { try await run($0, $1, continues: false) },
        Command(row: putAgain) { try await run($0, $1, continues: true) },
        Command(row: putMany, run: runMany),
    ]

    private static let recursive = CommandSpecification.Option(
        "r", "directories with everything in them; symbolic links are skipped")

    private static let put = CommandSpecification(
        "put", .files,
        [.init("local", .localPath, .oneOrMore), .init("path", .remotePath, .optional)],
        options: [recursive, TransferManner.continuing] + TransferManner.options,
        "Brings files from here into the tree, verified; each is replaced at once or not at all.",
        examples: [
            ("put notes.txt /docs", "into the directory /docs"),
            ("put -r photos /pool/photos", "all of photos"),
            ("put -r photos/. /pool/photos", "what is in photos, also where the other is there"),
            ("put *.txt /docs", "every name here that fits; the last word is a directory"),
            ("put -c film.mp4 /pool", "goes on where an earlier one was cut short"),
            ("put - /docs/log", "what standard input holds, as one file"),
        ], exits: GetCommand.exits)

    private static let putAgain = CommandSpecification(
        "reput", .files,
        [.init("local", .localPath, .oneOrMore), .init("path", .remotePath, .optional)],
        options: [recursive] + TransferManner.options,
        "Goes on with a put that was cut short, once what is there was compared; as put -c.",
        examples: [("reput film.mp4 /pool", "the rest of it")], exits: GetCommand.exits)

    private static let putMany = CommandSpecification(
        "mput", .files, [.init("local", .localPath, .oneOrMore)],
        options: [
            .init("O", "the directory of the tree that they go into", value: .remoteDirectory),
            recursive, TransferManner.continuing,
        ] + TransferManner.options,
        "Brings every file that the words fit here into one directory of the tree.",
        examples: [
            ("mput *.txt *.md", "into the working directory"),
            ("mput -O /docs *.txt", "into /docs"),
        ], exits: GetCommand.exits)

    private static func run(
        _ session: ShellSession, _ call: Invocation, continues: Bool
    ) async throws {
        let words = call.operands
        let manner = try TransferManner(call, continues: continues)
        if words[0].bytes == TransferCommands.standardStream {
            return try await store(session, call, manner)
        }
        let last = words.count > 1 ? words.last : nil
        let names = try await locals(words.count > 1 ? words.dropLast() : words[...], session)
        guard names.count > 1 || words.count > 2 else {
            return try await one(names[0], to: last, session, call, manner)
        }
        var directory: TreePath?
        if let last { directory = try await session.onePath(last) }
        try await several(
            names, into: directory ?? session.workingDirectory, session, call, manner)
    }

    private static func runMany(_ session: ShellSession, _ call: Invocation) async throws {
        let manner = try TransferManner(call, continues: false)
        let names = try await locals(call.operands[...], session)
        var directory: TreePath?
        if let word = call.value("O") { directory = try await session.onePath(word) }
        try await several(
            names, into: directory ?? session.workingDirectory, session, call, manner)
    }

    /// The paths on this machine that words stand for.
    ///
    /// - Throws: `not-found` where a pattern fits nothing.
    private static func locals(
        _ words: ArraySlice<Word>, _ session: ShellSession
    ) async throws -> [[UInt8]] {
        var names: [[UInt8]] = []
        for word in words {
            guard word.isPattern else {
                names.append(word.bytes)
                continue
            }
            let found = try await session.disk.expand(word)
            guard !found.isEmpty else {
                throw ShellFailure(.notFound, "local \(word.shown): no name fits the pattern")
            }
            names += found
        }
        return names
    }

    private static func one(
        _ name: [UInt8], to target: Word?, _ session: ShellSession, _ call: Invocation,
        _ manner: TransferManner
    ) async throws {
        let source = try await source(name, session, call)
        let path = try await putTarget(session, call, target, source.path)
        var total: Int64?
        if !source.isDirectory { total = try await session.disk.source(name, in: nil).size }
        try await session.tallied(manner.isDry ? "would put" : "put", total: total) { tally in
            let isNamed = try target.map { try path == session.path($0.bytes) } ?? false
            if source.isDirectory, isNamed, !self.name(of: source.path).isEmpty {
                // Done again as it is, it would go into the directory that is there now.
                let from = LocalName.join(source.path, [0x2E])
                tally.completes(with: TransferCommands.again(call, from, path.bytes))
            }
            try await put(source, to: path, session, manner, tally)
        }
    }

    private static func several(
        _ names: [[UInt8]], into directory: TreePath, _ session: ShellSession, _ call: Invocation,
        _ manner: TransferManner
    ) async throws {
        let isThere =
            directory.isRoot ? true : try await session.entry(at: directory)?.kind == .directory
        guard isThere else {
            throw ShellFailure(
                .usage,
                "\(call.specification.name): \(directory) is no directory; several files go into "
                    + "one that is there (mkdir makes it)")
        }
        try await session.tallied(manner.isDry ? "would put" : "put") { tally in
            for name in names {
                if tally.leavesTheRest() { break }
                try await session.orTell(tally) {
                    let source = try await source(name, session, call)
                    let path = try place(of: source.path, in: directory)
                    try await put(source, to: path, session, manner, tally)
                }
            }
        }
    }

    /// Stores what standard input holds.
    private static func store(
        _ session: ShellSession, _ call: Invocation, _ manner: TransferManner
    ) async throws {
        guard call.operands.count == 2 else {
            throw call.misuse("standard input is stored alone, under one path")
        }
        guard !session.readsCommandsFromInput else {
            throw ShellFailure(
                .usage, "put: standard input holds the commands; use \"dfsh put - PATH\"")
        }
        let path = try await session.onePath(call.operands[1])
        if manner.isDry {
            return session.output.line(
                "put - -> \(path)", as: ["would": "put", "path": .path(path)])
        }
        try await session.tallied("put") { tally in
            try await tally.file { meter in
                _ = try await session.client.store(path) {
                    let bytes = try await standardInput()
                    try await manner.limit?.pass(bytes.count)
                    meter.moved(bytes.count)
                    return bytes.isEmpty ? nil : ByteBuffer(bytes: bytes)
                }
            }
        }
    }

    private static func standardInput() async throws -> [UInt8] {
        do {
            return try await DescriptorWait.read(STDIN_FILENO, count: 262_144)
        } catch let failure as LocalFailure {
            throw ShellFailure(.failed, LocalFailure.sentence("standard input", failure.number))
        }
    }

    private typealias Source = (path: [UInt8], isDirectory: Bool)

    /// A local path that is to be put, and what it is.
    private static func source(
        _ path: [UInt8], _ session: ShellSession, _ call: Invocation
    ) async throws -> Source {
        guard let kind = try await session.disk.kind(of: path) else {
            throw LocalFailure(path: path, number: ENOENT).told
        }
        if kind == .directory, !call.has("r") {
            throw ShellFailure(
                .failed,
                "local \(Word.typed(path)): is a directory; \(call.specification.name) -r brings "
                    + "it with all in it")
        }
        return (path, kind == .directory)
    }

    private static func put(
        _ source: Source, to path: TreePath, _ session: ShellSession, _ manner: TransferManner,
        _ tally: TransferTally
    ) async throws {
        let upload = Upload(session: session, tally: tally, manner: manner)
        guard source.isDirectory else {
            return try await upload.file(source.path, in: nil, to: path)
        }
        let directory = try await session.disk.open(directory: source.path)
        if !path.isRoot { try await upload.makeDirectory(path) }
        try await upload.tree(directory, to: path)
    }

    /// Where a local path goes below a directory; the directory itself for `.` and the like.
    private static func place(of local: [UInt8], in directory: TreePath) throws -> TreePath {
        let name = name(of: local)
        return name.isEmpty ? directory : try child(name, of: directory, for: local)
    }

    /// The last part of a local path; empty where it names nothing.
    private static func name(of local: [UInt8]) -> [UInt8] {
        let name = local.split(separator: TreePath.slash).last.map(Array.init) ?? []
        return name == [0x2E] || name == [0x2E, 0x2E] ? [] : name
    }

    /// Into an existing directory under the local name; else the path itself.
    private static func putTarget(
        _ session: ShellSession, _ call: Invocation, _ target: Word?, _ local: [UInt8]
    ) async throws -> TreePath {
        guard let target else {
            let name = name(of: local)
            if name.isEmpty {
                throw call.misuse("\(Word.typed(local)) has no name to be put under")
            }
            return try child(name, of: session.workingDirectory, for: local)
        }
        let path = try await session.onePath(target)
        guard try await session.entry(at: path)?.kind == .directory else { return path }
        return try place(of: local, in: path)
    }

    private static func child(
        _ name: [UInt8], of directory: TreePath, for local: [UInt8]
    ) throws -> TreePath {
        do throws(RequestError) {
            return try directory.appending(name)
        } catch {
            throw ShellFailure(
                .failed, "local \(Word.typed(local)): \(ErrorSentence.safe(error.advice))")
        }
    }
}
