import DFSProtocol
import Dispatch
import Glibc
import Synchronization

/// Lines of the log on their way to standard error, which a queue of its own writes in their order.
///
/// Who reads the log may stand still: a pager, a terminal with Ctrl-S, a collector that hangs.
/// Nothing that serves waits for that: so many lines are kept, what comes beyond them is counted,
/// and the count is told as soon as there is room again. May be used from any thread.
final class LogLines: Sendable {
    /// Where the process logs.
    static let ofProcess = LogLines { writeAll($0, to: STDERR_FILENO) }

    private struct Backlog {
        var lines = 0
        var leftOut: Int64 = 0
    }

    private let queue = DispatchQueue(label: "dfs-log")
    private let backlog = Mutex(Backlog())
    private let limit: Int
    private let write: @Sendable (String) -> Bool

    /// - Parameter limit: Lines that are kept; a thousand are mostly some 100 KiB.
    init(limit: Int = 1024, write: @escaping @Sendable (String) -> Bool) {
        self.limit = limit
        self.write = write
    }

    /// Has a line written soon; returns at once.
    ///
    /// - Parameter isLast: Whether the process ends with it: it is kept however many others are.
    func add(_ line: String, isLast: Bool = false) {
        let isTaken = backlog.withLock { backlog in
            guard backlog.lines < limit || isLast else {
                backlog.leftOut += 1
                return false
            }
            backlog.lines += 1
            return true
        }
        if isTaken { queue.async { [self] in put(line) } }
    }

    /// Waits until what was added so far is written, at most for so long.
    func flush(milliseconds: Int = 1000) {
        let written = DispatchSemaphore(value: 0)
        queue.async { written.signal() }
        _ = written.wait(timeout: .now() + .milliseconds(milliseconds))
    }

    private func put(_ line: String) {
        // A log that nobody reads any more must not stop the server.
        _ = write(line)
        let leftOut = backlog.withLock { backlog in
            backlog.lines -= 1
            defer { backlog.leftOut = 0 }
            return backlog.leftOut
        }
        guard leftOut > 0 else { return }
        let time = String(decoding: WallTime.now().text, as: UTF8.self)
        _ = write("\(time) warning \(leftOut) lines were left out, because nobody read the log\n")
    }
}
