import Synchronization

/// Whether a name server answered last time, for whoever wants to hear of changes.
final class Reachability: Sendable {
    private struct State {
        var isReached: Bool?
        var watchers: [Int: AsyncStream<Bool>.Continuation] = [:]
        var watchersSoFar = 0
    }

    private let state = Mutex(State())

    /// nil before the first attempt.
    var isReached: Bool? { state.withLock { $0.isReached } }

    /// Notes how an attempt went.
    func note(_ isReached: Bool) {
        // Told under the lock, so that two notes at once are told in their order.
        state.withLock { state in
            guard state.isReached != isReached else { return }
            state.isReached = isReached
            for watcher in state.watchers.values { watcher.yield(isReached) }
        }
    }

    /// Every change from now on; who is slow gets the newest.
    func changes() -> AsyncStream<Bool> {
        let (stream, watcher) = AsyncStream.makeStream(
            of: Bool.self, bufferingPolicy: .bufferingNewest(1))
        let number = state.withLock { state in
            state.watchersSoFar += 1
            state.watchers[state.watchersSoFar] = watcher
            return state.watchersSoFar
        }
        watcher.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.watchers.removeValue(forKey: number) }
        }
        return stream
    }
}
