import DFSClient
import DFSProtocol

/// Brings files from this machine into the tree, and verifies what arrived.
struct Upload: Sendable {
    let session: ShellSession
    let tally: TransferTally
    let manner: TransferManner
    /// What directories get at the end.
    let directories = DirectoryAttributes()

    /// Stores one file; readers see the old content or the new.
    func file(_ name: [UInt8], in directory: LocalDirectory?, to path: TreePath) async throws {
        // Most files are small: one visit to the disk brings all that is needed of them.
        let limit = manner.isDry || manner.continues ? 0 : session.client.options.pieceBytes
        let (source, content) = try await session.disk.source(name, in: directory, withUpTo: limit)
        try await tally.file { meter in
            if manner.isDry {
                session.output.line(
                    "put \(Word.typed(source.path)) -> \(path)",
                    as: ["would": "put", "path": .path(path), "local": .bytes(source.path)])
                return meter.moved(Int(clamping: source.size))
            }
            if manner.continues, try await isThere(source, as: path) {
                if manner.keepsAttributes { try await adopt(source, as: path) }
                return meter.isUnchanged()
            }
            if let content {
                try await whole(content, of: source, to: path, meter)
            } else if source.size > Int64(session.client.options.pieceBytes) {
                try await large(source, to: path, meter)
            } else {
                try await small(source, to: path, meter)
            }
        }
    }

    /// One that was read already.
    private func whole(
        _ content: ByteBuffer, of source: LocalSource, to path: TreePath,
        _ meter: TransferTally.Meter
    ) async throws {
        var rest: ByteBuffer? = content.readableBytes > 0 ? content : nil
        _ = try await session.client.store(
            path, mode: mode(of: source), modified: modified(of: source)
        ) {
            guard let bytes = rest else { return nil }
            rest = nil
            try await manner.limit?.pass(bytes.readableBytes)
            meter.moved(bytes.readableBytes)
            return bytes
        }
    }

    /// One that is read to its end, whatever size the system tells.
    private func small(
        _ source: LocalSource, to path: TreePath, _ meter: TransferTally.Meter
    ) async throws {
        let disk = session.disk
        let piece = Int(min(1_048_576, max(4096, source.size + 1)))
        _ = try await session.client.store(
            path, mode: mode(of: source), modified: modified(of: source)
        ) {
            guard let bytes = try await disk.read(source, count: piece) else { return nil }
            try await manner.limit?.pass(bytes.readableBytes)
            meter.moved(bytes.readableBytes)
            return bytes
        }
    }

    /// One that travels in pieces, and is gone on with where that was cut short.
    private func large(
        _ source: LocalSource, to path: TreePath, _ meter: TransferTally.Meter
    ) async throws {
        let disk = session.disk
        let limit = manner.limit
        _ = try await session.client.store(
            path, mode: mode(of: source), modified: modified(of: source),
            continues: manner.continues || manner.isAgain, keepsPart: true,
            from: StoreSource(
                size: source.size, progress: { meter.reached($0) },
                pace: { try await limit?.pass($0) }
            ) { offset, count in
                let bytes = try await disk.read(source, at: offset, count: count)
                guard bytes.readableBytes == count else {
                    let shown = Word.typed(source.path)
                    throw ShellFailure(
                        .conflict, "local \(shown): became shorter while it was read")
                }
                return bytes
            })
    }

    /// Makes a directory of the tree whose parent is there; one that is there is fine.
    func makeDirectory(_ path: TreePath) async throws {
        guard manner.isDry else { return try await session.makeDirectoryWhereMissing(path) }
    }

    private func mode(of source: LocalSource) -> FileMode? {
        manner.keepsAttributes || source.mode.bits & 0o100 != 0 ? source.mode : nil
    }

    private func modified(of source: LocalSource) -> WallTime? {
        manner.keepsAttributes ? source.modified : nil
    }

    /// Gives a file of the tree the permissions and the time that the one here has.
    private func adopt(_ source: LocalSource, as path: TreePath) async throws {
        let file = try await session.client.open(path, .readWrite)
        do {
            try await file.setAttributes(mode: mode(of: source), modified: modified(of: source))
        } catch {
            // Why the attributes could not be set is what the person must hear of.
            _ = try? await file.close()
            throw error
        }
        try await file.close()
    }

    /// Whether the tree has the same bytes under the path already.
    private func isThere(_ source: LocalSource, as path: TreePath) async throws -> Bool {
        guard let entry = try await session.entry(at: path), entry.kind == .file,
            entry.size == source.size, entry.isAvailable
        else { return false }
        var prefix = FilePrefix()
        while prefix.count < source.size {
            let bytes = try await session.disk.read(source, at: prefix.count, count: 1_048_576)
            if bytes.readableBytes == 0 { return false }
            prefix.add(bytes)
        }
        return try await session.client.begins(path, with: prefix)?.size == source.size
    }

    /// Stores a whole directory: many files side by side, and every failure told.
    ///
    /// Where no name server answers any more nothing further is begun.
    /// - Throws: What ends the whole: the target can not be made, or the task was cancelled.
    func tree(_ directory: LocalDirectory, to path: TreePath) async throws {
        let later = SecondAttempts()
        await later.begin(session)
        // What is only told is told in the order of the tree.
        let capacity = manner.isDry ? 1 : Upload.capacity
        try await withThrowingTaskGroup(of: Int.self) { group in
            var used = 0
            try await walk(directory, to: path) { entry, directory, path in
                let cost = Upload.cost(of: entry.size)
                while used > 0, used + cost > capacity { used -= try await group.next() ?? 0 }
                if tally.leavesTheRest() { return }
                used += cost
                group.addTask {
                    try await fileOrTell(entry.name, in: directory, to: path, later: later)
                    return cost
                }
            }
            try await group.waitForAll()
        }
        try await later.run(session)
        try await directories.send(session, tally)
    }

