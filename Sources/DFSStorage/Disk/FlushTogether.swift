import CPosix
import Foundation
import Synchronization

/// Brings several files and directories to the disk in the time of one.
///
/// Several of one file system are brought there by one sync of all of it (`syncfs`): one commit of
/// its journal and one flush of the disk, where an fsync of each costs both each time unless as
/// many threads wait at once. Each file is asked afterwards whether its own contents were written.
/// By an fsync of each, from several threads, where that would not do: where the file system is
/// not known to bring all to the disk, where the sync fails, so that each hears of its own failure
/// and of no other, and where all would have to wait for much that others have written: where that
/// is seen before, and for a while after a sync that took long.
struct FlushTogether {
    /// What others may have written, in bytes: a disk has written it in a blink.
    private static let leastDirty: Int64 = 32 << 20
    /// Or so many times as much as is to be flushed: what came meanwhile is for the next flush.
    private static let mostDirty: Int64 = 4
    /// A sync of a file system that takes longer than this has written what others wrote.
    private static let longMilliseconds: Int64 = 250
    /// For how many times as long files are brought to the disk one by one then.
    private static let pause: Int64 = 10

    /// Until when they are, on the monotonic clock.
    private var singlyUntil: Int64 = 0
    /// How many bytes wait in memory for any disk of the machine; nil where that is not known.
    private let dirtyBytes: @Sendable () -> Int64?

    /// Asks the kernel what waits in memory, unless a test says it.
    init(dirtyBytes: @escaping @Sendable () -> Int64? = { DirtyMemory.bytes() }) {
        self.dirtyBytes = dirtyBytes
    }

    /// Threads that call fsync at once: they wait in the kernel, which joins them in its commits.
    private static let threads = 16

    /// Flushes each; files that stand on different file systems may be among them.
    ///
    /// - Returns: For each of them nil, or what failed; it is never tried again.
    mutating func flush(_ descriptors: [Descriptor]) -> [SystemError?] {
        var outcomes = [SystemError?](repeating: nil, count: descriptors.count)
        var byDevice: [UInt64: [Int]] = [:]
        var own: Int64 = 0
        for (index, descriptor) in descriptors.enumerated() {
            do throws(SystemError) {
                let status = try descriptor.status()
                byDevice[status.identity.device, default: []].append(index)
                own &+= max(0, status.stamp.size)
            } catch {
                outcomes[index] = error
            }
        }
        var single: [Int] = []
        let mayWriteAll = byDevice.count < descriptors.count && !hasMuchElse(beside: own)
        for (_, indices) in byDevice.sorted(by: { $0.key < $1.key }) {
            if indices.count > 1, mayWriteAll, syncAll(descriptors[indices[0]]) {
                for index in indices {
                    outcomes[index] = Self.error(dfs_check_written(descriptors[index].number))
                }
            } else {
                single += indices
            }
        }
        for (index, outcome) in zip(single, Self.syncEach(single.map { descriptors[$0] })) {
            outcomes[index] = outcome
        }
        return outcomes
    }

    /// Whether so much waits in memory that a flush of a few files should not write it all.
    private func hasMuchElse(beside own: Int64) -> Bool {
        guard let dirty = dirtyBytes() else { return false }
        let (limit, overflow) = own.multipliedReportingOverflow(by: FlushTogether.mostDirty)
        return dirty > FlushTogether.leastDirty && (!overflow && dirty > limit)
    }

    /// Brings all of a file system to the disk, unless that took too long lately.
    ///
    /// - Returns: Whether it is there.
    private mutating func syncAll(_ descriptor: Descriptor) -> Bool {
        let start = dfs_monotonic_milliseconds()
        guard start >= singlyUntil else { return false }
        let code = dfs_sync_all(descriptor.number)
        let end = dfs_monotonic_milliseconds()
        if end - start > Self.longMilliseconds {
            singlyUntil = end + Self.pause * (end - start)
        }
        return code == 0
    }

    private static func error(_ code: Int32) -> SystemError? {
        code < 0 ? SystemError(-code) : nil
    }

    /// Calls fsync for each, from several threads where there are several.
    private static func syncEach(_ descriptors: [Descriptor]) -> [SystemError?] {
        if descriptors.count < 2 { return descriptors.map { error(dfs_sync($0.number)) } }
        let work = SyncWork(descriptors)
        for _ in 1..<min(threads, descriptors.count) {
            NamedThread.start("dfs-sync") { work.run() }
        }
        work.run()
        return work.wait()
    }

    /// Files that several threads sync, each the next one that none has begun.
    private final class SyncWork: Sendable {
        private struct Progress {
            var next = 0
            var ended = 0
            var outcomes: [SystemError?]
        }

        private let descriptors: [Descriptor]
        private let progress: Mutex<Progress>
        private let condition = NSCondition()

        init(_ descriptors: [Descriptor]) {
            self.descriptors = descriptors
            progress = Mutex(
                Progress(outcomes: [SystemError?](repeating: nil, count: descriptors.count)))
        }

        func run() {
            while true {
                let index = progress.withLock { progress in
                    defer { progress.next += 1 }
                    return progress.next
                }
                guard index < descriptors.count else { return }
                let outcome = error(dfs_sync(descriptors[index].number))
                condition.lock()
                progress.withLock { progress in
                    progress.outcomes[index] = outcome
                    progress.ended += 1
                }
                condition.signal()
                condition.unlock()
            }
        }

        /// Waits for the last one.
        func wait() -> [SystemError?] {
            condition.lock()
            defer { condition.unlock() }
            while progress.withLock({ $0.ended }) < descriptors.count { condition.wait() }
            return progress.withLock { $0.outcomes }
        }
    }
}
