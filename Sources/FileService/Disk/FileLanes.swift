import DFSProtocol

/// The order of work on each file: reads run together, a change runs alone, in order of arrival.
///
/// A lane holds work whose data is complete; nothing waits here for a slow client.
struct FileLanes: Sendable {
    /// How a piece of work shares its file with others.
    enum Turn: Equatable, Sendable {
        /// Together with other reads.
        case shared
        /// Together with reads of other sessions: it moves its session's cursor.
        case cursor(SessionKey)
        case alone
    }

    private struct Lane: Sendable {
        var waiting: [(job: UInt64, turn: Turn)] = []
        var running: [UInt64: Turn] = [:]

        var isEmpty: Bool { waiting.isEmpty && running.isEmpty }

        func admits(_ turn: Turn) -> Bool {
            switch turn {
            case .alone: running.isEmpty
            case .shared: !running.values.contains(.alone)
            case .cursor: !running.values.contains { $0 == .alone || $0 == turn }
            }
        }

        /// Starts what may run now, in the order of arrival.
        mutating func advance() -> [UInt64] {
            var started: [UInt64] = []
            while let next = waiting.first, admits(next.turn) {
                waiting.removeFirst()
                running[next.job] = next.turn
                started.append(next.job)
            }
            return started
        }
    }

    private var lanes: [FileIdentity: Lane] = [:]
    /// Off only where a test shows that it would notice: then all work runs together.
    private let isOrdered: Bool

    init(isOrdered: Bool = true) { self.isOrdered = isOrdered }

    /// Puts work at the end of its file's lane.
    ///
    /// - Returns: The work that is to start now.
    mutating func enter(_ job: UInt64, _ file: FileIdentity, _ turn: Turn) -> [UInt64] {
        lanes[file, default: Lane()].waiting.append((job, isOrdered ? turn : .shared))
        return lanes[file]?.advance() ?? []
    }

    /// Takes work off its lane, whether it ran or still waited.
    ///
    /// - Returns: The work that is to start now.
    mutating func leave(_ job: UInt64, _ file: FileIdentity) -> [UInt64] {
        guard var lane = lanes[file] else { return [] }
        if lane.running.removeValue(forKey: job) == nil {
            lane.waiting.removeAll { $0.job == job }
        }
        let started = lane.advance()
        lanes[file] = lane.isEmpty ? nil : lane
        return started
    }

    /// Whether a change of the file runs now.
    func isChanging(_ file: FileIdentity) -> Bool {
        lanes[file]?.running.values.contains(.alone) ?? false
    }

    /// Whether no file has any work.
    var isEmpty: Bool { lanes.isEmpty }
}

/// Which files changed while a FETCH ran outside of any lane, so that it is repeated inside one.
///
/// Most FETCHes meet no change and need one hop only.
struct FetchWindow: Sendable {
    private var clock: UInt64 = 0
    /// When each running FETCH began.
    private var begun: [UInt64: UInt64] = [:]
    /// When each file last changed, as far as that is known: not before `forgotten`.
    private(set) var changed: [FileIdentity: UInt64] = [:]
    /// What changed up to here is not known any more, so that any file may have.
    private var forgotten: UInt64 = 0
    /// Files whose changes are known at once; one FETCH on a slow disk may see any number.
    static let knownFiles = 1024

    mutating func begin(_ job: UInt64) {
        clock += 1
        begun[job] = clock
    }

    /// Notes that a change of a file began or ended.
    mutating func touch(_ file: FileIdentity) {
        guard !begun.isEmpty else { return }
        clock += 1
        if changed.count >= FetchWindow.knownFiles {
            // Those FETCHes that run are repeated inside their lanes, which is right, only slower.
            changed.removeAll(keepingCapacity: true)
            forgotten = clock
        }
        changed[file] = clock
    }

    /// Ends a FETCH.
    ///
    /// - Returns: Whether the file changed since it began, or may have.
    mutating func end(_ job: UInt64, read file: FileIdentity?) -> Bool {
        let start = begun.removeValue(forKey: job) ?? 0
        defer { if begun.isEmpty { changed.removeAll() } }
        guard let file else { return false }
        return start < forgotten || (changed[file] ?? 0) > start
    }
}
