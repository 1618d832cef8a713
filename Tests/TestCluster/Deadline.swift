import Glibc

/// A point on the monotonic clock after which a wait gives up.
public struct Deadline: Sendable {
    private let instant: ContinuousClock.Instant

    /// How long a wait may take where nothing else is said: far over what a loaded machine needs.
    public static let usual: Duration = .seconds(30)

    /// Starts now.
    public init(after duration: Duration = Deadline.usual) {
        instant = ContinuousClock.now + duration
    }

    /// Whether there is nothing left to wait for.
    public var isOver: Bool { ContinuousClock.now >= instant }

    /// What `poll(2)` takes: whole milliseconds rounded up, 0 when the point has passed.
    public var milliseconds: Int32 {
        let rest = (instant - ContinuousClock.now).components
        guard rest.seconds >= 0, rest.attoseconds >= 0 else { return 0 }
        let milliseconds = rest.seconds * 1000 + rest.attoseconds / 1_000_000_000_000_000 + 1
        return Int32(clamping: milliseconds)
    }

    /// Waits until a descriptor is ready for one of `events`.
    ///
    /// - Returns: The events that came; 0 when the time was over first.
    public func poll(_ descriptor: Int32, for events: Int32) -> Int32 {
        while true {
            var watched = pollfd(
                fd: descriptor, events: Int16(truncatingIfNeeded: events), revents: 0)
            let count = Glibc.poll(&watched, 1, milliseconds)
            if count < 0, errno == EINTR { continue }
            return count > 0 ? Int32(watched.revents) : 0
        }
    }

    /// Asks again and again, a hundred times a second, until a question about the outside is
    /// answered.
    ///
    /// - Throws: `TestFailure` with `what` when the time is over; whatever `question` throws.
    @discardableResult
    public func await<Answer>(
        _ what: @autoclosure () -> String, _ question: () throws -> Answer?
    ) throws -> Answer {
        while true {
            if let answer = try question() { return answer }
            guard !isOver else { throw TestFailure("gave up waiting until \(what())") }
            _ = Glibc.poll(nil, 0, 10)
        }
    }
}
