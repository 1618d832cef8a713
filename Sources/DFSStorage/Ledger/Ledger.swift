import CPosix
import DFSDatabase
import DFSProtocol
import Foundation
import Synchronization

/// What one export knows of its files, in memory for speed and on disk for good.
///
/// Changes are made in memory under one short lock and written by a thread of its own, all that
/// wait in one transaction: `waitUntilDurable` returns when the disk has them.
final class Ledger: Sendable {
    private struct Progress {
        var committed: Int64 = 0
        var failedThrough: Int64 = 0
        /// Why the last round failed; nil where it was written.
        var failure: RequestError?
        /// Rounds that have ended.
        var rounds: Int64 = 0
        /// Whether somebody has waited in vain since the last one has.
        var isSlow = false
        /// When a round that failed is tried again, on the monotonic clock.
        var retryAt: Int64 = 0
        var isClosing = false
        var isFinished = false
        /// Whether the thread is there.
        var isRunning = false
        /// Set when there is something to write; saves a lock a round.
        var hasWork = false
    }

    /// Everything in memory, held for look-ups and single calls such as rename, never for fsync.
    let state: Mutex<LedgerState>

    private let store: any LedgerStore
    private let header: LedgerHeader
    private let export: Int
    private let log: ChangeLog
    private let condition = NSCondition()
    private let progress = Mutex(Progress())

    /// Rows that may wait before a scan pauses for the disk.
    static let backlogLimit = 50_000

    /// How long after a round that failed the next one is tried.
    private static let retryMilliseconds: Int64 = 1000

    /// Takes over a store that was loaded; nothing is written before `start`.
    init(
        _ state: LedgerState, in store: any LedgerStore, header: LedgerHeader, export: Int,
        log: ChangeLog
    ) {
        self.state = Mutex(state)
        self.store = store
        self.header = header
        self.export = export
        self.log = log
    }

    /// How many rounds of writing have ended.
    var rounds: Int64 { progress.withLock { $0.rounds } }

    /// Starts the thread that writes.
    func start() {
        progress.withLock { $0.isRunning = true }
        NamedThread.start("dfs-ledger") { [self] in run() }
    }

    /// Has all changes so far written soon.
    func wake() {
        condition.lock()
        progress.withLock { $0.hasWork = true }
        condition.broadcast()
        condition.unlock()
    }

    /// Returns when the disk has every change up to a sequence.
    ///
    /// - Throws: `no-space` or `io` where it could not be written; it is tried again later all the
    ///   same.
    func waitUntilDurable(_ sequence: Int64) throws(RequestError) {
        condition.lock()
        defer { condition.unlock() }
        // Once is enough: a round that begins after this writes the change, and every round's end
        // wakes all who wait. Waiters that woke each other would keep both cores busy.
        progress.withLock { $0.hasWork = true }
        condition.broadcast()
        while true {
            let state = progress.withLock { ($0.committed, $0.failedThrough, $0.failure) }
            if state.0 >= sequence { return }
            if let failure = state.2, state.1 >= sequence { throw failure }
            if progress.withLock({ $0.isFinished }) {
                throw RequestError(.io, "the server is stopping; ask again when it is back")
            }
            condition.wait()
        }
    }

