import DFSProtocol
import FileService
import NIOCore
import NIOPosix

/// The threads on which everything that blocks on a disk runs.
///
/// Its queue is bounded by the core's `jobLimit`: only the core, the link (one load at a time) and copies
/// put work here.
struct StoragePool: Sendable {
    /// Enough to keep a disk busy while others wait; more would only wait in the kernel.
    static let threads = 4

    let store: any FileStore
    let changes: any ChangeSource
    private let pool: NIOThreadPool

    /// Starts the threads.
    init(store: any FileStore, changes: any ChangeSource) {
        self.store = store
        self.changes = changes
        pool = NIOThreadPool(numberOfThreads: StoragePool.threads)
        pool.start()
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
        _ job: DiskJob, payload: ByteBuffer?, on loop: any EventLoop
    ) -> EventLoopFuture<Completion> {
        submit(on: loop) {
            let before = changes.newest
            var space = ByteSpace()
            let result = (payload ?? ByteBuffer()).withUnsafeReadableBytes { bytes in
                Result { () throws(RequestError) in
                    try job.work.run(on: store, payload: bytes, space: &space)
                }
            }
            let after = changes.newest
            return Completion(
                result: result, bytes: space.buffer, generation: after > before ? after : nil)
        }
    }

    /// Runs blocking work and completes on the loop; fails only where the pool has ended.
    func submit<Value: Sendable>(
        on loop: any EventLoop, _ work: @escaping @Sendable () throws -> Value
    ) -> EventLoopFuture<Value> {
        pool.runIfActive(eventLoop: loop, work)
    }

    /// Ends the threads once what was submitted is done.
    func shutDown() async throws { try await pool.shutdownGracefully() }
}

/// Reads go straight into the buffer that the transport sends.
struct ByteSpace: ReadSpace {
    private(set) var buffer = ByteBuffer()

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
