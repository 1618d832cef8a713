import DFSProtocol

/// Which sessions hold and wait for the lock of each file; first come, first served.
///
/// A lock is between sessions that ask for one. A shared one does not pass an exclusive one that
/// waits, so that nobody waits for ever.
struct LockTable: Sendable {
    /// What a lock keeps out.
    enum Kind: String, Sendable {
        /// Only exclusive ones.
        case shared
        /// Every other one.
        case exclusive
    }

    private struct Line: Sendable {
        var holders: [(key: SessionKey, kind: Kind)] = []
        /// In the order of arrival.
        var waiting: [(key: SessionKey, kind: Kind)] = []

        func admits(_ kind: Kind) -> Bool {
            switch kind {
            case .exclusive: holders.isEmpty
            case .shared: holders.allSatisfy { $0.kind == .shared }
            }
        }

        /// Gives the lock to those whose turn it is.
        mutating func advance() -> [SessionKey] {
            var granted: [SessionKey] = []
            while let next = waiting.first, admits(next.kind) {
                waiting.removeFirst()
                holders.append(next)
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
        let line = lines[file] ?? Line()
        guard line.waiting.isEmpty, line.admits(kind) else { return false }
        lines[file, default: Line()].holders.append((key, kind))
        return true
    }

    /// Puts a session at the end of the line for a file's lock.
    mutating func wait(_ kind: Kind, of file: FileIdentity, for key: SessionKey) {
        lines[file, default: Line()].waiting.append((key, kind))
    }

    /// Takes a session out, whether it holds the lock or waits for it.
    ///
    /// - Returns: Who holds the lock from now on, in the order of their arrival.
    mutating func leave(_ key: SessionKey, _ file: FileIdentity) -> [SessionKey] {
        guard var line = lines[file] else { return [] }
        line.holders.removeAll { $0.key == key }
        line.waiting.removeAll { $0.key == key }
        let granted = line.advance()
        lines[file] = line.holders.isEmpty && line.waiting.isEmpty ? nil : line
        return granted
    }

    /// Who holds the lock of a file, in the order in which they got it.
    func holders(of file: FileIdentity) -> [(key: SessionKey, kind: Kind)] {
        lines[file]?.holders ?? []
    }

    /// Who waits for the lock of a file, in the order of arrival.
    func waiting(for file: FileIdentity) -> [SessionKey] {
        lines[file]?.waiting.map(\.key) ?? []
    }
}
