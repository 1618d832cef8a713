import DFSClient
import DFSProtocol
import Glibc

/// `get`, `reget` and `mget`.
enum GetCommand {
    static let all: [Command] = [
        Command(row: get) { try await run($0, $1, continues: false) },
        Command(row: getAgain) { try await run($0, $1, continues: true) },
        Command(row: getMany, run: runMany),
    ]

    static let exits: [ExitCode] = [
        .notFound, .denied, .temporary, .unreachable, .integrity, .conflict,
    ]
    private static let recursive = CommandSpecification.Option(
        "r", "directories with everything in them")

    private static let get = CommandSpecification(
        "get", .files,
        [.init("path", .remotePath, .oneOrMore), .init("local", .localPath, .optional)],
        options: [recursive, TransferManner.continuing] + TransferManner.options,
        "Brings files here, verified; what is there already is replaced only by a whole file.",
        examples: [
            ("get /A/F1", "as F1 into the local working directory"),
            ("get -r /docs /tmp/docs", "all of /docs; what can not be had is told, and exit is 5"),
            ("get -r /docs/. /tmp/docs", "what is in /docs, into a directory that may be there"),
            ("get *.txt /tmp", "every name that fits, into the directory /tmp"),
            ("get /A/F1 /B/F3 .", "several; the last word is a directory here"),
            ("get -c /A/big", "goes on where an earlier one was cut short"),
            ("get --limit-rate 500k /A/big", "leaves room for others"),
            ("get /A/F1 -", "to standard output; a damaged one is told at its end, by exit code 7"),
        ], exits: exits)

    private static let getAgain = CommandSpecification(
        "reget", .files,
        [.init("path", .remotePath, .oneOrMore), .init("local", .localPath, .optional)],
        options: [recursive] + TransferManner.options,
        "Goes on with a get that was cut short, once what is here was compared; as get -c.",
        examples: [("reget /A/big", "the rest of /A/big")], exits: exits)

    private static let getMany = CommandSpecification(
        "mget", .files, [.init("path", .remotePath, .oneOrMore)],
        options: [
            .init("O", "the directory here that they go into", value: .localDirectory), recursive,
            TransferManner.continuing,
        ] + TransferManner.options,
        "Brings every file that the words fit into one directory here.",
        examples: [
            ("mget *.txt *.md", "into the local working directory"),
            ("mget -O /tmp /docs/*.txt", "into /tmp"),
        ], exits: exits)

    private static func run(
        _ session: ShellSession, _ call: Invocation, continues: Bool
    ) async throws {
        let words = call.operands
        let manner = try TransferManner(call, continues: continues)
        let sources = try await sources(
            of: words.count > 1 ? words.dropLast() : words[...], session)
        let target = words.count > 1 ? words.last?.bytes : nil
        if target == TransferCommands.standardStream {
            return try await write(sources.map(\.path), session, manner)
        }
        if sources.count > 1 || words.count > 2, let target {
            try await mustBeDirectory(target, session, call)
        }
        try await run(sources, to: target, session, call, manner)
    }

    private static func runMany(_ session: ShellSession, _ call: Invocation) async throws {
        let manner = try TransferManner(call, continues: false)
        let sources = try await sources(of: call.operands[...], session)
        let target = call.value("O")?.bytes ?? [0x2E]
        try await mustBeDirectory(target, session, call)
        try await run(sources, to: target, session, call, manner)
    }

    private static func mustBeDirectory(
        _ target: [UInt8], _ session: ShellSession, _ call: Invocation
    ) async throws {
        guard try await session.disk.kind(of: target) != .directory else { return }
        throw ShellFailure(
            .usage,
            "\(call.specification.name): local \(Word.typed(target)) is no directory; several "
                + "files go into one that is there, such as \".\"")
    }

    private static func run(
        _ sources: [RemoteSource], to target: [UInt8]?, _ session: ShellSession, _ call: Invocation,
        _ manner: TransferManner
    ) async throws {
        let total =
            session.output.isErrorTerminal ? await session.bytes(below: sources.map(\.path)) : nil
        try await session.tallied(manner.isDry ? "would get" : "got", total: total) { tally in
            let download = Download(session: session, tally: tally, manner: manner)
            do {
                for source in sources {
                    if tally.leavesTheRest() { break }
                    try await session.orTell(tally) {
                        try await get(source, to: target, call, download)
                    }
                }
            } catch {
                // What has its name is brought to the disk however it ended.
                await session.settle(tally)
                throw error
            }
            await session.settle(tally)
        }
    }

