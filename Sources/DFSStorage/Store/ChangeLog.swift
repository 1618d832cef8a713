import DFSProtocol
import Synchronization

/// The newest changes of all exports in one order, each with its generation.
///
/// A change is told only when the ledger of its export has it on disk: what the name server was
/// told is never taken back by a crash. History is bounded; who is further behind takes an
/// inventory.
final class ChangeLog: Sendable {
    /// Changes kept at least; twice as many at most.
    static let kept = 50_000

    private struct Entry {
        var export: Int
        var sequence: Int64
        var report: FileReport
    }

    private struct State {
        /// Generation of the change before the first entry.
        var base: Int64
        var entries: [Entry] = []
        /// How many entries from the first on are on disk.
        var durable = 0
        /// The newest generation that may be told.
        var generation: Int64
        /// For each export, up to where its ledger is on disk.
        var watermarks: [Int64]
        var handler: (@Sendable () -> Void)?
    }

    private let state: Mutex<State>

    /// Begins behind a generation that was told before, with no history.
    init(after generation: Int64, exports: Int) {
        state = Mutex(
            State(
                base: generation, generation: generation,
                watermarks: [Int64](repeating: 0, count: exports)))
    }

    /// Adds a change; `sequence` says which commit of the export's ledger holds it.
    func append(_ report: FileReport, export: Int, sequence: Int64) {
        state.withLock { state in
            state.entries.append(Entry(export: export, sequence: sequence, report: report))
            guard state.entries.count > 2 * ChangeLog.kept else { return }
            let dropped = state.entries.count - ChangeLog.kept
            state.entries.removeFirst(dropped)
            state.base += Int64(dropped)
            state.durable = max(0, state.durable - dropped)
        }
    }

    /// The generation that the newest change has, also where it is not on disk yet.
    var newest: Int64 { state.withLock { $0.base + Int64($0.entries.count) } }

    /// The newest generation that may be told.
    var generation: Int64 { state.withLock { $0.generation } }

    /// Notes that an export's ledger is on disk up to a sequence, and calls whoever waits for
    /// changes.
    func advance(export: Int, to sequence: Int64) {
        let handler: (@Sendable () -> Void)? = state.withLock { state in
            state.watermarks[export] = max(sequence, state.watermarks[export])
            while state.durable < state.entries.count {
                let entry = state.entries[state.durable]
                guard entry.sequence <= state.watermarks[entry.export] else { break }
                state.durable += 1
            }
            let generation = state.base + Int64(state.durable)
            guard generation > state.generation, state.durable > 0 else { return nil }
            state.generation = generation
            return state.handler
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
            let last = min(Int(state.generation - state.base), first + limit)
            return (first..<max(first, last)).map { index in
                (state.base + Int64(index) + 1, state.entries[index].report)
            }
        }
    }
}
