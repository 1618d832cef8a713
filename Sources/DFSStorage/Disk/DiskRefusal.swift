import CPosix
import DFSDatabase
import DFSProtocol

/// The one place where an errno becomes an answer.
///
/// - Source: errno(3); Protocol.md, "Errors".
enum DiskRefusal {
    /// Names what the system refused; the sentence says what to do next.
    static func of(_ error: SystemError, _ path: TreePath?) -> RequestError {
        let (code, advice) = answer(error.code)
        var fields: [RequestError.Field] = []
        if let path { fields.append(.init("path", path.bytes)) }
        if code == .busy { fields.append(.init("retry", number: 1000)) }
        if code == .nameTooLong { fields.append(.init("max", number: Limits.componentBytes)) }
        return RequestError(code, advice, fields: fields)
    }

    private static func answer(_ code: Int32) -> (ErrorCode, String) {
        switch code {
        case ENOENT, ESTALE: (.notFound, "no such file or directory")
        case EEXIST: (.exists, "the name is taken; choose another or remove it first")
        case ENOTDIR: (.notDirectory, "a part of the path is a file, not a directory")
        case EISDIR: (.isDirectory, "it is a directory; a file was expected")
        case ENOTEMPTY: (.notEmpty, "the directory is not empty; remove its contents first")
        case ENAMETOOLONG: (.nameTooLong, "the name is too long for the file system of this export")
        case ENOSPC: (.noSpace, "the disk of this server is full; remove something first")
        case EDQUOT: (.quota, "the quota on this server's disk is used up; remove something first")
        case EROFS: (.readOnly, "the export's file system is mounted read-only")
        case ETXTBSY: (.denied, "the file is a program that runs on the server; try when it ended")
        case EACCES, EPERM:
            (.denied, "the server's user has no permission on disk; ask who runs the server")
        case ELOOP: (.denied, "a symbolic link stands in the path; links are never followed")
        case EXDEV:
            (.crossServer, "the two places are on different file systems; copy, then remove")
        case EFBIG, EOVERFLOW: (.range, "the file would be larger than the file system allows")
        case EMFILE, ENFILE, ENOMEM, EAGAIN, EBUSY, ENOBUFS:
            (.busy, "the server is short of something for the moment; try again")
        case EINVAL: (.badArgument, "the file system of this export refuses that value or name")
        case EILSEQ: (.badName, "the file system of this export can not keep that name")
        default:
            (
                .io,
                "the disk failed (\(String(cString: strerror(code)))); ask who runs the server"
            )
        }
    }

    /// Names why the ledger could not keep something.
    static func of(_ failure: DatabaseFailure) -> RequestError {
        switch failure.kind {
        case .outOfSpace:
            RequestError(.noSpace, "the disk of this server is full; remove something first")
        case .disk:
            RequestError(
                .io,
                "the disk failed under the server's ledger, which is written anew as soon as it "
                    + "can be; try again, or ask who runs the server")
        default:
            RequestError(.io, "the server's ledger can not be written: \(failure.description)")
        }
    }

    /// A file that was replaced or removed under a session.
    static func stale(_ path: TreePath) -> RequestError {
        RequestError(
            .staleFile, path: path,
            "the file was replaced or removed; open it again and compare before writing")
    }

    /// A name that stands as it was asked for, and that disk or ledger may lose with a crash.
    ///
    /// No other code says that something was done: whoever repeats after `no-space` may do it
    /// twice.
    static func inDoubt(_ error: RequestError, _ path: TreePath) -> RequestError {
        RequestError(
            .io, path: path,
            "the file stands under its name, but the server can not make that durable: look at it "
                + "before you repeat this (\(error.advice))")
    }

    /// What is neither a regular file nor a directory.
    static func unserved(_ path: TreePath) -> RequestError {
        RequestError(
            .denied, path: path,
            "only regular files and directories are served, and this is neither")
    }

    /// A place on another file system than its export.
    static func mounted(_ path: TreePath) -> RequestError {
        RequestError(
            .denied, path: path,
            "another file system is mounted there, and an export serves only its own; have it "
                + "exported by itself")
    }

    /// What is hidden by a file system that was mounted over it.
    static func covered(_ path: TreePath) -> RequestError {
        RequestError(
            .io, path: path,
            "another file system is mounted over it; it is back when that one is unmounted, and "
                + "what that one holds can be exported by itself",
            fields: [.init("retry", number: 1000)])
    }

    /// An export whose folder is not where it was.
    static func unavailable(_ path: TreePath) -> RequestError {
        RequestError(
            .io, path: path,
            "the exported folder is gone or another stands there; put the same one back, or start "
                + "the server anew to serve a copy of it",
            fields: [.init("retry", number: 1000)])
    }
}
