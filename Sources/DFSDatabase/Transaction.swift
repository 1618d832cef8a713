import GRDB
import GRDBSQLite

/// What may be done inside one `read` or `write`; not to be kept beyond it.
public struct Transaction {
    private let database: Database

    init(_ database: Database) { self.database = database }

    /// Compiles SQL, or finds it compiled already.
    ///
    /// - Parameter sql: One statement. From our own source, never with values pasted into it.
    public func statement(_ sql: String) throws -> PreparedStatement {
        guard let connection = database.sqliteConnection else {
            throw DatabaseFailure.closed
        }
        return PreparedStatement(try database.cachedStatement(sql: sql), on: connection)
    }

    /// The key that the latest INSERT gave; 0 where there was none.
    public var lastInsertedKey: Int64 { database.lastInsertedRowID }

    /// How many rows the latest INSERT, UPDATE or DELETE touched.
    public var changedRows: Int { database.changesCount }
}
