import DFSClient
import DFSProtocol

/// Copies that the file servers make of each other's files.
struct Copying: Sendable {
    let session: ShellSession
    let tally: TransferTally
    var isDry = false
    /// Whether what is at the target already, and the same, is left as it is.
    var continues = false
    /// Whether a file is removed where it was, once its copy was verified.
    var moves = false

    /// So many files are copied at once: a server makes no more copies for all its clients.
    private static let width = 16

    /// Copies or moves one file.
    func file(_ entry: Entry, to target: TreePath) async throws {
        try await tally.file { meter in
            if isDry {
                session.output.line(
                    "copy \(entry.path) -> \(target)",
                    as: ["would": "copy", "path": .path(entry.path), "target": .path(target)])
                return meter.moved(Int(clamping: entry.size))
            }
            if continues, let sha256 = try await digest(ofSame: entry, at: target) {
                if moves { try await removeSource(entry.path, copied: sha256, to: target) }
                return meter.isUnchanged()
            }
            let copy = try await session.client.copy(entry.path, to: target) { meter.reached($0) }
            if moves { try await removeSource(entry.path, copied: copy.sha256, to: target) }
            meter.holds(entry.size)
        }
    }

    /// The digest of what is at the target, where it is what the source has.
    private func digest(ofSame entry: Entry, at target: TreePath) async throws -> String? {
        guard let present = try await session.entry(at: target), present.kind == .file,
            present.size == entry.size
        else { return nil }
        let there = try await session.client.digest(of: target).sha256
        return try await session.client.digest(of: entry.path).sha256 == there ? there : nil
    }

    private func removeSource(
        _ source: TreePath, copied sha256: String?, to target: TreePath
    ) async throws {
        // What was written to the source since it was copied must not go with it.
        guard try await session.client.digest(of: source).sha256 == sha256 else {
            throw ShellFailure(
                .conflict, "\(source): was changed while it was copied to \(target); both are kept")
        }
        try await session.client.remove(source, kind: .file)
    }

    /// Copies everything below a directory, many files side by side; failures are told.
    ///
    /// - Returns: The directories below the source, each before what is in it.
    func tree(_ source: TreePath, to target: TreePath) async throws -> [TreePath] {
        if !isDry { try await session.makeDirectoryWhereMissing(target) }
        let later = SecondAttempts()
        await later.begin(session)
        // What is only told is told in the order of the tree.
        let width = isDry ? 1 : Copying.width
        var directories: [TreePath] = []
        // Listed whole before anything is removed: a page would begin behind what is gone.
        let entries = try await session.client.find(source).all()
        try await withThrowingTaskGroup(of: Void.self) { group in
            var running = 0
            for entry in entries {
                guard let rest = entry.path.relative(to: source) else { continue }
                let place = try TreePath(LocalName.join(target.bytes, rest))
                if tally.leavesTheRest() { break }
                if entry.kind == .directory {
                    directories.append(entry.path)
                    try await makeDirectory(place)
                    continue
                }
                if running >= width {
                    try await group.next()
                    running -= 1
                }
                running += 1
                group.addTask { try await fileOrTell(entry, to: place, later) }
            }
            try await group.waitForAll()
        }
        try await later.run(session)
        return directories
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
                later?.takes(error) { later in
                    var again = self
                    // The one that failed may have made the copy, or have removed the source.
                    again.continues = true
                    try await again.fileOrTell(entry, to: target, later)
                } ?? false
            if !isTaken { try await tally.tell(error, session) }
        }
    }
}
