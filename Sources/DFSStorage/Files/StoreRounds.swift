import CPosix
import DFSProtocol
import FileService
import Foundation
import Synchronization

/// A file that is written and waits to be durable under its name.
struct Placement: Sendable {
    let path: TreePath
    /// The directory that has it, under its temporary name for now.
    let folder: Folder
    let folderIdentity: FileIdentity
    let temporary: [UInt8]
    let descriptor: Descriptor
    /// The version that it may replace; nil for any.
    let version: Int64?
    /// Called once, from any thread, and not for long.
    let finish: @Sendable (Result<FileEntry, RequestError>) -> Void
}

/// Puts many files in place together; nobody holds a thread meanwhile.
///
/// A round takes all files that came while the one before ran. One flush brings their contents to
/// the disk, and the names that the round before has given; then those who wait for these names are
/// answered, and the files that came get theirs. So each file takes two rounds, and the more come
/// at once the less each of them costs: see `FlushTogether` for how, and what it comes to.
///
/// Measured on 2026-11-23 with release builds: 2 cores that the load generators and other builds
/// share (load 9), ext4 with journal on a loop device (direct I/O) on the machine's disk, files of
/// 4 KiB a second, one run of 2 s each in turns. C is N threads that write, fsync, rename and fsync
/// the directory; before is a pool of 32 threads of which each STORE held one to its end.
///
///     in flight      1      4     16     64    256
///     C            144    272    956   2074   2383
///     before        62    219   1019   1162   1474
///     rounds        90    391    875   1501   1963
///
/// No flush runs while names are given: what that costs has not been measured.
final class StoreRounds: Sendable {
    private struct Queue {
        var waiting: [Placement] = []
        var isStopping = false
        /// Whether the thread is there; a store whose start failed has none, and ends as well.
        var isRunning = false
    }

    /// A file that has its name, which the disk may not have yet.
    private struct Named {
        let placement: Placement
        let place: NodeID
        let entry: FileEntry
    }

    /// More than this are not taken at once, so that the first of them do not wait for long.
    private static let most = 512

    private let condition = NSCondition()
    private let queue = Mutex(Queue())

    /// Starts the thread that does the rounds of an export, which lives as long as it.
    func start(_ export: Export) {
        queue.withLock { $0.isRunning = true }
        NamedThread.start("dfs-store") { [self] in run(export) }
    }

    /// Adds a file to the next round.
    ///
    /// - Returns: Whether it will be answered; false where the rounds have ended.
    func add(_ placement: Placement) -> Bool {
        condition.lock()
        let isTaken = queue.withLock { queue in
            if !queue.isStopping { queue.waiting.append(placement) }
            return !queue.isStopping
        }
        condition.signal()
        condition.unlock()
        return isTaken
    }

    /// Ends the thread, after what was added has been answered.
    func stop() {
        condition.lock()
        queue.withLock { $0.isStopping = true }
        condition.broadcast()
        while queue.withLock({ $0.isRunning }) { condition.wait() }
        condition.unlock()
    }

    /// Waits for files unless there is something to do without them.
    ///
    /// - Returns: Nil where there is nothing more to come.
    private func next(mayWait: Bool) -> [Placement]? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            let (arrived, isStopping) = queue.withLock { queue -> ([Placement], Bool) in
                let arrived = Array(queue.waiting.prefix(StoreRounds.most))
                queue.waiting.removeFirst(arrived.count)
                return (arrived, queue.isStopping)
            }
            if !arrived.isEmpty || !mayWait { return arrived }
            if isStopping {
                queue.withLock { $0.isRunning = false }
                condition.broadcast()
                return nil
            }
            condition.wait()
        }
    }

    private func run(_ export: Export) {
        var named: [Named] = []
        var flushes = FlushTogether()
        while let arrived = next(mayWait: named.isEmpty) {
            var wanted = arrived.map(\.descriptor)
            // Each directory once, where it stands among what is wanted.
            var folders: [FileIdentity: Int] = [:]
            for placement in named.map(\.placement) where folders[placement.folderIdentity] == nil {
                folders[placement.folderIdentity] = wanted.count
                wanted.append(placement.folder.descriptor)
            }
            let outcomes = flushes.flush(wanted)
            for item in named {
                let failure = folders[item.placement.folderIdentity].flatMap { outcomes[$0] }
                export.answer(item.placement, item.place, item.entry, failure)
            }
            named = name(arrived, outcomes, in: export)
            if !named.isEmpty { export.ledger.wake() }
        }
    }

    /// Gives names to the files whose contents the disk has, and answers for the others.
    private func name(
        _ arrived: [Placement], _ outcomes: [SystemError?], in export: Export
    ) -> [Named] {
        var named: [Named] = []
        var refusal: RequestError?
        // Once for all: it may wait for a second.
        if !arrived.isEmpty {
            do throws(RequestError) { try export.ledger.waitUntilWritable() } catch {
                refusal = error
            }
        }
        for (placement, failure) in zip(arrived, outcomes) {
            do throws(RequestError) {
                if let refusal { throw refusal }
                if let failure { throw export.refusal(failure, placement.path) }
                let (place, entry) = try export.place(placement)
                named.append(Named(placement: placement, place: place, entry: entry))
            } catch {
                export.removeTemporary(placement.temporary, in: placement.folder)
                placement.finish(.failure(error))
            }
        }
        return named
    }
}
