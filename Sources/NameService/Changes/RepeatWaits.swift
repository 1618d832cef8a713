import DFSProtocol

/// Repeats of changes that still run, each until the change is over or its asker is gone.
///
/// One that was cancelled, or whose connection closed, is not here any more: nobody is to carry
/// out what its client has taken back. Every step costs the same, however many wait.
struct RepeatWaits {
    /// A repeat that waits.
    struct Repeat {
        let request: Request
        let asker: Asker
        /// Counts up: those that came first are answered, and tried, first.
        fileprivate let arrival: UInt64
    }

    private var byOperation: [OperationID: [RequestID: Repeat]] = [:]
    /// What the repeats of a connection wait for; as many as it may have in flight.
    private var byConnection: [ConnectionID: [RequestID: OperationID]] = [:]
    private var arrivals: UInt64 = 0

    /// How many wait.
    var count: Int { byOperation.values.reduce(0) { $0 + $1.count } }

    /// Lets a repeat wait.
    mutating func add(_ op: OperationID, _ request: Request, _ asker: Asker) {
        arrivals += 1
        byOperation[op, default: [:]][asker.id] = Repeat(
            request: request, asker: asker, arrival: arrivals)
        byConnection[asker.connection, default: [:]][asker.id] = op
    }

    /// Takes out all that wait for a change, in the order in which they came.
    mutating func take(_ op: OperationID) -> [Repeat] {
        guard let waiting = byOperation.removeValue(forKey: op) else { return [] }
        for id in waiting.keys { forget(id) }
        return waiting.values.sorted { $0.arrival < $1.arrival }
    }

    /// Drops a repeat that its client has taken back.
    mutating func drop(_ id: RequestID) {
        if let op = forget(id) { remove(id, from: op) }
    }

    /// Drops the repeats of a connection that is gone.
    mutating func drop(_ connection: ConnectionID) {
        for (id, op) in byConnection.removeValue(forKey: connection) ?? [:] { remove(id, from: op) }
    }

    private mutating func remove(_ id: RequestID, from op: OperationID) {
        byOperation[op]?[id] = nil
        if byOperation[op]?.isEmpty ?? false { byOperation[op] = nil }
    }

    @discardableResult
    private mutating func forget(_ id: RequestID) -> OperationID? {
        let op = byConnection[id.connection]?.removeValue(forKey: id)
        if byConnection[id.connection]?.isEmpty ?? false { byConnection[id.connection] = nil }
        return op
    }
}
