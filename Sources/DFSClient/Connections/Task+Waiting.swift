import Synchronization

extension Task where Failure == Never {
    /// Waits for the task's value, but no longer than the waiting task itself is wanted.
    ///
    /// The task runs on: others may wait for it too.
    /// - Returns: nil where the caller was cancelled first.
    func valueUnlessCancelled() async -> Success? {
        let waiter = Waiter<Success>()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard waiter.starts(continuation) else { return }
                Task<Void, Never> { waiter.end(with: await self.value) }
            }
        } onCancel: {
            waiter.end(with: nil)
        }
    }

    /// Waits for the task's value, but no longer than that, nor than the waiting task is wanted.
    ///
    /// - Returns: nil where the caller was cancelled or the time passed first.
    func value(within time: Duration) async -> Success? {
        let waiting = Task<Success?, Never> { await valueUnlessCancelled() }
        let timer = Task<Void, Never> {
            // A cancelled sleep has nobody left to wake.
            guard (try? await Task<Never, Never>.sleep(for: time)) != nil else { return }
            waiting.cancel()
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await waiting.value
        } onCancel: {
            waiting.cancel()
        }
    }
}

/// A continuation that is resumed once, by whoever comes first.
private final class Waiter<Value: Sendable>: Sendable {
    private enum State {
        case new
        case waiting(CheckedContinuation<Value?, Never>)
        case over
    }

    private let state = Mutex(State.new)

    /// Keeps the continuation, or resumes it with nil where the end came first.
    func starts(_ continuation: CheckedContinuation<Value?, Never>) -> Bool {
        let isOver = state.withLock { state in
            if case .over = state { return true }
            state = .waiting(continuation)
            return false
        }
        if isOver { continuation.resume(returning: nil) }
        return !isOver
    }

    func end(with value: Value?) {
        let continuation: CheckedContinuation<Value?, Never>? = state.withLock { state in
            defer { state = .over }
            if case .waiting(let continuation) = state { return continuation }
            return nil
        }
        continuation?.resume(returning: value)
    }
}
