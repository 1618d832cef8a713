import Glibc
import Synchronization
import TestCluster

/// Another program that cuts a file short and fills it up again, as fast as it can.
final class FileCutter: Sendable {
    private let isOver = Atomic(false)
    private let cuts = Atomic(0)
    private let isFinished = Atomic(false)

    /// Starts at once.
    init(_ path: [UInt8], _ whole: [UInt8]) throws {
        let descriptor = open(String(decoding: path, as: UTF8.self), O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw TestFailure("no file to cut: errno \(errno)") }
        try BlockingThread.start { [self] in
            var random = SystemRandomNumberGenerator()
            while !isOver.load(ordering: .relaxed) {
                ftruncate(descriptor, Int.random(in: 0..<whole.count, using: &random))
                sched_yield()
                pwrite(descriptor, whole, whole.count, 0)
                cuts.add(1, ordering: .relaxed)
            }
            close(descriptor)
            isFinished.store(true, ordering: .releasing)
        }
    }

    /// Ends it, with the file whole.
    ///
    /// - Returns: How often the file was cut.
    func stop() throws -> Int {
        isOver.store(true, ordering: .relaxed)
        try Deadline().await("the cutter has ended") {
            isFinished.load(ordering: .acquiring) ? true : nil
        }
        return cuts.load(ordering: .relaxed)
    }
}
