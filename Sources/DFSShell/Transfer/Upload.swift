import DFSClient
import DFSProtocol

/// Brings files from this machine into the tree, and verifies what arrived.
struct Upload: Sendable {
    let session: ShellSession
    let tally: TransferTally
    /// Whether permission bits and times are kept as they are.
    let keepsAttributes: Bool

    /// Stores one file; readers see the old content or the new.
    func file(_ name: [UInt8], in directory: LocalDirectory?, to path: TreePath) async throws {
        let disk = session.disk
        let source = try await disk.source(name, in: directory)
        let isExecutable = source.mode.bits & 0o100 != 0
        let piece = Int(min(1_048_576, max(4096, source.size + 1)))
        try await tally.file { meter in
            _ = try await session.client.store(
                path, mode: keepsAttributes || isExecutable ? source.mode : nil,
                modified: keepsAttributes ? source.modified : nil
            ) {
                guard let bytes = try await disk.read(source, count: piece) else { return nil }
                meter.moved(bytes.readableBytes)
                return bytes
            }
        }
    }

    /// Stores a whole directory: many files side by side, and every failure told.
    ///
    /// Where no name server answers any more nothing further is begun.
    /// - Throws: What ends the whole: the target can not be made, or the task was cancelled.
    func tree(_ directory: LocalDirectory, to path: TreePath) async throws {
        try await withThrowingTaskGroup(of: Int.self) { group in
            var used = 0
            try await walk(directory, to: path) { name, directory, path in
                while used >= Upload.capacity { used -= try await group.next() ?? 0 }
                if tally.leavesTheRest() { return }
                used += 1
                group.addTask {
                    try await fileOrTell(name, in: directory, to: path)
                    return 1
                }
            }
            try await group.waitForAll()
        }
    }

    /// How many files travel at once.
    private static let capacity = 32

    private typealias FoundFile = ([UInt8], LocalDirectory, TreePath) async throws -> Void

    /// Makes the directories of the tree and hands over its files, in order.
    private func walk(
        _ top: LocalDirectory, to topPath: TreePath, _ found: FoundFile
    ) async throws {
        // A stack and no recursion: a local tree may be deeper than a thread's stack.
        var waiting = [(directory: top, path: topPath)]
        while let (directory, path) = waiting.popLast() {
            try Task.checkCancellation()
            if tally.leavesTheRest() { return }
            guard let entries = try await orTell({ try await session.disk.list(directory) }) else {
                continue
            }
            var below: [(directory: LocalDirectory, path: TreePath)] = []
            for entry in entries {
                if tally.leavesTheRest() { return }
                let shown = Quoting.text(LocalName.join(directory.path, entry.name))
                switch entry.kind {
                case .symbolicLink: skip(shown, "symbolic link")
                case .special: skip(shown, "neither a file nor a directory")
                case .file:
                    guard let target = orSkip(shown, entry.name, in: path) else { continue }
                    try await found(entry.name, directory, target)
                case .directory:
                    guard let target = orSkip(shown, entry.name, in: path) else { continue }
                    let next = try await orTell {
                        let open = try await session.disk.directory(
                            entry.name, in: directory, makes: false)
                        try await session.makeDirectoryWhereMissing(target)
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

    private func fileOrTell(
        _ name: [UInt8], in directory: LocalDirectory, to path: TreePath
    ) async throws {
        do {
            try await file(name, in: directory, to: path)
        } catch {
            try await tally.tell(error, session)
        }
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
