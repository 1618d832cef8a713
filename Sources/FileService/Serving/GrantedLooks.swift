import DFSProtocol

/// OPENs that were granted a lock and look at their files once more, a few of each file at a time.
///
/// A lock that is given back can be granted to thousands at once, and requests for other files
/// should not stand behind all of them. A look waits for its file's turn: so each file is counted
/// for itself, and one whose disk stalls keeps back nobody else's.
struct GrantedLooks: Sendable {
    private struct Line: Sendable {
        /// In the order in which they were granted; ended ones among them.
        var waiting: ArraySlice<SessionKey> = []
        var looking = 0
    }

    private var lines: [FileIdentity: Line] = [:]
    /// The files of the looks that are under way.
    private var files: [SessionKey: FileIdentity] = [:]

    var isEmpty: Bool { lines.isEmpty && files.isEmpty }

    /// Has an OPEN wait until fewer others look at its file.
    mutating func add(_ key: SessionKey, at file: FileIdentity) {
        lines[file, default: Line()].waiting.append(key)
    }

    /// Takes the next one that may look at a file; its turn lasts until `ended`.
    mutating func next(at file: FileIdentity, limit: Int) -> SessionKey? {
        guard let line = lines[file], line.looking < limit,
            let key = lines[file]?.waiting.popFirst()
        else { return nil }
        lines[file]?.looking += 1
        files[key] = file
        return key
    }

    /// Notes that a look is over, or that there was none; the turn is another's.
    ///
    /// - Returns: The file; nil for an OPEN that is not counted here.
    mutating func ended(_ key: SessionKey) -> FileIdentity? {
        guard let file = files.removeValue(forKey: key) else { return nil }
        lines[file]?.looking -= 1
        if lines[file]?.looking == 0, lines[file]?.waiting.isEmpty == true { lines[file] = nil }
        return file
    }
}
