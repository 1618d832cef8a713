import DFSProtocol
import Glibc

/// Names on this machine: any bytes but NUL, as the system has them.
enum LocalName {
    /// One entry of a local directory.
    struct Entry: Sendable {
        enum Kind: Equatable, Sendable {
            case file
            case directory
            case symbolicLink
            /// A FIFO, device or socket.
            case special
            /// What the system does not tell of, for this reason (`errno`): a broken disk or mount.
            case unreadable(Int32)
        }

        let name: [UInt8]
        let kind: Kind
    }

    /// Hands a path to a system call.
    static func withPath<Result>(
        _ path: [UInt8], _ body: (UnsafePointer<CChar>) -> Result
    ) -> Result {
        // A NUL would cut the path: the call then sees a name that can not exist.
        let safe = path.contains(0) ? [UInt8]("/dev/null/".utf8) : path
        return (safe.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { preconditionFailure("it holds the NUL") }
            return body(base)
        }
    }

    /// The bytes of a C string.
    static func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
        let length = strlen(text)
        return UnsafeBufferPointer(start: text, count: length).map { UInt8(bitPattern: $0) }
    }

    /// The bytes of a directory entry's name.
    static func bytes(of entry: UnsafeMutablePointer<dirent>) -> [UInt8] {
        withUnsafePointer(to: &entry.pointee.d_name) { tuple in
            tuple.withMemoryRebound(
                to: CChar.self, capacity: MemoryLayout.size(ofValue: tuple.pointee)
            ) { bytes($0) }
        }
    }

    /// A path and a name below it.
    static func join(_ directory: [UInt8], _ name: some Collection<UInt8>) -> [UInt8] {
        if directory.isEmpty { return Array(name) }
        return directory + (directory.last == TreePath.slash ? [] : [TreePath.slash]) + name
    }
}

/// A system call on a local name that failed.
struct LocalFailure: Error, Equatable, Sendable {
    /// What it was about, as the person named it or below it.
    let path: [UInt8]
    /// `errno`.
    let number: Int32

    /// The failure with the code that scripts see.
    var told: ShellFailure {
        let code: ExitCode =
            switch number {
            case ENOENT: .notFound
            case EACCES, EPERM, EROFS: .denied
            case EEXIST, ENOTEMPTY: .conflict
            default: .failed
            }
        let subject = "local \(path.isEmpty ? "directory" : Word.typed(path))"
        return ShellFailure(
            code,
            number == ELOOP
                ? "\(subject): is a symbolic link, which is not followed here"
                : LocalFailure.sentence(subject, number))
    }

    /// What the system says of an error number, behind what it is about.
    static func sentence(_ subject: String, _ number: Int32) -> String {
        "\(subject): " + (strerror(number).map { String(cString: $0) } ?? "error \(number)")
    }

    static func failure(_ path: [UInt8], _ number: Int32) -> ShellFailure {
        LocalFailure(path: path, number: number).told
    }
}
