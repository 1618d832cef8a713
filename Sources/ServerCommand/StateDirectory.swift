import DFSProtocol
import Glibc

/// The directory in which one server keeps what outlives a restart; held by one process at a time.
///
/// The hold is a lock on the file `lock` in it, which the kernel gives back however the process
/// ends.
public struct StateDirectory: Sendable {
    /// Where it is.
    public let path: String
    private let lock: Int32

    /// Makes the directory where there is none, for this user alone, and takes hold of it.
    ///
    /// - Throws: `StartError` where it can not be made or written, or another process holds it.
    public init(at path: String) throws(StartError) {
        self.path = path
        try StateDirectory.make(path)
        let file = "\(path)/lock"
        let descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StateDirectory.refusal(path, "can not be written") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let isHeld = errno == EWOULDBLOCK
            let error = StateDirectory.refusal(path, "can not be locked")
            close(descriptor)
            guard isHeld else { throw error }
            throw StartError(
                "the state directory \(shown(path)) is in use by another process: stop that one, or "
                    + "name another directory with --state")
        }
        lock = descriptor
    }

    /// Whether the directory is a folder, or lies somewhere below it, all links followed.
    ///
    /// False where the folder is not there.
    public func isInside(_ folder: String) -> Bool {
        guard let outer = StateDirectory.resolved(folder),
            let inner = StateDirectory.resolved(path)
        else { return false }
        return (inner + "/").hasPrefix(outer == "/" ? outer : outer + "/")
    }

    private static func resolved(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    /// The path of a file in the directory.
    public func file(_ name: String) -> String { "\(path)/\(name)" }

    /// What a file of a few lines in the directory holds; nil where there is none.
    ///
    /// - Throws: `StartError` where it can not be read or is over 16 MiB.
    public func contents(of name: String) throws(StartError) -> [UInt8]? {
        try readSmallFile(file(name), atMost: 16 << 20)
    }

    /// Puts new contents in the place of a file in the directory, durably: the old or the new.
    ///
    /// - Throws: `StartError` where the disk refuses.
    public func replace(_ name: String, with bytes: [UInt8]) throws(StartError) {
        try replaceFile(file(name), with: bytes, in: path)
    }

    /// Lets the next process take hold; the value is not used afterwards.
    ///
    /// Unlocked by name: a process that is being spawned at this moment holds a copy of the
    /// descriptor until its exec, and closing ours alone would leave the lock with it.
    public func release() throws(StartError) {
        guard flock(lock, LOCK_UN) == 0, close(lock) == 0 else {
            throw StateDirectory.refusal(path, "can not be released")
        }
    }

    /// Raises the number that counts this server's starts, durably, and returns it; the first is 1.
    ///
    /// - Throws: `StartError` where the file is damaged or the disk refuses.
    public func raiseEpoch() throws(StartError) -> Int64 {
        let name = file("epoch")
        let text = try readSmallFile(name)
        var last: Int64 = 0
        if let text {
            guard text.last == UInt8(ascii: "\n"),
                let number = Number.parse(Array(text.dropLast()).span)
            else {
                throw StartError(
                    "\(shown(name)) is damaged: write into it a number higher than every epoch that "
                        + "this server had (SERVERS at the name server shows the latest)")
            }
            last = number
        }
        let (next, isSpent) = last.addingReportingOverflow(1)
        if isSpent { throw StartError("\(shown(name)) is damaged: no number is higher") }
        try replaceFile(name, with: Array("\(next)\n".utf8), in: path)
        return next
    }

    /// Where the state is kept, in the order of the documents.
    ///
    /// - Parameter option: What `--state` says; nil where it was not given.
    /// - Throws: `StartError` where nothing says it and there is no home directory.
    static func path(
        option: String?, id: ServerID, environment: (String) -> String? = environment
    ) throws(StartError) -> String {
        if let option {
            guard !option.isEmpty else { throw StartError("--state names a directory") }
            return option
        }
        // A service manager may hand over several, with colons between; the first is ours.
        if let given = environment("STATE_DIRECTORY")?.split(separator: ":").first {
            return String(given)
        }
        // A relative path there is to be ignored (XDG Base Directory Specification).
        if let base = environment("XDG_STATE_HOME"), base.hasPrefix("/") {
            return "\(base)/dfs/\(id)"
        }
        if let home = environment("HOME"), home.hasPrefix("/") {
            return "\(home)/.local/state/dfs/\(id)"
        }
        throw StartError(
            "there is no place for the state: name a directory with --state, or set HOME")
    }

    private static func make(_ path: String) throws(StartError) {
        if mkdir(path, 0o700) == 0 { return try syncDirectory(above(path)) }
        switch errno {
        case EEXIST:
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                throw StartError("the state directory \(shown(path)) is not a directory")
            }
        case ENOENT where above(path) != path:
            try make(above(path))
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw refusal(path, "can not be made")
            }
            try syncDirectory(above(path))
        default: throw refusal(path, "can not be made")
        }
    }

    private static func refusal(_ path: String, _ what: String) -> StartError {
        StartError("the state directory \(shown(path)) \(what): \(reason())")
    }
}

/// The value of a variable, or nil where it is not set or empty.
private func environment(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
}

/// The directory that holds a path; trailing slashes do not count.
private func above(_ path: String) -> String {
    var trimmed = path[...]
    while trimmed.count > 1, trimmed.last == "/" { trimmed.removeLast() }
    guard let cut = trimmed.lastIndex(of: "/") else { return "." }
    return cut == trimmed.startIndex ? "/" : String(trimmed[..<cut])
}
