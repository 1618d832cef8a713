import Synchronization

/// What tells those who wait the time, and lets it pass; tests move theirs by hand.
public struct WaitingClock: Sendable {
    /// The present.
    public let now: @Sendable () -> ContinuousClock.Instant
    /// Lets so much time pass; throws `CancellationError` where the task was cancelled.
    public let sleep: @Sendable (Duration) async throws -> Void

    /// Makes a clock; the defaults are the machine's, which no setting of the date changes.
    public init(
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        sleep: @escaping @Sendable (Duration) async throws -> Void = {
            try await Task.sleep(for: $0)
        }
    ) {
        self.now = now
        self.sleep = sleep
    }
}

/// How long what is asked may make no progress; shared by the requests that are one operation.
///
/// Starts with a length, and starts anew with every progress: it bounds silence and not work.
/// Counted on its clock. May be used from any thread.
public final class Patience: Sendable {
    private struct State {
        var end: ContinuousClock.Instant
        var renewals = 0
    }

    /// How long nothing may come.
    public let length: Duration
    private let clock: WaitingClock
    private let state: Mutex<State>

    /// Starts to wait.
    public init(_ length: Duration, on clock: WaitingClock = WaitingClock()) {
        self.length = length
        self.clock = clock
        state = Mutex(State(end: clock.now() + length))
    }

    /// Another wait, on the same clock.
    public func anew(_ length: Duration) -> Patience { Patience(length, on: clock) }

    /// The present on its clock.
    public var now: ContinuousClock.Instant { clock.now() }

    /// What is left without progress; zero once it has run out.
    public var remaining: Duration { max(.zero, state.withLock { $0.end } - now) }

    /// Whether nothing came for the whole length.
    public var isOver: Bool { remaining == .zero }

    /// How often there has been progress.
    public var renewals: Int { state.withLock { $0.renewals } }

    /// Starts anew: something came of what was asked.
    ///
    /// - Parameter extra: What may pass on top of the length, this time.
    public func renew(allowing extra: Duration = .zero) {
        let end = now + length + extra
        state.withLock { state in
            state.end = max(state.end, end)
            state.renewals += 1
        }
    }

    /// Lets time pass on its clock, whatever is left.
    ///
    /// - Throws: `CancellationError` where the task is not wanted any more.
    public func sleep(_ duration: Duration) async throws { try await clock.sleep(duration) }
}
