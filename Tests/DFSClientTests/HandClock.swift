import DFSTransport
import Synchronization

/// A clock that moves by the pauses of those who wait on it, and by hand: no time passes.
final class HandClock: Sendable {
    private let start = ContinuousClock.now
    private let moved = Mutex(Duration.zero)
    private let pausing: @Sendable (_ clock: HandClock, _ pause: Duration) async throws -> Void

    /// - Parameter pausing: What a pause is; else the clock moves by it.
    init(
        pausing: @escaping @Sendable (_ clock: HandClock, _ pause: Duration) async throws -> Void =
            {
                $0.move($1)
            }
    ) {
        self.pausing = pausing
    }

    /// What has passed on it.
    var passed: Duration { moved.withLock { $0 } }

    func move(_ duration: Duration) { moved.withLock { $0 += duration } }

    /// The clock for a client.
    var waiting: WaitingClock {
        WaitingClock(now: { self.start + self.passed }) { duration in
            try Task.checkCancellation()
            try await self.pausing(self, duration)
        }
    }

    /// Waits until the task is not wanted any more.
    static func forever() async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        defer { continuation.finish() }
        for await _ in stream {}
        throw CancellationError()
    }
}
