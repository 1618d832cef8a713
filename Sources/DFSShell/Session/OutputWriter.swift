import Dispatch
import Synchronization

/// Writes pieces one after another on a thread of its own.
///
/// Nobody is held up by a reader who stands still, but for those who ask to be: Swift's pool has a
/// thread a processor, and sessions that are held must be renewed on it.
final class OutputWriter: Sendable {
    /// Takes bytes, and may block.
    ///
    /// Returns false where they could not be written.
    typealias Sink = @Sendable ([UInt8]) -> Bool

    /// What becomes of a piece where something goes wrong.
    enum Kind {
        /// Is dropped once one could not be written, and when the person does not want more.
        case result
        /// Is tried whatever happened before.
        case complaint
    }

    private struct Piece {
        let kind: Kind
        let bytes: [UInt8]
        let sink: Sink
    }

    private enum Goal {
        /// No more bytes than these are left to be written.
        case atMost(Int)
        /// A result could not be written.
        case broken
    }

    private struct Waiter {
        let number: Int
        let goal: Goal
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var pieces: [Piece] = []
        /// How many of `pieces` have been taken already.
        var taken = 0
        /// Of the pieces that are not written yet, with the one that is just being written.
        var bytes = 0
        var isWriting = false
        var isBroken = false
        var waiters: [Waiter] = []
        var waitersEver = 0

        func has(_ goal: Goal) -> Bool {
            switch goal {
            case .atMost(let limit): bytes <= limit
            case .broken: isBroken
            }
        }
    }

    private let queue = DispatchQueue(label: "dfsh.output")
    private let state = Mutex(State())
    /// Larger ones are cut, so that what is not wanted any more can be dropped.
    private static let pieceBytes = 65_536

    /// Whether a result could not be written: none is taken any more.
    var isBroken: Bool { state.withLock { $0.isBroken } }

    /// Bytes that are not written yet.
    var waitingBytes: Int { state.withLock { $0.bytes } }

    /// Adds a piece behind those that wait; never blocks.
    func put(_ bytes: [UInt8], _ kind: Kind, _ sink: @escaping Sink) {
        if bytes.isEmpty { return }
        let starts = state.withLock { state in
            if kind == .result, state.isBroken { return false }
            var start = 0
            while start < bytes.count {
                let end = min(start + OutputWriter.pieceBytes, bytes.count)
                let isWhole = end - start == bytes.count
                state.pieces.append(
                    Piece(
                        kind: kind, bytes: isWhole ? bytes : Array(bytes[start..<end]), sink: sink))
                start = end
            }
            state.bytes += bytes.count
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if starts { queue.async { self.writeAll() } }
    }

    /// Forgets the results that wait to be written.
    func dropResults() {
        wake { state in
            let left = state.pieces[state.taken...]
            state.bytes -= left.reduce(0) { $0 + ($1.kind == .result ? $1.bytes.count : 0) }
            state.pieces = left.filter { $0.kind != .result }
            state.taken = 0
        }
    }

    /// Waits until everything is written, in a cancelled task too.
    ///
    /// - Parameter patience: How long at most; nil for as long as it takes.
    func waitAfterCancellation(atMost patience: Duration?) async {
        // A task of its own is not cancelled, and its end is waited for here.
        await Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.wait(until: 0) }
                if let patience {
                    // Cancelled, it has done its part.
                    group.addTask { try? await Task.sleep(for: patience) }
                }
                await group.next()
                group.cancelAll()
            }
        }.value
    }

    /// Waits until no more than so many bytes are left to be written, or the task is cancelled.
    func wait(until limit: Int) async { await wait(for: .atMost(limit)) }

    /// Waits until a result could not be written, or the task is cancelled.
    func waitUntilBroken() async { await wait(for: .broken) }

    private func wait(for goal: Goal) async {
        let number = state.withLock { state in
            state.waitersEver += 1
            return state.waitersEver
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReached = state.withLock { state in
                    if state.has(goal) || Task.isCancelled { return true }
                    state.waiters.append(
                        Waiter(number: number, goal: goal, continuation: continuation))
                    return false
                }
                if isReached { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.waiters.firstIndex { $0.number == number }.map {
                    state.waiters.remove(at: $0)
                }
            }
            waiter?.continuation.resume()
        }
    }

    /// Blocks the calling thread until everything is written.
    func waitBlocking() { queue.sync {} }

    // MARK: The thread

    private func writeAll() {
        while let piece = next() {
            let isWritten = piece.sink(piece.bytes)
            wake { state in
                state.bytes -= piece.bytes.count
                if isWritten || piece.kind != .result { return }
                state.isBroken = true
            }
            if !isWritten, piece.kind == .result { dropResults() }
        }
    }

    private func next() -> Piece? {
        state.withLock { state in
            guard state.taken < state.pieces.count else {
                (state.pieces, state.taken, state.isWriting) = ([], 0, false)
                return nil
            }
            let piece = state.pieces[state.taken]
            state.taken += 1
            // Not one by one, which would move all that wait each time.
            if state.taken >= 64, state.taken * 2 > state.pieces.count {
                state.pieces.removeFirst(state.taken)
                state.taken = 0
            }
            return piece
        }
    }

    /// Changes the state, and resumes those whose time has come by it.
    private func wake(_ change: (inout State) -> Void) {
        let reached = state.withLock { state in
            change(&state)
            let reached = state.waiters.filter { state.has($0.goal) }
            state.waiters = state.waiters.filter { !state.has($0.goal) }
            return reached
        }
        for waiter in reached { waiter.continuation.resume() }
    }
}