    /// Something that is brought here.
    private struct RemoteSource {
        let path: TreePath
        /// Whether what is in a directory is meant, as by the dot at the end of `DIR/.`.
        let isContents: Bool
    }

    private static func sources(
        of words: ArraySlice<Word>, _ session: ShellSession
    ) async throws -> [RemoteSource] {
        var sources: [RemoteSource] = []
        for word in words {
            // A dot alone is the working directory itself, under its name.
            let isContents =
                !word.isPattern && word.bytes.count > 1
                && word.bytes.suffix(2).elementsEqual("/.".utf8)
            sources += try await session.paths(word).map {
                RemoteSource(path: $0, isContents: isContents)
            }
        }
        return sources
    }

    /// Writes whole files to standard output, verified at the end of each.
    private static func write(
        _ sources: [TreePath], _ session: ShellSession, _ manner: TransferManner
    ) async throws {
        try await session.forEach(sources) { path in
            if manner.isDry {
                let entry = try await session.client.stat(path).entry
                guard entry.kind == .file else {
                    throw DFSError(.isDirectory, path: path, "a directory has no bytes")
                }
                return session.output.line(
                    "get \(path) -> -", as: ["would": "get", "path": .path(path)])
            }
            let limit = manner.limit
            // Only for a limit the size must be known before.
            let entry = limit == nil ? nil : try await session.client.stat(path).entry
            do {
                _ = try await session.client.fetch(
                    path, listedAs: entry, pace: { try await limit?.pass($0) }
                ) { bytes in
                    try await session.output.content(bytes.readableBytesView, of: path)
                }
            } catch let error as DFSError where error.known == .corrupt {
                throw ShellFailure(
                    .integrity, "\(path): damaged on the way; what was written is not the file")
            }
        }
    }

    private static func get(
        _ remote: RemoteSource, to target: [UInt8]?, _ call: Invocation, _ download: Download
    ) async throws {
        let session = download.session
        let source = remote.path
        let entry =
            source.isRoot ? nil : try await session.client.stat(source).entry
        if remote.isContents, entry?.kind == .file {
            throw DFSError(.notDirectory, path: source, "a file")
        }
        let place = try await LocalPlace(
            target: remote.isContents ? target ?? [0x2E] : target,
            name: remote.isContents ? [] : Array(source.name), session.disk)
        guard entry == nil || entry?.kind == .directory else {
            guard let entry, !place.endsInSlash else {
                throw ShellFailure(.notFound, "local \(place.shown): no such directory")
            }
            return try await download.file(
                entry, as: place.name, in: try await session.disk.open(directory: place.parent))
        }
        guard call.has("r") else {
            throw ShellFailure(
                .failed,
                "\(source): is a directory; \(call.specification.name) -r brings it with all in it")
        }
        guard !place.name.isEmpty else {
            throw ShellFailure(.usage, "get: / needs a local name to be brought to")
        }
        if let target, place.name != Array(source.name) || place.parent != target,
            !remote.isContents
        {
            // Done again as it is, it would go into the directory that is there now.
            let from = LocalName.join(source.bytes, [0x2E])
            download.tally.completes(with: TransferCommands.again(call, from, target))
        }
        if download.manner.isDry {
            return try await download.tell(of: source, at: LocalName.join(place.parent, place.name))
        }
        let parent = try await session.disk.open(directory: place.parent)
        let top = try await session.disk.directory(place.name, in: parent, makes: true)
        var tree = TreeDownload(download, of: source, into: top)
        try await tree.run()
    }
}

extension Download {
    /// Tells what would be brought of a directory.
    fileprivate func tell(of top: TreePath, at place: [UInt8]) async throws {
        var pages = session.client.find(top).makeAsyncIterator()
        while let page = try await pages.nextPage() {
            for entry in page where entry.kind == .file {
                guard let rest = entry.path.relative(to: top) else { continue }
                try await tally.file { tell(entry, as: LocalName.join(place, rest), $0) }
            }
            try await session.output.room()
        }
    }
}
