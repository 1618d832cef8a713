import Synchronization

/// The history of this run, shared by the prompt that adds lines and the command that shows them.
public final class HistoryRecord: Sendable {
    private let file: HistoryFile?
    private let history: Mutex<LineHistory>

    /// Reads the file; without one, history lasts as long as the process.
    public init(file: HistoryFile?, limit: Int = LineHistory.limit) {
        self.file = file
        history = Mutex(file?.load(limit) ?? LineHistory(limit: limit))
    }

    /// Keeps so many lines from now on; those beyond are forgotten.
    func keep(_ limit: Int) { history.withLock { $0.keep(limit) } }

    /// Oldest first.
    public var lines: [[UInt8]] { history.withLock { $0.lines } }

    /// Adds a line, here and in the file.
    ///
    /// - Returns: Whether it was kept.
    @discardableResult
    public func add(_ line: [UInt8]) -> Bool {
        let isKept = history.withLock { $0.add(line) }
        if isKept { file?.append(line) }
        return isKept
    }
}
