/// What a client knows of the version of a file that it alone changes, and what it may be told.
///
/// A version counts changes at SYNC, at CLOSE, and once when a session ends otherwise; the client
/// does not see when the server has noticed that. After a kill it is counted too.
struct ToldVersion: Sendable {
    /// What was told last; nil for nothing yet.
    private(set) var last: Int64?
    /// Whether the session that is open has changed the file since a version was counted.
    private var isChanged = false
    /// Ends of earlier sessions that may still count a version.
    private var pending: Int64 = 0
    /// Whether a change was acknowledged for certain since `last`.
    private var isBehind = false

    /// Notes an acknowledged change.
    mutating func changed() {
        isChanged = true
        isBehind = true
    }

    /// Notes that the session ended without CLOSE, with a change on the way perhaps.
    mutating func ended(mayHaveChanged: Bool) {
        if isChanged || mayHaveChanged { pending += 1 }
        isChanged = false
    }

    /// Notes that a change which was not answered has been found in the file.
    mutating func found() { isBehind = true }

    /// Notes a version that SYNC or CLOSE has told, which counts all changes so far.
    ///
    /// - Returns: What is wrong with it; nil for nothing.
    mutating func counted(as ver: Int64) -> String? {
        let own: Int64 = isChanged ? 1 : 0
        isChanged = false
        return told(ver, least: own, most: own)
    }

    /// Notes a version that OPEN has told.
    ///
    /// - Parameter isRestarted: Whether the server was killed since the last one: then nothing that
    ///   was acknowledged is left to be counted.
    /// - Returns: What is wrong with it; nil for nothing.
    mutating func opened(as ver: Int64, isRestarted: Bool) -> String? {
        guard isRestarted else { return told(ver, least: 0, most: 0) }
        let sentence = told(ver, least: isBehind ? 1 : 0, most: 0)
        (pending, isBehind) = (0, false)
        return sentence
    }

    private mutating func told(_ ver: Int64, least: Int64, most: Int64) -> String? {
        guard let last else {
            self.last = ver
            return nil
        }
        let (low, high) = (last + least, last + max(least, most + pending))
        if ver > last { isBehind = isChanged }
        pending = max(0, pending - max(0, ver - last - most))
        self.last = max(ver, last)
        if (low...high).contains(ver) { return nil }
        return "ver=\(ver) was told after ver=\(last), and \(low) to \(high) are possible"
    }
}
