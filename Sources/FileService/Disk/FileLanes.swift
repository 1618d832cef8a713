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
        var waiting: ArraySlice<(job: UInt64, turn: Turn)> = []
        var running: [UInt64: Turn] = [:]

        var isEmpty: Bool { waiting.isEmpty && running.isEmpty }

        /// Whether a change runs: then nothing else does.
        var isChanging: Bool { running.count == 1 && running.first?.value == .alone }

        func admits(_ turn: Turn) -> Bool {
            switch turn {
            case .alone: running.isEmpty
            case .shared: !isChanging
            case .cursor: !isChanging && !running.values.contains(turn)
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

        /// Takes work off, and starts what may run then.
        mutating func leave(_ job: UInt64) -> [UInt64] {
            if running.removeValue(forKey: job) == nil { waiting.removeAll { $0.job == job } }
            return advance()
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
        let started = lanes[file]?.leave(job) ?? []
        if lanes[file]?.isEmpty == true { lanes[file] = nil }
        return started
    }

    /// Whether a change of the file runs now.
    func isChanging(_ file: FileIdentity) -> Bool {
        lanes[file]?.isChanging ?? false
    }

    /// Whether no file has any work.
    var isEmpty: Bool { lanes.isEmpty }
}

/// Which files changed while work that finds its file by name ran outside of any lane.
///
/// It is repeated inside one then: FETCH, STAT of a path, and what OPEN tells of the file.
/// Most of it meets no change and needs one hop only.
struct GlanceWindow: Sendable {
    private var clock: UInt64 = 0
    /// When each that runs began.
    private var begun: [UInt64: UInt64] = [:]
    /// When each file last changed, as far back as the oldest one that runs.
    private var changed: [FileIdentity: UInt64] = [:]
    /// Whoever began before this may have met any change: which files changed then is forgotten.
    private var floor: UInt64 = 0
    /// How many changes are remembered.
    static let limit = 1024

    var count: Int { changed.count }

    mutating func begin(_ job: UInt64) {
        clock += 1
        begun[job] = clock
    }

    /// Notes that a change of a file began or ended.
    mutating func touch(_ file: FileIdentity) {
        guard !begun.isEmpty else { return }
        clock += 1
        if changed.count >= GlanceWindow.limit {
            changed.removeAll()
            floor = clock
        }
        changed[file] = clock
    }

    /// Ends one.
    ///
    /// - Returns: Whether the file changed since it began.
    mutating func end(_ job: UInt64, read file: FileIdentity?) -> Bool {
        let start = begun.removeValue(forKey: job) ?? 0
        defer { if begun.isEmpty { changed.removeAll() } }
        guard let file else { return false }
        return start < floor || changed[file].map { $0 > start } ?? false
    }
}