    /// Waits for every change up to a sequence, and not for a disk that does not answer.
    ///
    /// Where somebody waited in vain the next ones do not wait, until the disk has answered.
    ///
    /// - Returns: Whether the disk has them.
    func isDurable(_ sequence: Int64, within milliseconds: Int64) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        progress.withLock { $0.hasWork = true }
        condition.broadcast()
        let end = dfs_monotonic_milliseconds() + milliseconds
        while true {
            let progress = self.progress.withLock { $0 }
            if progress.committed >= sequence { return true }
            let hasFailed = progress.failure != nil && progress.failedThrough >= sequence
            if hasFailed || progress.isFinished || progress.isSlow { return false }
            let left = end - dfs_monotonic_milliseconds()
            if left <= 0 {
                self.progress.withLock { $0.isSlow = true }
                return false
            }
            _ = condition.wait(until: Date(timeIntervalSinceNow: Double(left) / 1000))
        }
    }

    /// Returns at once where the last round was written; after one that failed, when the next was.
    ///
    /// Asked before a name changes on the disk: what is refused here was not done.
    ///
    /// - Throws: `no-space` or `io` as long as the ledger can not be written.
    func waitUntilWritable() throws(RequestError) {
        condition.lock()
        defer { condition.unlock() }
        let begun = progress.withLock { $0.rounds }
        while true {
            let state = progress.withLock { ($0.failure, $0.rounds, $0.isFinished) }
            guard let failure = state.0 else { return }
            if state.1 > begun || state.2 { throw failure }
            condition.wait()
        }
    }

    /// Writes what waits and closes the file; later changes are not kept.
    func close() throws(RequestError) {
        condition.lock()
        progress.withLock { $0.isClosing = true }
        condition.broadcast()
        while !progress.withLock({ $0.isFinished }) { condition.wait() }
        condition.unlock()
        do throws(DatabaseFailure) { try store.close() } catch { throw DiskRefusal.of(error) }
        if let failure = progress.withLock({ $0.failure }) { throw failure }
    }

    /// Stops the thread without writing what waits, as a crash would.
    func abandon() {
        condition.lock()
        progress.withLock { $0.isFinished = true }
        condition.broadcast()
        while progress.withLock({ $0.isRunning }) { condition.wait() }
        condition.unlock()
        // The file is closed so that a test can open it again; nothing more was written to it.
        try? store.close()
    }

    private func run() {
        defer {
            condition.lock()
            progress.withLock { $0.isRunning = false }
            condition.broadcast()
            condition.unlock()
        }
        // Set after a failure for which the file may not be written any more, until it is replaced.
        var isBroken = false
        while let isLast = nextRound() {
            let (sequence, failure) = isBroken ? writeAnew() : writeWaiting()
            isBroken = failure.map { isBroken || $0.kind != .outOfSpace } ?? false
            condition.lock()
            progress.withLock { progress in
                progress.failure = failure.map(DiskRefusal.of)
                progress.rounds += 1
                progress.isSlow = false
                progress.retryAt = dfs_monotonic_milliseconds() + Ledger.retryMilliseconds
                if failure == nil {
                    progress.committed = max(progress.committed, sequence)
                } else {
                    progress.failedThrough = max(progress.failedThrough, sequence)
                }
                if isLast { progress.isFinished = true }
            }
            condition.broadcast()
            condition.unlock()
            if isLast { return }
        }
    }

    /// Waits for something to write, or for a second after which a failed round is tried again.
    ///
    /// - Returns: Whether it is the last round; nil to stop at once.
    private func nextRound() -> Bool? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            let progress = self.progress.withLock { progress in
                defer { progress.hasWork = false }
                return progress
            }
            if progress.isFinished { return nil }
            if progress.isClosing { return true }
            if progress.hasWork, progress.failure == nil { return false }
            if progress.failure == nil {
                condition.wait()
                continue
            }
            // Whoever wakes the thread meanwhile does not put it off.
            let left = progress.retryAt - dfs_monotonic_milliseconds()
            if left <= 0 { return false }
            _ = condition.wait(until: Date(timeIntervalSinceNow: Double(left) / 1000))
        }
    }

    /// Writes the rows that wait.
    ///
    /// - Returns: The change up to which it went, and why it failed.
    private func writeWaiting() -> (Int64, DatabaseFailure?) {
        let batch = state.withLock { $0.takeBatch() }
        var failure: DatabaseFailure?
        if !batch.places.isEmpty {
            do throws(DatabaseFailure) {
                try store.commit(batch.rows, forgetting: batch.forgotten, header(of: batch))
            } catch {
                failure = error
            }
        }
        settle(batch, isKept: failure == nil)
        return (batch.sequence, failure)
    }

    /// Writes a new file with all rows, a page at a time: requests go on meanwhile.
    private func writeAnew() -> (Int64, DatabaseFailure?) {
        var batch: LedgerBatch?
        var failure: DatabaseFailure?
        do throws(DatabaseFailure) {
            try store.replace(
                { page in state.withLock { $0.page(page) } },
                {
                    let rest = state.withLock { $0.takeBatch() }
                    batch = rest
                    return (rest, header(of: rest))
                })
        } catch {
            failure = error
        }
        guard let batch else { return (state.withLock { $0.sequence }, failure) }
        settle(batch, isKept: failure == nil)
        return (batch.sequence, failure)
    }

    /// Gives what was written its generations, and only then lets those go who wait for it: what
    /// they did is counted when they look.
    private func settle(_ batch: LedgerBatch, isKept: Bool) {
        if isKept { log.advance(export: export, to: batch.sequence) }
        state.withLock { $0.settle(batch, isKept: isKept) }
    }

    private func header(of batch: LedgerBatch) -> LedgerHeader {
        var header = header
        header.generation = batch.generation
        return header
    }
}
