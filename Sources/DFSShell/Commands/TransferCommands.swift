import DFSClient
import DFSProtocol
import Glibc

/// `get` and `put`.
enum TransferCommands {
    static let all: [Command] = [
        Command(row: get, run: runGet),
        Command(row: put, run: runPut),
    ]

    private static let get = CommandSpecification(
        "get", .files,
        [.init("path", .remotePath, .oneOrMore), .init("local", .localPath, .optional)],
        options: [
            .init("r", "directories with everything in them"),
            .init("p", "permission bits and times as they are there"),
        ],
        "Brings files here, verified; what is there already is replaced only by a whole file.",
        examples: [
            ("get /A/F1", "as F1 into the local working directory"),
            ("get -r /docs /tmp/docs", "all of /docs; what can not be had is told, and exit is 5"),
            ("get -r /docs/. /tmp/docs", "what is in /docs, into a directory that may be there"),
            ("get *.txt /tmp", "every name that fits, into the directory /tmp"),
            ("get /A/F1 /B/F3 .", "several; the last word is a directory here"),
            ("get /A/F1 -", "to standard output; a damaged one is told at its end, by exit code 7"),
        ], exits: [.notFound, .denied, .temporary, .unreachable, .integrity, .conflict])

    private static let put = CommandSpecification(
        "put", .files,
        [.init("local", .localPath, .oneOrMore), .init("path", .remotePath, .optional)],
        options: [
            .init("r", "directories with everything in them; symbolic links are skipped"),
            .init("p", "permission bits and times as they are here"),
        ],
        "Brings files from here into the tree, verified; each is replaced at once or not at all.",
        examples: [
            ("put notes.txt /docs", "into the directory /docs"),
            ("put -r photos /pool/photos", "all of photos"),
            ("put -r photos/. /pool/photos", "what is in photos, also where the other is there"),
            ("put a.txt b.txt /docs", "several; the last word is a directory of the tree"),
            ("put - /docs/log", "what standard input holds, as one file"),
        ], exits: [.notFound, .denied, .temporary, .unreachable, .integrity, .conflict])

