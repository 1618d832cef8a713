import DFSProtocol
import FileService
import NIOCore
import NIOPosix
import Synchronization

/// The threads on which everything that blocks on a disk runs.
///
/// Each export has threads of its own, so that a disk that stalls holds up no other. What clients
/// ask for is bounded by the core's `jobLimit` and `copyLimit`; the link puts one load here at a
/// time, and the name server's orders end where they were not begun in time.
struct StoragePool: Sendable {
    /// Which threads work runs on, so that what takes long delays nothing that does not.
    enum Kind: Sendable {
        /// One step of a request: milliseconds, unless the disk stalls.
        case step
        /// What is answered when it is durable, and so waits for the disk.
        case flush
        /// A digest reads a whole file, of any size.
        case digest
        /// The link's loads; the first one waits for the first scan.
        case report
    }

    let store: any FileStore
    let changes: any ChangeSource
    private let exports: ExportNumbers
    /// By the number of the export.
    private let threads: [Threads]
    private let reports: NIOThreadPool

    /// What works for one export.
    private struct Threads: Sendable {
        let steps: NIOThreadPool
        let flushes: NIOThreadPool
        let digests = NIOThreadPool(numberOfThreads: 1)

        init(flushThreads: Int) {
            // Enough to keep a disk busy while others wait; more would only wait in the kernel.
            steps = NIOThreadPool(numberOfThreads: 4)
            flushes = NIOThreadPool(numberOfThreads: flushThreads)
            for pool in all { pool.start() }
        }

        var all: [NIOThreadPool] { [steps, flushes, digests] }
    }

    /// How many durable answers are on their way to the disk at once; more wait in the queue.
    ///
    /// Many fsyncs under way are what makes each of them cheap: the file system puts them into one
    /// commit of its journal, and the disk empties its cache once for all. So they have threads of
    /// their own, which wait in the kernel and not for each other: `FolderFlushes` and the ledger
    /// share what can be shared. A STORE takes one only while it writes its data; what waits for
    /// the disk then holds no thread, and any number of them is on its way at once. A thread costs
    /// 8 MiB of addresses and some 20 KiB of memory. Reads and writes, which wait for no flush,
    /// have other threads, and are not delayed by any number of these.
    /// Where there are several exports each has a share, and no fewer than 8.
    static let flushThreads = 32

    /// Starts the threads.
    init(store: any FileStore, changes: any ChangeSource) {
        self.store = store
        self.changes = changes
        let exports = ExportNumbers(store.mounts)
        self.exports = exports
        let share = max(8, StoragePool.flushThreads * 2 / (exports.count + 1))
        threads = (0..<exports.count).map { _ in Threads(flushThreads: share) }
        reports = NIOThreadPool(numberOfThreads: 1)
        reports.start()
    }

    /// What a job came to, with what it read and what it changed.
    struct Completion: Sendable {
        let result: Result<DiskOutcome, RequestError>
        let bytes: ByteBuffer
        /// The newest change where the job made one.
        let generation: Int64?
    }

    /// Runs a job and completes on the loop.
    func run(
        _ job: DiskJob, payload: ByteBuffer?, _ interest: Interest, on loop: any EventLoop
    ) -> EventLoopFuture<Completion> {
        if case .store = job.work { return begin(job, payload: payload, on: loop) }
        return submit(job.work.kind, at: job.work.path, on: loop) {
            let before = changes.generation
            var space = ByteSpace()
            let result = (payload ?? ByteBuffer()).withUnsafeReadableBytes { bytes in
                Result { () throws(RequestError) in
                    try job.work.run(
                        on: store, payload: bytes, space: &space, isWanted: { interest.isThere })
                }
            }
            let after = changes.generation
            return Completion(
                result: result, bytes: space.taken, generation: after > before ? after : nil)
        }
    }

    /// Begins a STORE on a thread, which is free again long before the answer comes.
    private func begin(
        _ job: DiskJob, payload: ByteBuffer?, on loop: any EventLoop
    ) -> EventLoopFuture<Completion> {
        let promise = loop.makePromise(of: Completion.self)
        threads[exports.number(of: job.work.path)].flushes.submit { state in
            guard state == .active else { return promise.fail(ChannelError.ioOnClosedChannel) }
            let before = changes.generation
            let finish: @Sendable (Result<DiskOutcome, RequestError>) -> Void = { result in
                let after = changes.generation
                promise.succeed(
                    Completion(
                        result: result, bytes: ByteBuffer(),
                        generation: after > before ? after : nil))
            }
            (payload ?? ByteBuffer()).withUnsafeReadableBytes { bytes in
                _ = job.work.begin(on: store, payload: bytes, then: finish)
            }
        }
        return promise.futureResult
    }

    /// Runs blocking work and completes on the loop; fails only where the pool has ended.
    ///
    /// - Parameter path: What the work is for; nil for what needs all exports or none.
    func submit<Value: Sendable>(
        _ kind: Kind = .step, at path: TreePath?, on loop: any EventLoop,
        _ work: @escaping @Sendable () throws -> Value
    ) -> EventLoopFuture<Value> {
        let threads = threads[exports.number(of: path)]
        return switch kind {
        case .step: threads.steps.runIfActive(eventLoop: loop, work)
        case .flush: threads.flushes.runIfActive(eventLoop: loop, work)
        case .digest: threads.digests.runIfActive(eventLoop: loop, work)
        case .report: reports.runIfActive(eventLoop: loop, work)
        }
    }

    /// Ends the threads once what was submitted is done.
    func shutDown() async throws {
        for pool in threads.flatMap(\.all) + [reports] { try await pool.shutdownGracefully() }
    }
}

/// Whether somebody still waits for a piece of work; asked by the thread that does it.
final class Interest: Sendable {
    private let hasEnded = Atomic(false)

    var isThere: Bool { !hasEnded.load(ordering: .relaxed) }

    func end() { hasEnded.store(true, ordering: .relaxed) }
}

extension DiskWork {
    fileprivate var kind: StoragePool.Kind {
        switch self {
        case .digest: .digest
        case .store, .sync, .close, .setAttributes, .setFileAttributes: .flush
        case .open(_, let access, _, _): access.writes ? .flush : .step
        default: .step
        }
    }
}

/// Reads go straight into the buffer that the transport sends.
struct ByteSpace: ReadSpace {
    private var buffer = ByteBuffer()

    /// What was read, without much memory around it: a piece may wait long for its peer.
    var taken: ByteBuffer {
        buffer.readableBytes < buffer.capacity / 4
            ? ByteBuffer(bytes: buffer.readableBytesView) : buffer
    }

    mutating func fill(
        _ count: Int, _ body: (UnsafeMutableRawBufferPointer) throws(RequestError) -> Int
    ) throws(RequestError) -> Int {
        var outcome = Result<Int, RequestError>.success(0)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
            let room = UnsafeMutableRawBufferPointer(rebasing: space.prefix(count))
            outcome = Result { () throws(RequestError) in try body(room) }
            guard case .success(let filled) = outcome else { return 0 }
            return filled
        }
        return try outcome.get()
    }
}
