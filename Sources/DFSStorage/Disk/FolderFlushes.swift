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
    /// By inode: all directories of an export are on one file system, or have a lane too many.
    private let lanes = Mutex<[UInt64: Lane]>([:])
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
    func sync(_ folder: Descriptor, inode: UInt64) throws(SystemError) {
        condition.lock()
        defer { condition.unlock() }
        let round = join(inode)
        round.waiters.add(1, ordering: .relaxed)
        while true {
            if let outcome = round.outcome.withLock({ $0 }) {
                guard outcome == 0 else { throw SystemError(outcome) }
                return
            }
            guard begin(inode) else {
                condition.wait()
                continue
            }
            condition.unlock()
            let failure = flush(folder)
            condition.lock()
            round.outcome.withLock { $0 = failure?.code ?? 0 }
            end(inode)
            condition.broadcast()
        }
    }

    /// How many wait for a flush of a directory that has not begun yet.
    func waiters(for inode: UInt64) -> Int {
        lanes.withLock { $0[inode]?.next?.waiters.load(ordering: .relaxed) ?? 0 }
    }

    private func join(_ inode: UInt64) -> Round {
        lanes.withLock { lanes in
            if let round = lanes[inode]?.next { return round }
            let round = Round()
            lanes[inode, default: Lane()].next = round
            return round
        }
    }

    /// Begins the round that is next, for whoever of it comes first.
    private func begin(_ inode: UInt64) -> Bool {
        lanes.withLock { lanes in
            guard lanes[inode]?.isRunning == false else { return false }
            lanes[inode] = Lane(isRunning: true)
            return true
        }
    }

    private func end(_ inode: UInt64) {
        lanes.withLock { lanes in
            lanes[inode]?.isRunning = false
            if lanes[inode]?.next == nil { lanes[inode] = nil }
        }
    }
}
