import DFSTransport
import Synchronization

/// Lets tasks go one after another, in the order in which they came.
final class Turns: Sendable {
    private struct State {
        var isTaken = false
        var lastNumber = 0
        var waiting: [(number: Int, continuation: CheckedContinuation<Bool, Never>)] = []
        /// Those who have a number and do not wait yet; who is told to leave by then never does.
        var arriving: Set<Int> = []
    }

    private let state = Mutex(State())

    /// Waits for the turn; each that was had is ended by `end`.
    ///
    /// - Returns: False where the task was cancelled or its patience ended before its turn came.
    func begin(until patience: Patience) async -> Bool {
        let number: Int? = state.withLock { state in
            defer { state.isTaken = true }
            if !state.isTaken { return nil }
            state.lastNumber += 1
            state.arriving.insert(state.lastNumber)
            return state.lastNumber
        }
        guard let number else { return true }
        let timer = Task {
            // A cancelled sleep has nobody left to send away.
            guard (try? await patience.sleep(patience.remaining)) != nil else { return }
            leave(number)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await wait(number)
        } onCancel: {
            leave(number)
        }
    }

    private func wait(_ number: Int) async -> Bool {
        await withCheckedContinuation { continuation in
            let answer: Bool? = state.withLock { state in
                if state.arriving.remove(number) == nil { return false }
                // The turn may have come free meanwhile.
                if !state.isTaken {
                    state.isTaken = true
                    return true
                }
                state.waiting.append((number, continuation))
                return nil
            }
            if let answer { continuation.resume(returning: answer) }
        }
    }

    private func leave(_ number: Int) {
        let continuation: CheckedContinuation<Bool, Never>? = state.withLock { state in
            if state.arriving.remove(number) != nil { return nil }
            guard let index = state.waiting.firstIndex(where: { $0.number == number }) else {
                return nil
            }
            return state.waiting.remove(at: index).continuation
        }
        continuation?.resume(returning: false)
    }

    /// Gives the turn to who has waited longest.
    func end() {
        let next: CheckedContinuation<Bool, Never>? = state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.isTaken = false
                return nil
            }
            return state.waiting.removeFirst().continuation
        }
        next?.resume(returning: true)
    }
}
