import Foundation
import Synchronization

/// How far following has come, for STATUS and for those who wait for the first scan.
final class FollowProgress: Sendable {
    /// What the last full scan found, and how the folder is watched.
    struct Counts: Equatable, Sendable {
        var symlinks = 0
        var others = 0
        var unreadable = 0
        var watches = 0
        /// Directories that no watch was left for; the rescan sees their changes.
        var unwatched = 0
        /// Full scans that were finished.
        var scans = 0
        /// How often the kernel dropped events.
        var overflows = 0
        /// Seconds since 1970 at which the last full scan ended; 0 before.
        var lastScan: Int64 = 0
        var isScanning = true
    }

    private let condition = NSCondition()
    private let counts = Mutex(Counts())
    private let isFinished = Mutex(false)

    /// What is known now.
    var current: Counts { counts.withLock { $0 } }

    /// Changes the counts and wakes whoever waits.
    func update(_ body: (inout Counts) -> Void) {
        condition.lock()
        counts.withLock { body(&$0) }
        condition.broadcast()
        condition.unlock()
    }

    /// Notes that the thread has ended.
    func finish() {
        condition.lock()
        isFinished.withLock { $0 = true }
        condition.broadcast()
        condition.unlock()
    }

    /// Waits until something is so, or following has ended.
    func wait(until isTrue: (Counts) -> Bool) {
        condition.lock()
        defer { condition.unlock() }
        while !isTrue(current), !isFinished.withLock({ $0 }) { condition.wait() }
    }

    /// Waits until the thread has ended.
    func waitUntilFinished() { wait { _ in false } }
}
