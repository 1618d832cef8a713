import DFSProtocol

/// Which FIND and DU run, and which wait for their turn.
///
/// An answer is collected until it is whole, so what runs at once is what memory they take: up to
/// `Limits.listBytes` each. Connections take turns; one that does not read waits.
struct Searches {
    /// At once for one connection: one is collected while the other is sent.
    static let perConnection = 2
    /// At once for all of them: 64 MiB.
    static let most = 16

    private struct Queue {
        var jobs: [Job] = []
        var first = 0

        var isEmpty: Bool { first == jobs.count }

        mutating func popFirst() -> Job? {
            if isEmpty { return nil }
            let job = jobs[first]
            first += 1
            if first > 16, first * 2 > jobs.count {
                jobs.removeSubrange(..<first)
                first = 0
            }
            return job
        }
    }

    private var running: [ConnectionID: Int] = [:]
    private var total = 0
    private var waiting: [ConnectionID: Queue] = [:]
    /// Connections that have something waiting and may go on, in the order of their turns.
    private var line: [ConnectionID] = []
    private var firstInLine = 0
    private var stalled: Set<ConnectionID> = []

    /// Whether something that waits may start now.
    var isReady: Bool { total < Searches.most && firstInLine < line.count }

    /// Counts a search in that starts now; false where it has to wait.
    mutating func mayStart(_ connection: ConnectionID) -> Bool {
        guard total < Searches.most, waiting[connection] == nil, hasTurn(connection) else {
            return false
        }
        count(connection)
        return true
    }

    private func hasTurn(_ connection: ConnectionID) -> Bool {
        running[connection, default: 0] < Searches.perConnection && !stalled.contains(connection)
    }

    private mutating func count(_ connection: ConnectionID) {
        running[connection, default: 0] += 1
        total += 1
    }

    /// Puts a search behind the others of its connection.
    mutating func wait(_ job: Job, _ connection: ConnectionID) {
        let isFirst = waiting[connection] == nil
        waiting[connection, default: Queue()].jobs.append(job)
        if isFirst { lineUp(connection) }
    }

    private mutating func lineUp(_ connection: ConnectionID) {
        if waiting[connection] != nil, hasTurn(connection) { line.append(connection) }
    }

    /// The next search to start, counted in.
    mutating func next() -> Job? {
        while isReady {
            let connection = line[firstInLine]
            firstInLine += 1
            if firstInLine == line.count {
                line.removeAll(keepingCapacity: true)
                firstInLine = 0
            }
            guard hasTurn(connection), let job = waiting[connection]?.popFirst() else { continue }
            if waiting[connection]?.isEmpty ?? true { waiting[connection] = nil }
            count(connection)
            lineUp(connection)
            return job
        }
        return nil
    }

    /// Counts a search out that was answered or dropped.
    mutating func finished(_ connection: ConnectionID) {
        guard let count = running[connection] else { return }
        running[connection] = count > 1 ? count - 1 : nil
        total -= 1
        lineUp(connection)
    }

    /// Notes whether a connection reads its answers.
    mutating func setStalled(_ connection: ConnectionID, _ isStalled: Bool) {
        if isStalled {
            stalled.insert(connection)
        } else if stalled.remove(connection) != nil {
            lineUp(connection)
        }
    }

    /// Drops a search that waits.
    mutating func cancel(_ request: RequestID) {
        guard var queue = waiting[request.connection] else { return }
        queue.jobs.removeSubrange(..<queue.first)
        queue.first = 0
        queue.jobs.removeAll { $0.asker?.id == request }
        waiting[request.connection] = queue.isEmpty ? nil : queue
    }

    /// Drops everything of a connection that is gone; the caller drops what of it runs.
    mutating func remove(_ connection: ConnectionID) {
        total -= running.removeValue(forKey: connection) ?? 0
        waiting[connection] = nil
        stalled.remove(connection)
    }
}