    private static func runGet(_ session: ShellSession, _ call: Invocation) async throws {
        let words = call.operands
        let sources = try await sources(
            of: words.count > 1 ? words.dropLast() : words[...], session)
        let target = words.count > 1 ? words.last?.bytes : nil
        if target == standardStream { return try await write(sources.map(\.path), session) }
        if sources.count > 1 || words.count > 2, let target,
            try await session.disk.kind(of: target) != .directory
        {
            throw ShellFailure(
                .usage,
                "get: local \(Quoting.text(target)) is no directory; several files go into one that "
                    + "is there, such as \".\"")
        }
        let keeps = call.has("p")
        let total =
            session.output.isErrorTerminal ? await session.bytes(below: sources.map(\.path)) : nil
        try await session.tallied("got", total: total) { tally in
            let download = Download(session: session, tally: tally, keepsAttributes: keeps)
            do {
                try await get(sources, to: target, call, download)
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
            let last = word.bytes.split(
                separator: TreePath.slash, omittingEmptySubsequences: false
            ).last
            let isContents = !word.isPattern && last.map { Array($0) } == [0x2E]
            sources += try await session.paths(word).map {
                RemoteSource(path: $0, isContents: isContents)
            }
        }
        return sources
    }

    private static func get(
        _ sources: [RemoteSource], to target: [UInt8]?, _ call: Invocation, _ download: Download
    ) async throws {
        for source in sources {
            if download.tally.leavesTheRest() { return }
            try await download.session.orTell(download.tally) {
                try await get(source, to: target, call, download)
            }
        }
    }

    /// What stands for standard input and output where a local name is expected.
    private static let standardStream = [UInt8]("-".utf8)

    /// Writes whole files to standard output, verified at the end of each.
    private static func write(_ sources: [TreePath], _ session: ShellSession) async throws {
        try await session.forEach(sources) { path in
            do {
                _ = try await session.client.fetch(path) { bytes in
                    try await session.output.content(bytes.readableBytesView, of: path)
                }
            } catch let error as DFSError where error.known == .corrupt {
                throw ShellFailure(
                    .integrity, "\(path): damaged on the way; what was written is not the file")
            }
        }
    }

    /// Stores what standard input holds.
    private static func store(_ session: ShellSession, _ call: Invocation) async throws {
        guard call.operands.count == 2 else {
            throw call.misuse("standard input is stored alone, under one path")
        }
        guard !session.readsCommandsFromInput else {
            throw ShellFailure(
                .usage, "put: standard input holds the commands; use \"dfsh put - PATH\"")
        }
        let path = try await session.onePath(call.operands[1])
        try await session.tallied("put") { tally in
            try await tally.file { meter in
                _ = try await session.client.store(path) {
                    let bytes = try await standardInput()
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

    private static func get(
        _ remote: RemoteSource, to target: [UInt8]?, _ call: Invocation, _ download: Download
    ) async throws {
        let session = download.session
        let source = remote.path
        let entry =
            source.isRoot ? nil : try await session.client.stat(source).entry
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
                .failed, "\(source): is a directory; get -r brings it with all in it")
        }
        guard !place.name.isEmpty else {
            throw ShellFailure(.usage, "get: / needs a local name to be brought to")
        }
        if let target, place.name != Array(source.name) || place.parent != target,
            !remote.isContents
        {
            // Done again as it is, it would go into the directory that is there now.
            let from = LocalName.join(source.bytes, [0x2E])
            download.tally.completes(with: again("get", call, from, target))
        }
        let parent = try await session.disk.open(directory: place.parent)
        let top = try await session.disk.directory(place.name, in: parent, makes: true)
        var tree = TreeDownload(download, of: source, into: top)
        try await tree.run()
    }

    /// A command that brings what is in a directory into another one that is there.
    private static func again(
        _ name: String, _ call: Invocation, _ from: [UInt8], _ to: [UInt8]
    ) -> String {
        "\(name) -r \(call.has("p") ? "-p " : "")\(Quoting.text(from)) \(Quoting.text(to))"
    }

    private static func runPut(_ session: ShellSession, _ call: Invocation) async throws {
        let words = call.operands
        if words[0].bytes == standardStream { return try await store(session, call) }
        guard words.count > 2 else {
            let source = try await source(words[0].bytes, session, call)
            let path = try await putTarget(session, call, source.path)
            return try await session.tallied("put") { tally in
                let isNamed = try words.count > 1 && path == session.path(words[1].bytes)
                if source.isDirectory, isNamed, !name(of: source.path).isEmpty {
                    // Done again as it is, it would go into the directory that is there now.
                    let from = LocalName.join(source.path, [0x2E])
                    tally.completes(with: again("put", call, from, path.bytes))
                }
                try await put(source, to: path, session, call, tally)
            }
        }
        let directory = try await session.onePath(words[words.count - 1])
        guard try await session.entry(at: directory)?.kind == .directory else {
            throw ShellFailure(
                .usage,
                "put: \(directory) is no directory; several files go into one that is there "
                    + "(mkdir makes it)")
        }
        try await session.tallied("put") { tally in
            for word in words.dropLast() {
                if tally.leavesTheRest() { break }
                try await session.orTell(tally) {
                    let source = try await source(word.bytes, session, call)
                    let path = try place(of: source.path, in: directory)
                    try await put(source, to: path, session, call, tally)
                }
            }
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
                "local \(Quoting.text(path)): is a directory; put -r brings it with all in it")
        }
        return (path, kind == .directory)
    }

    private static func put(
        _ source: Source, to path: TreePath, _ session: ShellSession, _ call: Invocation,
        _ tally: TransferTally
    ) async throws {
        let upload = Upload(session: session, tally: tally, keepsAttributes: call.has("p"))
        guard source.isDirectory else {
            return try await upload.file(source.path, in: nil, to: path)
        }
        let directory = try await session.disk.open(directory: source.path)
        if !path.isRoot { try await session.makeDirectoryWhereMissing(path) }
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
        _ session: ShellSession, _ call: Invocation, _ local: [UInt8]
    ) async throws -> TreePath {
        guard call.operands.count > 1 else {
            let name = name(of: local)
            if name.isEmpty {
                throw call.misuse("\(Quoting.text(local)) has no name to be put under")
            }
            return try child(name, of: session.workingDirectory, for: local)
        }
        let target = try await session.onePath(call.operands[1])
        guard try await session.entry(at: target)?.kind == .directory else { return target }
        return try place(of: local, in: target)
    }

    private static func child(
        _ name: [UInt8], of directory: TreePath, for local: [UInt8]
    ) throws -> TreePath {
        do throws(RequestError) {
            return try directory.appending(name)
        } catch {
            throw ShellFailure(
                .failed, "local \(Quoting.text(local)): \(ErrorSentence.safe(error.advice))")
        }
    }
}

extension ShellSession {
    /// Runs the transfer of one of several things; a failure is told and counted.
    ///
    /// - Throws: Where the person wanted no more, or no name server answers.
    fileprivate func orTell(
        _ tally: TransferTally, _ body: () async throws -> Void
    ) async throws {
        do {
            try await body()
        } catch let error where error.meansNoNameServer {
            throw error
        } catch {
            let code = tell(await explained(error))
            if code == .interrupted { throw ShellFailure.told(code) }
            tally.failed(code)
        }
    }

    /// Brings what was received to the disk; a failure of that is told.
    fileprivate func settle(_ tally: TransferTally) async {
        do {
            try await disk.settle()
        } catch {
            tally.spoiled(tell(error))
        }
    }

    /// How many bytes are below paths, for a progress line; nil where that is not known.
    func bytes(below paths: [TreePath]) async -> Int64? {
        var total: Int64 = 0
        for path in paths {
            // A progress line without a percentage is no failure.
            guard let usage = try? await client.diskUsage(path) else { return nil }
            let (sum, isTooMuch) = total.addingReportingOverflow(usage.bytes)
            if isTooMuch { return nil }
            total = sum
        }
        return total
    }
}
