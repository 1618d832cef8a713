import Glibc

/// The file that keeps history between sessions: a line an entry, readable by its owner only.
///
/// Lines are appended under a lock, and the file is shortened under the same lock, so that two
/// shells lose nothing of each other. Whatever goes wrong with the file, the shell goes on.
public struct HistoryFile: Sendable {
    /// Where it is.
    public let path: String

    /// Takes a path; nothing is made before something is read or appended.
    public init(path: String) { self.path = path }

    /// Finds the place: `DFSH_HISTFILE`, else below `XDG_STATE_HOME` or `~/.local/state`.
    ///
    /// - Returns: nil where there is none: no home, or `DFSH_HISTFILE` is set to nothing.
    public static func usual(_ variable: (String) -> String?) -> HistoryFile? {
        if let named = variable("DFSH_HISTFILE") {
            return named.isEmpty ? nil : HistoryFile(path: named)
        }
        // A relative path is ignored, as the XDG specification asks for.
        if let state = variable("XDG_STATE_HOME"), state.hasPrefix("/") {
            return HistoryFile(path: "\(state)/dfsh/history")
        }
        guard let home = variable("HOME"), home.hasPrefix("/") else { return nil }
        return HistoryFile(path: "\(home)/.local/state/dfsh/history")
    }

    /// Reads the newest lines, oldest first, and shortens a file that has grown too long.
    ///
    /// - Parameter limit: How many are kept, in the file too.
    public func load(_ limit: Int = LineHistory.limit) -> LineHistory {
        guard let (descriptor, isLocked) = openLocked() else { return LineHistory(limit: limit) }
        defer { close(descriptor) }
        let lines = HistoryFile.readAll(descriptor).split(separator: UInt8(ascii: "\n")).map {
            Array($0)
        }
        let kept = LineHistory(loaded: lines, limit: limit)
        if lines.count > limit, isLocked { replace(with: kept.lines) }
        return kept
    }

    /// Adds one line at the end.
    public func append(_ line: [UInt8]) {
        guard let (descriptor, _) = openLocked() else { return }
        defer { close(descriptor) }
        HistoryFile.writeAll(descriptor, line + [UInt8(ascii: "\n")])
    }

    /// How often the file may be replaced by another shell between opening and locking it.
    private static let attempts = 64
    /// Tries of 5 ms each until the lock is given up; without it a line is appended all the same.
    ///
    /// A shell holds the lock for less than a millisecond: only one that was stopped in the middle,
    /// or a dead file system, costs these five seconds.
    private static let lockTries = 1000

    private func openLocked() -> (descriptor: Int32, isLocked: Bool)? {
        makeFolders()
        for _ in 0..<HistoryFile.attempts {
            let flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
            let descriptor = open(path, flags, 0o600)
            guard descriptor >= 0 else { return nil }
            let isLocked = HistoryFile.lock(descriptor)
            var (opened, named) = (stat(), stat())
            guard fstat(descriptor, &opened) == 0, opened.st_mode & S_IFMT == S_IFREG else {
                close(descriptor)
                return nil
            }
            if stat(path, &named) == 0, named.st_ino == opened.st_ino,
                named.st_dev == opened.st_dev
            {
                if opened.st_mode & 0o077 != 0 { fchmod(descriptor, 0o600) }
                return (descriptor, isLocked)
            }
            close(descriptor)
        }
        return nil
    }

    private static func lock(_ descriptor: Int32) -> Bool {
        for _ in 0..<lockTries {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
            guard errno == EWOULDBLOCK || errno == EINTR else { return false }
            poll(nil, 0, 5)
        }
        return false
    }

    private func makeFolders() {
        let components = path.split(separator: "/").dropLast()
        var folder = path.hasPrefix("/") ? "" : "."
        for component in components {
            folder += "/\(component)"
            // What is there already stays as it is; what can not be made is noticed by open.
            mkdir(folder, 0o700)
        }
    }

    private func replace(with lines: [[UInt8]]) {
        // The name behind a symbolic link is replaced, and not the link.
        let target = HistoryFile.resolved(path)
        let temporary = "\(target).\(getpid())"
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
        let descriptor = open(temporary, flags, 0o600)
        guard descriptor >= 0 else { return }
        let text = lines.flatMap { $0 + [UInt8(ascii: "\n")] }
        let isWhole = HistoryFile.writeAll(descriptor, text)
        close(descriptor)
        if !isWhole || rename(temporary, target) != 0 { unlink(temporary) }
    }

    private static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    private static func readAll(_ descriptor: Int32) -> [UInt8] {
        var result: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return result }
            result.append(contentsOf: buffer[..<count])
        }
    }

    @discardableResult
    private static func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
