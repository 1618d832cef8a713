import FileService
import Foundation
import Synchronization

/// Brings directories to the disk; all who wait for one directory share a flush.
///
/// An fsync covers the names that were changed before it began, whoever changed them. So whoever
/// comes while one runs waits for the next one, and that one is for all who came meanwhile: a
/// hundred files that are stored in one directory at once cost two fsyncs of it, not a hundred.
/// The fsyncs of the files themselves need no such thing: they run beside each other, and the file
/// system puts them into one commit of its journal.
final class FolderFlushes: Sendable {
    /// One fsync that has not ended, and those who wait for it.
    private final class Round: Sendable {
        /// Nil before the end, then 0 or an errno.
        let outcome = Mutex<Int32?>(nil)
        let waiters = Atomic<Int>(0)
    }

    private struct Lane {
        var isRunning = false
        /// The round that begins when the running one has ended.
        var next: Round?
    }

    private let condition = NSCondition()
    /// By file system and inode: others may be mounted below the top of an export.
    private let lanes = Mutex<[FileIdentity: Lane]>([:])
    private let flush: @Sendable (Descriptor) -> SystemError?

    /// Takes what brings one directory to the disk, which tests replace.
    init(
        flush: @escaping @Sendable (Descriptor) -> SystemError? = { folder in
            do throws(SystemError) { try folder.sync() } catch { return error }
            return nil
        }
    ) {
        self.flush = flush
    }

    /// Returns when the disk has every name that was changed in a directory before this call.
    ///
    /// - Throws: What the flush failed with, to all who waited for it.
    func sync(_ folder: Descriptor, _ identity: FileIdentity) throws(SystemError) {
        condition.lock()
        defer { condition.unlock() }
        let round = join(identity)
        round.waiters.add(1, ordering: .relaxed)
        while true {
            if let outcome = round.outcome.withLock({ $0 }) {
                guard outcome == 0 else { throw SystemError(outcome) }
                return
            }
            guard begin(identity) else {
                condition.wait()
                continue
            }
            condition.unlock()
            let failure = flush(folder)
            condition.lock()
            round.outcome.withLock { $0 = failure?.code ?? 0 }
            end(identity)
            condition.broadcast()
        }
    }

    /// How many wait for a flush of a directory that has not begun yet.
    func waiters(for identity: FileIdentity) -> Int {
        lanes.withLock { $0[identity]?.next?.waiters.load(ordering: .relaxed) ?? 0 }
    }

    private func join(_ identity: FileIdentity) -> Round {
        lanes.withLock { lanes in
            if let round = lanes[identity]?.next { return round }
            let round = Round()
            lanes[identity, default: Lane()].next = round
            return round
        }
    }

    /// Begins the round that is next, for whoever of it comes first.
    private func begin(_ identity: FileIdentity) -> Bool {
        lanes.withLock { lanes in
            guard lanes[identity]?.isRunning == false else { return false }
            lanes[identity] = Lane(isRunning: true)
            return true
        }
    }

    private func end(_ identity: FileIdentity) {
        lanes.withLock { lanes in
            lanes[identity]?.isRunning = false
            if lanes[identity]?.next == nil { lanes[identity] = nil }
        }
    }
}
