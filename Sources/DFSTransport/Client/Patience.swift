import Synchronization

/// How long what is asked may make no progress; shared by the requests that are one operation.
///
/// Starts with a length, and starts anew with every progress: it bounds silence and not work.
/// Counted on a clock that no setting of the date changes. May be used from any thread.
public final class Patience: Sendable {
    private struct State {
        var end: ContinuousClock.Instant
        var renewals = 0
    }

    /// How long nothing may come.
    public let length: Duration
    private let now: @Sendable () -> ContinuousClock.Instant
    private let state: Mutex<State>

    /// Starts to wait.
    ///
    /// - Parameter now: The clock, for tests that move it by hand.
    public init(
        _ length: Duration, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.length = length
        self.now = now
        state = Mutex(State(end: now() + length))
    }

    /// Another wait, on the same clock.
    public func anew(_ length: Duration) -> Patience { Patience(length, now: now) }

    /// What is left without progress; zero once it has run out.
    public var remaining: Duration { max(.zero, state.withLock { $0.end } - now()) }

    /// Whether nothing came for the whole length.
    public var isOver: Bool { remaining == .zero }

    /// How often there has been progress.
    public var renewals: Int { state.withLock { $0.renewals } }

    /// Starts anew: something came of what was asked.
    ///
    /// - Parameter extra: What may pass on top of the length, this time.
    public func renew(allowing extra: Duration = .zero) {
        let end = now() + length + extra
        state.withLock { state in
            state.end = max(state.end, end)
            state.renewals += 1
        }
    }
}
