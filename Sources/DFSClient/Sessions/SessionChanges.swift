/// What a session has changed, and how much of that is known to be on the disk.
///
/// A SYNC covers the changes that were answered before it was sent, and no others: the server may
/// run what overlaps in any order.
struct SessionChanges: Sendable {
    /// One change from its sending to its end.
    struct Ticket: Sendable {
        fileprivate let number: Int
        fileprivate let wasFirst: Bool
    }

    /// What a SYNC covers if it is answered.
    struct Mark: Sendable {
        fileprivate let settled: Int
        fileprivate let bytes: Int64
    }

    /// Changes sent so far.
    private var sent = 0
    /// Changes whose answer is still awaited.
    private var underWay = 0
    /// Changes that are in the file, or may be, as far as their answers told.
    private var settled = 0
    /// How many of the settled ones are on the disk.
    private var synced = 0
    private var settledBytes: Int64 = 0
    private var syncedBytes: Int64 = 0

    /// Whether something may be lost with the session, or its place in the file be unknown.
    var isDirty: Bool { underWay > 0 || hasUnsynced }
    /// Whether something that has ended is not known to be on the disk.
    var hasUnsynced: Bool { settled != synced }
    /// Bytes that a SYNC must bring to the disk.
    var unsyncedBytes: Int64 { settledBytes - syncedBytes }

    /// Notes that a change is sent.
    mutating func begin() -> Ticket {
        sent += 1
        underWay += 1
        return Ticket(number: sent, wasFirst: underWay == 1)
    }

    /// Whether no other change overlapped with one that is under way still.
    func isAlone(_ ticket: Ticket) -> Bool { ticket.wasFirst && ticket.number == sent }

    /// Notes the end of a change.
    ///
    /// - Parameter mayBeThere: False where it is sure that nothing was changed.
    mutating func end(_ ticket: Ticket, mayBeThere: Bool, bytes: Int) {
        underWay -= 1
        guard mayBeThere else { return }
        settled += 1
        settledBytes += Int64(bytes)
    }

    /// What a SYNC covers that is sent now.
    var mark: Mark { Mark(settled: settled, bytes: settledBytes) }

    /// Notes that a SYNC was answered.
    mutating func sync(_ mark: Mark) {
        synced = max(synced, mark.settled)
        syncedBytes = max(syncedBytes, mark.bytes)
    }
}
