import GRDB
import GRDBSQLite
import Glibc

/// Why a database can not be used, or a change could not be kept, as a sentence without the path.
///
/// Whoever shows it adds the path, quoted: a path can hold any byte.
public struct DatabaseFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// What programs decide by.
    public enum Kind: Equatable, Sendable {
        /// The file can not be opened or made.
        case cannotOpen
        /// Another process, or another part of this one, has it open.
        case inUse
        /// It is no database, or one of another program.
        case foreign
        /// A later version of the program wrote it.
        case newer
        /// Its contents contradict each other; nothing is written any more.
        case damaged
        /// The disk or the quota is full: nothing of the change was kept, and it may be tried
        /// again.
        case outOfSpace
        /// The disk failed; whether the change will be there after a restart is not known.
        case disk
        /// This SQLite does not do what durability needs.
        case notDurable
        /// It was closed.
        case closed
        /// The program asked for something that SQL refuses.
        case statement
    }

    /// What programs decide by.
    public let kind: Kind
    /// What is wrong and what to do, without the path.
    public let description: String

    /// Joins a kind and its sentence.
    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    /// Whether nothing may be written any more before the file was opened anew.
    ///
    /// A failed fsync is never repeated: the kernel may have dropped the pages and report success.
    /// A read that failed counts as damage, as SQLite tells it so.
    public var stopsWriting: Bool { kind == .disk || kind == .damaged }
}

extension DatabaseFailure {
    /// Names what SQLite reported; `systemError` is the errno behind an I/O error, 0 for none.
    init(code: ResultCode, message: String, systemError: CInt) {
        switch code.primaryResultCode {
        case .SQLITE_FULL:
            self = .outOfSpace
        case .SQLITE_IOERR where [ENOSPC, EDQUOT, EFBIG].contains(systemError):
            self = .outOfSpace
        case .SQLITE_IOERR:
            let cause = systemError == 0 ? message : String(cString: strerror(systemError))
            self.init(
                .disk,
                "the disk failed (\(cause)): this file is not written any more; once the disk works, "
                    + "a new one takes its place")
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            self.init(.inUse, "it is in use by another process: stop that one first")
        case .SQLITE_NOTADB:
            self.init(.foreign, "it is not a database: name another file")
        case .SQLITE_CORRUPT, .SQLITE_FORMAT:
            self.init(.damaged, "it is damaged (\(message)): move it away or restore a copy")
        case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
            let cause = systemError == 0 ? message : String(cString: strerror(systemError))
            self.init(
                .cannotOpen,
                "it can not be opened for writing (\(cause)): check that its directory exists and "
                    + "belongs to this user")
        case .SQLITE_MISUSE:
            self = .closed
        default:
            self.init(.statement, "SQLite refused (\(code.rawValue)): \(message)")
        }
    }

    /// Names what a database of ours reported.
    init(_ error: DatabaseError, systemError: CInt) {
        self.init(
            code: error.extendedResultCode, message: error.message ?? "no message",
            systemError: systemError)
    }

    static let closed = DatabaseFailure(.closed, "it was closed")

    static let outOfSpace = DatabaseFailure(
        .outOfSpace, "no space is left: nothing of the change was kept; free some and try again")
}

/// The errno behind the latest I/O error of a connection; 0 where none is known.
///
/// SQLite records it for every statement but COMMIT, where most writes happen; there the log's file
/// knows.
func systemError(of connection: OpaquePointer) -> CInt {
    let recorded = sqlite3_system_errno(connection)
    if recorded != 0 { return recorded }
    var log: UnsafeMutablePointer<sqlite3_file>?
    var lastError: CInt = 0
    guard
        sqlite3_file_control(connection, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK,
        let log, let methods = log.pointee.pMethods,
        methods.pointee.xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &lastError) == SQLITE_OK
    else { return 0 }
    return lastError
}
