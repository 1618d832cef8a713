import DFSProtocol
import DFSTransport

/// How a session is opened.
public enum OpenMode: String, CaseIterable, Sendable {
    /// Reading only.
    case read = "r"
    /// Reading and writing a file that is there.
    case readWrite = "rw"
    /// Reading and writing; the file is made where it is not there, and never cut.
    case create
    /// Reading and writing a file that must not be there yet.
    case createNew = "create-new"
}

/// Whom a session's lock keeps away: other sessions that ask for a lock, and nobody else.
public enum FileLock: String, CaseIterable, Sendable {
    /// Others may have it too, as long as all of them ask for a shared one.
    case shared
    /// Nobody else has a lock on the file.
    case exclusive
}

/// What is asked for with an OPEN.
struct Opening: Sendable {
    let path: TreePath
    let mode: OpenMode
    var permissions: FileMode?
    var lease: Duration?
    var lock: FileLock?
    var wait: Duration?
    var ifVersion: Int64?
    /// Whether a file that has changed is still the right one after a re-open, as for a follower.
    var acceptsChanges = false
    /// Whether a server that is down is waited for, as for what is half sent.
    var waitsForServer = false

    /// Whether a second OPEN would find the first one in its way, or could not make its file.
    private var needsName: Bool { mode == .createNew || lease != nil || lock != nil }
    /// Whether the answer may take until another session ends: nothing may queue behind it.
    var mayWait: Bool { (wait ?? .zero) > .zero }

    /// The request, the same at every attempt.
    func request(tagged: Bool) -> ClientRequest {
        var request = ClientRequest(.open, tagged: tagged || mayWait)
        request.operand(path)
        request.operand(mode.rawValue)
        if let permissions { request.option("mode", permissions.text) }
        if let lease { request.option("lease", lease.wholeMilliseconds) }
        if let lock { request.option("lock", lock.rawValue) }
        if let wait { request.option("wait", wait.wholeMilliseconds) }
        if let ifVersion { request.option("if-ver", ifVersion) }
        if needsName { request.nameOperation() }
        return request
    }

    /// The same file again, after its session was lost: whatever is there, nothing is made.
    var again: Opening {
        Opening(path: path, mode: mode == .read ? .read : .readWrite, lease: lease)
    }
}

extension Duration {
    /// Milliseconds as the wire has them, rounded up; nothing below zero.
    var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        if seconds < 0 || attoseconds < 0 { return 0 }
        let (milliseconds, isTooMuch) = seconds.multipliedReportingOverflow(by: 1000)
        if isTooMuch { return .max }
        let rest = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return milliseconds.addingReportingOverflow(rest).overflow ? .max : milliseconds + rest
    }
}
