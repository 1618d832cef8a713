import DFSProtocol

/// Which sessions hold and wait for the lock of each file; first come, first served.
///
/// A lock is between sessions that ask for one. A shared one does not pass an exclusive one that
/// waits, so that nobody waits for ever. What one session does costs the same however many others
/// hold the lock or wait for it.
struct LockTable: Sendable {
    /// What a lock keeps out.
    enum Kind: String, Sendable {
        /// Only exclusive ones.
        case shared
        /// Every other one.
        case exclusive
    }

    private struct Line: Sendable {
        /// Either one with an exclusive lock, or any number with shared ones.
        var holders = SessionRow()
        var waiting = SessionRow()

        var isEmpty: Bool { holders.count == 0 && waiting.count == 0 }

        func admits(_ kind: Kind) -> Bool {
            switch kind {
            case .exclusive: holders.count == 0
            case .shared: holders.first?.kind != .exclusive
            }
        }

        /// Takes a session out, and gives the lock to those whose turn it is.
        mutating func leave(_ key: SessionKey) -> [SessionKey] {
            holders.remove(key)
            waiting.remove(key)
            var granted: [SessionKey] = []
            while let next = waiting.first, admits(next.kind) {
                waiting.remove(next.key)
                holders.append(next.key, next.kind)
                granted.append(next.key)
            }
            return granted
        }
    }

    private var lines: [FileIdentity: Line] = [:]

    /// Whether nobody holds or waits for any lock.
    var isEmpty: Bool { lines.isEmpty }

    /// Takes the lock of a file if it is free and nobody waits for it.
    mutating func take(_ kind: Kind, of file: FileIdentity, for key: SessionKey) -> Bool {
        if let line = lines[file], line.waiting.count > 0 || !line.admits(kind) { return false }
        lines[file, default: Line()].holders.append(key, kind)
        return true
    }

    /// Puts a session at the end of the line for a file's lock.
    mutating func wait(_ kind: Kind, of file: FileIdentity, for key: SessionKey) {
        lines[file, default: Line()].waiting.append(key, kind)
    }

    /// Takes a session out, whether it holds the lock or waits for it.
    ///
    /// - Returns: Who holds the lock from now on, in the order of their arrival.
    mutating func leave(_ key: SessionKey, _ file: FileIdentity) -> [SessionKey] {
        let granted = lines[file]?.leave(key) ?? []
        if lines[file]?.isEmpty == true { lines[file] = nil }
        return granted
    }

    /// Who holds the lock of a file, in the order in which they got it.
    func holders(of file: FileIdentity) -> some Sequence<(key: SessionKey, kind: Kind)> {
        (lines[file]?.holders ?? SessionRow()).entries
    }

    /// Who has held the lock of a file for longest.
    func firstHolder(of file: FileIdentity) -> (key: SessionKey, kind: Kind)? {
        lines[file]?.holders.first
    }

    /// Who waits for the lock of a file, in the order of arrival.
    func waiting(for file: FileIdentity) -> [SessionKey] {
        lines[file].map { $0.waiting.entries.map(\.key) } ?? []
    }
}

/// Sessions in the order in which they came; any of them can leave at once.
private struct SessionRow: Sendable {
    /// Those that have left are empty places until these are half of all.
    private var places: [(key: SessionKey, kind: LockTable.Kind)?] = []
    private var indices: [SessionKey: Int] = [:]
    /// Before this one all places are empty.
    private var start = 0

    var count: Int { indices.count }
    var first: (key: SessionKey, kind: LockTable.Kind)? {
        start < places.count ? places[start] : nil
    }
    /// All of them, one after another as they are asked for.
    var entries: some Sequence<(key: SessionKey, kind: LockTable.Kind)> {
        places[start...].lazy.compactMap { $0 }
    }

    mutating func append(_ key: SessionKey, _ kind: LockTable.Kind) {
        indices[key] = places.count
        places.append((key, kind))
    }

    mutating func remove(_ key: SessionKey) {
        guard let index = indices.removeValue(forKey: key) else { return }
        places[index] = nil
        while start < places.count, places[start] == nil { start += 1 }
        guard places.count > 2 * indices.count + 16 else { return }
        places = places[start...].filter { $0 != nil }
        start = 0
        for (index, place) in places.enumerated() {
            if let key = place?.key { indices[key] = index }
        }
    }
}
