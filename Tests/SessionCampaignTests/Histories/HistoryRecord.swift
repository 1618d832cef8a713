/// What was seen in one history, file by file.
struct HistoryRecord: Sendable {
    /// Operations by file.
    var operations: [[FileOperation]]
    /// Requests that were refused, which promises that they did nothing.
    var refused = 0
    /// Connections that clients gave up, and sessions that went on on another one.
    var losses = 0
    var resumed = 0

    init(files: Int) { operations = Array(repeating: [], count: files) }

    mutating func add(_ other: HistoryRecord) {
        for file in operations.indices { operations[file] += other.operations[file] }
        refused += other.refused
        losses += other.losses
        resumed += other.resumed
    }

    /// Notes that the server is dead: what was not answered has happened by now, or never.
    mutating func killed(at time: Int) {
        for file in operations.indices {
            for index in operations[file].indices
            where operations[file][index].returned == .max {
                operations[file][index].returned = time
                operations[file][index].answer = .none(.kill)
            }
        }
    }

    /// What its operations were.
    var kinds: HistoryKinds {
        var kinds = HistoryKinds()
        for operation in operations.joined() { kinds.add(operation) }
        return kinds
    }
}
