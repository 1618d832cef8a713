import DFSProtocol
import Synchronization

/// The newest changes of all exports in one order, each with its generation.
///
/// A change is told only when the ledger of its export has it on disk: what the name server was
/// told is never taken back by a crash. It gets its generation then, so that an export whose ledger
/// can not be written keeps back its own changes and no other. History is bounded; who is further
/// behind takes an inventory.
final class ChangeLog: Sendable {
    /// Changes kept at least; twice as many at most.
    static let kept = 50_000

    /// What the ledger of one export has not on disk yet.
    private struct Waiting {
        var changes: ArraySlice<(sequence: Int64, report: FileReport)> = []
        /// How many before those were dropped: only an inventory tells of them.
        var dropped: Int64 = 0
        /// The commit that holds the last one of these.
        var droppedThrough: Int64 = 0

        var count: Int64 { dropped + Int64(changes.count) }

        mutating func append(_ sequence: Int64, _ report: FileReport) {
            changes.append((sequence, report))
            guard changes.count > 2 * ChangeLog.kept else { return }
            dropped = count
            droppedThrough = sequence
            changes = []
        }
    }

    private struct State {
        /// Generation of the change before the first one of the history.
        var base: Int64
        /// What may be told.
        var history: [FileReport] = []
        /// By the number of the export.
        var waiting: [Waiting]
        var handler: (@Sendable () -> Void)?

        /// The newest generation that may be told.
        var generation: Int64 { base + Int64(history.count) }

        /// Gives generations to what the ledger of an export has on disk.
        mutating func tell(of export: Int, upTo sequence: Int64) {
            let dropped = waiting[export].dropped
            if dropped > 0 {
                guard sequence >= waiting[export].droppedThrough else { return }
                // Whoever knows less than this is behind the history.
                base = generation + dropped
                history = []
                waiting[export].dropped = 0
            }
            while let first = waiting[export].changes.first, first.sequence <= sequence {
                history.append(first.report)
                waiting[export].changes.removeFirst()
            }
            guard history.count > 2 * ChangeLog.kept else { return }
            let old = history.count - ChangeLog.kept
            history.removeFirst(old)
            base += Int64(old)
        }
    }

    private let state: Mutex<State>

    /// Begins behind a generation that was told before, with no history.
    init(after generation: Int64, exports: Int) {
        state = Mutex(
            State(base: generation, waiting: Array(repeating: Waiting(), count: exports)))
    }

    /// Adds a change; `sequence` says which commit of the export's ledger holds it.
    func append(_ report: FileReport, export: Int, sequence: Int64) {
        state.withLock { $0.waiting[export].append(sequence, report) }
    }

    /// A generation that none of the changes so far will be beyond, whichever is on disk first.
    ///
    /// It stands in the ledger with them: what is counted after a restart comes behind all of them.
    var ceiling: Int64 {
        state.withLock { state in state.waiting.reduce(state.generation) { $0 + $1.count } }
    }

    /// The newest generation that may be told.
    var generation: Int64 { state.withLock { $0.generation } }

    /// Notes that an export's ledger is on disk up to a sequence, and calls whoever waits for
    /// changes.
    func advance(export: Int, to sequence: Int64) {
        let handler: (@Sendable () -> Void)? = state.withLock { state in
            let before = state.generation
            state.tell(of: export, upTo: sequence)
            return state.generation > before ? state.handler : nil
        }
        handler?()
    }

    /// Sets who is called after `generation` has risen.
    func whenChanged(_ handler: @escaping @Sendable () -> Void) {
        state.withLock { $0.handler = handler }
    }

    /// Changes after a generation; nil where history does not reach back, or never came that far.
    func changes(
        after generation: Int64, limit: Int
    ) -> [(generation: Int64, report: FileReport)]? {
        state.withLock { state in
            guard generation >= state.base, generation <= state.generation, limit > 0 else {
                return generation == state.generation ? [] : nil
            }
            let first = Int(generation - state.base)
            let last = min(state.history.count, first + limit)
            return (first..<last).map { index in
                (state.base + Int64(index) + 1, state.history[index])
            }
        }
    }
}
