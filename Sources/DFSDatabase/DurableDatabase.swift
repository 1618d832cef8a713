import GRDB
import GRDBSQLite
import Synchronization

/// One SQLite file that this process alone has open, and in which what was written stays written.
///
/// `write` returns after the disk has the change: write-ahead log, `synchronous=FULL`, read back at
/// start because GRDB sets NORMAL with the log, which loses acknowledged commits in a power cut.
/// One connection writes and checkpoints, in exclusive mode: SQLite 3.40.1 (Debian 12) can lose a
/// reset of the log when two do, and a second process gets `inUse` instead of a chance to.
///
/// Calls block; they belong on a thread of their own, never on an event loop. Many small changes
/// share one `write`: a commit costs an fsync, whatever is in it.
public final class DurableDatabase: Sendable {
    private let queue: DatabaseQueue
    /// Set by the first failure after which nothing may be written; never cleared.
    private let stopped = Mutex<DatabaseFailure?>(nil)

    /// Opens a file, or makes it where there is none, and brings its tables to the layout's
    /// version.
    ///
    /// Nothing is written to a file that is refused.
    ///
    /// - Parameter path: The file; beside it SQLite keeps `path-wal`. The directory must exist.
    /// - Throws: `DatabaseFailure`: in use, foreign, newer, damaged, no space, or it can not be
    ///   opened.
    public init(at path: String, layout: DatabaseLayout) throws {
        try DurableDatabase.finishReplacement(at: path)
        var configuration = Configuration()
        configuration.label = "dfs.database"
        configuration.foreignKeysEnabled = false
        configuration.prepareDatabase { database in
            // Before the first look at the file, so that the log needs no shared memory.
            try database.execute(sql: "PRAGMA locking_mode = EXCLUSIVE")
        }
        queue = try naming { try DatabaseQueue(path: path, configuration: configuration) }
        try naming {
            try queue.writeWithoutTransaction { database in
                try naming(on: database) { try DurableDatabase.prepare(database, layout) }
            }
        }
        try syncDirectory(holding: path)
    }

    /// Runs a change, durable when this returns, and gone as a whole when this throws.
    ///
    /// After a failure of the disk itself (`disk`, `damaged`) every later call throws the same: a
    /// failed fsync is never repeated. After `outOfSpace` the same change may be tried again.
    ///
    /// - Throws: `DatabaseFailure`, or what `change` throws.
    public func write<Result>(_ change: (Transaction) throws -> Result) throws -> Result {
        if let failure = stopped.withLock({ $0 }) { throw failure }
        return try use { database in
            var result: Result?
            try database.inTransaction(.immediate) {
                result = try change(Transaction(database))
                return .commit
            }
            guard let result else { throw DatabaseFailure(.statement, "nothing was committed") }
            return result
        }
    }

    /// Runs queries that see one state; a statement that would change something is refused.
    ///
    /// - Throws: `DatabaseFailure`, or what `query` throws.
    public func read<Result>(_ query: (Transaction) throws -> Result) throws -> Result {
        try use { database in try database.readOnly { try query(Transaction(database)) } }
    }

    /// Looks through every page for contradictions; about a second for a gigabyte in memory.
    ///
    /// - Throws: `DatabaseFailure` of kind `damaged` with the first finding.
    public func verify() throws {
        let finding = try use { database in
            try String.fetchOne(database, sql: "PRAGMA quick_check(1)") ?? "no answer"
        }
        if finding != "ok" {
            throw DatabaseFailure(
                .damaged, "it is damaged (\(finding)): move it away or restore a copy")
        }
    }

    /// Moves everything from the log into the file and closes it; later calls throw `closed`.
    ///
    /// - Throws: `DatabaseFailure` where the disk refused; what was committed is safe in the log.
    ///   After a failure that ended all writing the connection stays as it is, for the end of the
    ///   process.
    public func close() throws {
        if let failure = stopped.withLock({ $0 }) { throw failure }
        try use { _ = try $0.checkpoint(.truncate) }
        try naming { try queue.close() }
    }

    /// Lets go of the file as it is; for one that failed and is replaced.
    func abandon() {
        // It may not be written any more, so there is nothing left that could go wrong.
        try? queue.close()
    }

    /// Runs something on the connection, names what SQLite reports, and remembers what ends all
    /// writing.
    private func use<Result>(_ body: (Database) throws -> Result) throws -> Result {
        do {
            return try queue.writeWithoutTransaction { database in
                // GRDB's own `read` hands a closed connection to SQLite, which does not survive it.
                guard database.sqliteConnection != nil else { throw DatabaseFailure.closed }
                return try naming(on: database) { try body(database) }
            }
        } catch let failure as DatabaseFailure {
            if failure.stopsWriting { stopped.withLock { $0 = $0 ?? failure } }
            throw failure
        }
    }
}

/// Turns SQLite's errors into ours; others pass.
private func naming<Result>(
    on database: Database? = nil, _ body: () throws -> Result
) throws -> Result {
    do {
        return try body()
    } catch let error as DatabaseError {
        throw DatabaseFailure(
            error, systemError: database?.sqliteConnection.map(systemError(of:)) ?? 0)
    }
}

/// How a connection keeps its promises, as SQLite reports it.
struct DurabilitySettings: Equatable {
    var journalMode: String
    var synchronous: Int64
    var lockingMode: String

    static let required = DurabilitySettings(
        journalMode: "wal", synchronous: 2, lockingMode: "exclusive")

    /// Reads back what is in force.
    init(of database: Database) throws {
        journalMode = try String.fetchOne(database, sql: "PRAGMA journal_mode") ?? ""
        synchronous = try Int64.fetchOne(database, sql: "PRAGMA synchronous") ?? -1
        lockingMode = try String.fetchOne(database, sql: "PRAGMA locking_mode") ?? ""
    }

    /// Joins the three settings.
    init(journalMode: String, synchronous: Int64, lockingMode: String) {
        self.journalMode = journalMode
        self.synchronous = synchronous
        self.lockingMode = lockingMode
    }

    /// Refuses to go on where a commit would not be durable.
    func check() throws(DatabaseFailure) {
        guard self != .required else { return }
        throw DatabaseFailure(
            .notDurable,
            "this SQLite does not keep commits durably (journal_mode=\(journalMode) "
                + "synchronous=\(synchronous) locking_mode=\(lockingMode)): the file system or the "
                + "library can not be used")
    }
}
