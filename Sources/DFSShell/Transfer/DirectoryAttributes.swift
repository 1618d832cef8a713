import DFSClient
import DFSProtocol
import Synchronization

/// Directories that get their permission bits and times once everything in them has come.
///
/// Before that each file that comes would change the time, and what nobody may write could not be
/// written.
final class DirectoryAttributes: Sendable {
    /// A directory of the tree, and what one here has.
    private let sent = Mutex<[(path: TreePath, attributes: LocalAttributes)]>([])
    /// Directories of the tree that were brought, each before what is in it.
    private let brought = Mutex<[TreePath]>([])

    /// So many are changed at once.
    private static let width = 32

    /// Notes a directory of the tree that is to be as one here.
    func add(_ path: TreePath, _ attributes: LocalAttributes) {
        sent.withLock { $0.append((path, attributes)) }
    }

    /// Notes a directory that is to be here as it is in the tree.
    func add(_ path: TreePath) {
        brought.withLock { brought in
            if brought.last != path { brought.append(path) }
        }
    }

    /// Changes the directories of the tree, deepest first; failures are told.
    ///
    /// - Throws: `CancellationError` where the whole was interrupted.
    func send(_ session: ShellSession, _ tally: TransferTally) async throws {
        let all = sent.withLock { $0 }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, item) in all.reversed().enumerated() {
                if index >= DirectoryAttributes.width { try await group.next() }
                if tally.leavesTheRest() { break }
                group.addTask {
                    do throws(DFSError) {
                        try await session.client.setAttributes(
                            ofDirectory: item.path, mode: item.attributes.mode,
                            modified: item.attributes.modified)
                    } catch {
                        try await tally.tellAside(error, session)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// Changes the directories here, deepest first; failures are told.
    ///
    /// - Parameter path: The directory of the tree that was brought into the one here.
    /// - Throws: `CancellationError` where the whole was interrupted.
    func bring(
        below path: TreePath, into top: LocalDirectory, _ session: ShellSession,
        _ tally: TransferTally
    ) async throws {
        // Sorted so that what is above comes after what is in it.
        let all = Set(brought.withLock { $0 }).sorted {
            $1.bytes.lexicographicallyPrecedes($0.bytes)
        }
        for directory in all {
            if tally.leavesTheRest() { return }
            do {
                let entry = try await session.client.stat(directory).entry
                let place = try await session.disk.directory(
                    below: top, Array(directory.relative(to: path) ?? []))
                try await session.disk.adopt(
                    LocalAttributes(mode: entry.mode, keepsAll: true, modified: entry.modified),
                    place)
            } catch let failure as LocalFailure {
                tally.spoiled(session.tell(failure))
            } catch {
                try await tally.tellAside(error, session)
            }
        }
    }
}

extension TransferTally {
    /// Tells a failure that is about no file: none is missing for it.
    ///
    /// - Throws: `CancellationError` where the whole transfer was interrupted.
    func tellAside(_ error: any Error, _ session: ShellSession) async throws {
        let code = session.tell(await session.explained(error))
        if code == .interrupted { throw CancellationError() }
        spoiled(code)
    }
}
