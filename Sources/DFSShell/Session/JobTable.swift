import Dispatch
import Synchronization

/// Commands that run beside the prompt, and what they have to say until somebody reads it.
final class JobTable: Sendable {
    /// One of them.
    struct Job: Sendable {
        let number: Int
        /// As it was typed, safe to print.
        let text: String
        let start: ContinuousClock.Instant
        let output: JobOutput
        /// nil while it runs.
        var code: ExitCode?
    }

    private struct State {
        var jobs: [Job] = []
        var tasks: [Int: Task<Void, Never>] = [:]
        var waiters: [Int: AsyncStream<Void>.Continuation] = [:]
        var waitersEver = 0
    }

    private let state = Mutex(State())

    /// All that were not told to have ended, in their order.
    var all: [Job] { state.withLock { $0.jobs } }

    /// Starts one.
    ///
    /// - Parameter body: Runs it to its end, or until its task is cancelled.
    @discardableResult
    func start(
        _ text: String, _ output: JobOutput, _ body: @escaping @Sendable () async -> ExitCode
    ) -> Int {
        output.changed = { [weak self] in self?.wakeAll() }
        return state.withLock { state in
            let number = (state.jobs.map(\.number).max() ?? 0) + 1
            state.jobs.append(
                Job(number: number, text: text, start: .now, output: output, code: nil))
            state.tasks[number] = Task { [weak self] in
                let code = await body()
                self?.end(number, code)
            }
            return number
        }
    }

    private func end(_ number: Int, _ code: ExitCode) {
        state.withLock { state in
            guard let index = state.jobs.firstIndex(where: { $0.number == number }) else { return }
            state.jobs[index].code = code
            state.tasks[number] = nil
        }
        wakeAll()
    }

    /// Forgets one that has ended and was told.
    func forget(_ number: Int) {
        state.withLock { $0.jobs.removeAll { $0.number == number && $0.code != nil } }
    }

    /// Cancels one; false where none of that number runs.
    func cancel(_ number: Int) -> Bool {
        let (task, output) = state.withLock { state in
            (state.tasks[number], state.jobs.first { $0.number == number }?.output)
        }
        task?.cancel()
        output?.close()
        return task != nil
    }

    /// Cancels all and waits for their ends.
    func endAll() async {
        for job in all { _ = cancel(job.number) }
        for task in state.withLock({ Array($0.tasks.values) }) { await task.value }
    }

    /// A value whenever a job ends or has said something, from now on.
    func changes() -> AsyncStream<Void> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            let number = state.withLock { state in
                state.waitersEver += 1
                state.waiters[state.waitersEver] = continuation
                return state.waitersEver
            }
            continuation.onTermination = { [weak self] _ in
                _ = self?.state.withLock { $0.waiters.removeValue(forKey: number) }
            }
        }
    }

    private func wakeAll() {
        let waiters = state.withLock { Array($0.waiters.values) }
        for waiter in waiters { waiter.yield() }
    }
}

/// What a job has said and nobody has read yet.
///
/// A job that says much waits for a reader, as one that writes to a pipe.
final class JobOutput: Sendable {
    /// What a piece was said with.
    enum Kind: Equatable, Sendable {
        case result
        case complaint
    }

    /// Bytes that wait at most.
    static let limitBytes = 1_048_576

    private struct State {
        var pieces: [(kind: Kind, bytes: [UInt8])] = []
        var count = 0
        var isClosed = false
        var changed: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())
    /// A signal that nobody waits for is kept: a wait may end without room, and looks again.
    private let room = DispatchSemaphore(value: 0)

    /// Is called when there is more to read.
    var changed: (@Sendable () -> Void)? {
        get { state.withLock { $0.changed } }
        set { state.withLock { $0.changed = newValue } }
    }

    /// Adds a piece; blocks the calling thread while too much waits to be read.
    ///
    /// Returns false for a result that nobody wants any more.
    func add(_ kind: Kind, _ bytes: [UInt8]) -> Bool {
        while true {
            let answer: Bool? = state.withLock { state -> Bool? in
                if state.isClosed, kind == .result { return false }
                if kind == .result, state.count >= JobOutput.limitBytes { return nil }
                state.pieces.append((kind, bytes))
                state.count += bytes.count
                return true
            }
            if answer == true { changed?() }
            if let answer { return answer }
            room.wait()
        }
    }

    /// Whether it says no more before it is read.
    var isFull: Bool { state.withLock { $0.count >= JobOutput.limitBytes } }

    /// Takes what there is, in its order.
    func take() -> [(kind: Kind, bytes: [UInt8])] {
        let pieces = state.withLock { state in
            defer { (state.pieces, state.count) = ([], 0) }
            return state.pieces
        }
        if !pieces.isEmpty { room.signal() }
        return pieces
    }

    /// Lets results be lost from now on; complaints are still kept.
    func close() {
        state.withLock { $0.isClosed = true }
        room.signal()
    }
}