    /// Has a directory of the tree be as one here, once everything in it has come.
    func keepAttributes(of directory: LocalDirectory, as path: TreePath) async throws {
        guard manner.keepsDirectories, !manner.isDry, !path.isRoot else { return }
        directories.add(path, try await session.disk.attributes(of: directory))
    }

    /// How much travels at once, in units of a small file.
    ///
    /// What is durable when it is answered waits for the disk of its server, which brings many
    /// files there in the time of one: the more are under way, the less each of them costs.
    static let capacity = 256

    /// What a file counts for: memory is bounded by what is in flight.
    static func cost(of size: Int64) -> Int {
        size <= 131_072 ? 1 : size <= 1_048_576 ? 32 : 64
    }

    private typealias FoundFile =
        (LocalName.Entry, LocalDirectory, TreePath) async throws -> Void

    /// Makes the directories of the tree and hands over its files, in order.
    private func walk(
        _ top: LocalDirectory, to topPath: TreePath, _ found: FoundFile
    ) async throws {
        // A stack and no recursion: a local tree may be deeper than a thread's stack.
        var waiting = [(directory: top, path: topPath)]
        while let (directory, path) = waiting.popLast() {
            try Task.checkCancellation()
            if tally.leavesTheRest() { return }
            let listed = try await orTell {
                try await keepAttributes(of: directory, as: path)
                return try await session.disk.list(directory)
            }
            guard let entries = listed else { continue }
            var below: [(directory: LocalDirectory, path: TreePath)] = []
            for entry in entries {
                if tally.leavesTheRest() { return }
                let shown = Word.typed(LocalName.join(directory.path, entry.name))
                switch entry.kind {
                case .symbolicLink: skip(shown, "symbolic link")
                case .special: skip(shown, "neither a file nor a directory")
                case .unreadable(let number):
                    let path = LocalName.join(directory.path, entry.name)
                    tally.failed(session.tell(LocalFailure(path: path, number: number)))
                case .file:
                    guard let target = orSkip(shown, entry.name, in: path) else { continue }
                    try await found(entry, directory, target)
                case .directory:
                    guard let target = orSkip(shown, entry.name, in: path) else { continue }
                    let next = try await orTell {
                        let open = try await session.disk.directory(
                            entry.name, in: directory, makes: false)
                        try await makeDirectory(target)
                        return (open, target)
                    }
                    if let next { below.append(next) }
                }
            }
            waiting += below.reversed()
        }
    }

    private func skip(_ shown: String, _ reason: String) {
        session.output.complain("\(shown): skipped: \(reason)")
        tally.skipped()
    }

    /// The path of a name below a directory; one that can not be in the tree is told and skipped.
    private func orSkip(_ shown: String, _ name: [UInt8], in path: TreePath) -> TreePath? {
        do throws(RequestError) {
            return try path.appending(name)
        } catch {
            session.output.complain("\(shown): skipped: \(ErrorSentence.safe(error.advice))")
            tally.refused()
            return nil
        }
    }

    /// Runs something; a failure is told and counted.
    ///
    /// - Throws: What ends the whole.
    private func orTell<Answer>(_ body: () async throws -> Answer) async throws -> Answer? {
        do {
            return try await body()
        } catch {
            try await tally.tell(error, session)
            return nil
        }
    }

    /// Stores a file of a tree; tells a failure and lets the others go on.
    ///
    /// - Parameter later: Takes it where its server went away; nil for the last attempt.
    /// - Parameter earlier: Why the attempt before this one failed; its part may still be there.
    func fileOrTell(
        _ name: [UInt8], in directory: LocalDirectory, to path: TreePath, later: SecondAttempts?,
        after earlier: (any Error)? = nil
    ) async throws {
        do {
            try await file(name, in: directory, to: path)
        } catch let failure {
            let error = failure.keeping(leftoverOf: earlier)
            let isTaken =
                later?.takes(error) { later in
                    var manner = manner
                    manner.isAgain = true
                    let again = Upload(session: session, tally: tally, manner: manner)
                    try await again.fileOrTell(
                        name, in: directory, to: path, later: later, after: error)
                } ?? false
            if !isTaken { try await tally.tell(error, session) }
        }
    }
}

extension Error {
    /// The same failure, with the part that an earlier attempt left, where this one tells of none.
    fileprivate func keeping(leftoverOf earlier: (any Error)?) -> any Error {
        guard var failure = self as? DFSError, failure.leftover == nil,
            let earlier = earlier as? DFSError, let part = earlier.leftover
        else { return self }
        failure.leftover = part
        failure.isPartKept = earlier.isPartKept
        return failure
    }
}

extension ShellSession {
    /// Makes a directory whose parent is there; one that is there is fine.
    func makeDirectoryWhereMissing(_ path: TreePath) async throws {
        do throws(DFSError) {
            try await client.makeDirectory(path)
        } catch {
            guard error.known == .exists else { throw error }
            guard try await entry(at: path)?.kind == .directory else {
                throw DFSError(
                    .exists, path: path, "no directory, but something else has the name")
            }
        }
    }
}
