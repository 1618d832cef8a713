import DFSProtocol

/// An OPEN whose file is open and whose lock is not free, or that looks at its file once more.
struct LockedOpening: Sendable {
    let ticket: Ticket
    let order: OpenOrder
    let file: any OpenFile
    let facts: FileFacts
    /// The change that opening made on the disk; nil for none.
    let generation: Int64?
    /// Whether nothing keeps it any more, and the file is being looked at again.
    var isGranted = false
}

/// OPENs that wait for a lock, or have just got it, by the sessions that they will be.
struct LockedOpenings: Sendable {
    private var openings: [SessionKey: LockedOpening] = [:]
    /// The same by connection, in the order of arrival; at most as many as it may have handles.
    private var keys: [ConnectionID: [SessionKey]] = [:]

    var isEmpty: Bool { openings.isEmpty }
    var count: Int { openings.count }
    /// All of them in the order of their keys.
    var all: [SessionKey] { openings.keys.sorted() }

    subscript(key: SessionKey) -> LockedOpening? { openings[key] }

    /// Those of a connection, in the order in which they came.
    func all(of connection: ConnectionID) -> [SessionKey] { keys[connection] ?? [] }

    mutating func insert(_ opening: LockedOpening, _ key: SessionKey) {
        openings[key] = opening
        keys[opening.ticket.id.connection, default: []].append(key)
    }

    mutating func grant(_ key: SessionKey) { openings[key]?.isGranted = true }

    mutating func remove(_ key: SessionKey) -> LockedOpening? {
        guard let opening = openings.removeValue(forKey: key) else { return nil }
        let connection = opening.ticket.id.connection
        keys[connection]?.removeAll { $0 == key }
        if keys[connection]?.isEmpty == true { keys[connection] = nil }
        return opening
    }
}
