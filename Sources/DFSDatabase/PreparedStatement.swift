import GRDB
import GRDBSQLite

/// A value to put in place of a `?`.
public enum ColumnValue: Equatable, Sendable, ExpressibleByIntegerLiteral {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])

    /// Takes a literal.
    public init(integerLiteral value: Int64) { self = .integer(value) }

    /// Takes an integer, or NULL for nil.
    public init(_ value: Int64?) { self = value.map(ColumnValue.integer) ?? .null }

    /// Takes bytes, or NULL for nil.
    public init(_ value: [UInt8]?) { self = value.map(ColumnValue.blob) ?? .null }
}

/// One SQL statement, compiled once per database and run many times.
///
/// Goes straight to SQLite's C interface: a million rows are read at start, and GRDB's rows cost
/// several times as much. Not to be kept beyond the `read` or `write` it was made in, nor run
/// again from within its own `rows`.
public struct PreparedStatement {
    private let statement: Statement
    private let connection: OpaquePointer

    init(_ statement: Statement, on connection: OpaquePointer) {
        self.statement = statement
        self.connection = connection
    }

    /// Runs a statement that yields no rows, with one value for each `?`.
    ///
    /// - Throws: `DatabaseFailure`; let it end the transaction.
    public func run(_ values: ColumnValue...) throws {
        try bind(values)
        defer { sqlite3_reset(statement.sqliteStatement) }
        let code = sqlite3_step(statement.sqliteStatement)
        guard code == SQLITE_DONE || code == SQLITE_ROW else { throw failure(code) }
    }

    /// Hands over each row of a query, in its order.
    ///
    /// - Throws: `DatabaseFailure`, or what `visit` throws.
    public func rows(
        _ values: ColumnValue..., visit: (borrowing ResultRow) throws -> Void
    ) throws {
        try bind(values)
        defer { sqlite3_reset(statement.sqliteStatement) }
        while true {
            switch sqlite3_step(statement.sqliteStatement) {
            case SQLITE_ROW: try visit(ResultRow(statement.sqliteStatement))
            case SQLITE_DONE: return
            case let code: throw failure(code)
            }
        }
    }

    private func bind(_ values: [ColumnValue]) throws {
        let handle = statement.sqliteStatement
        guard values.count == Int(sqlite3_bind_parameter_count(handle)) else {
            throw DatabaseFailure(.statement, "a value is missing, or there is one too many")
        }
        for (position, value) in values.enumerated() {
            let index = CInt(position + 1)
            let code: CInt
            switch value {
            case .null: code = sqlite3_bind_null(handle, index)
            case .integer(let number): code = sqlite3_bind_int64(handle, index, number)
            case .text(let text): code = text.bind(to: handle, at: index)
            case .blob(let bytes): code = bind(bytes, at: index)
            }
            guard code == SQLITE_OK else { throw failure(code) }
        }
    }

    private func bind(_ bytes: [UInt8], at index: CInt) -> CInt {
        let handle = statement.sqliteStatement
        // The address of no bytes may be nil, which SQLite takes for NULL.
        if bytes.isEmpty { return sqlite3_bind_zeroblob(handle, index, 0) }
        return bytes.withUnsafeBytes { buffer in
            sqlite3_bind_blob64(
                handle, index, buffer.baseAddress, UInt64(buffer.count), copyOnBind)
        }
    }

    private func failure(_ code: CInt) -> DatabaseError {
        DatabaseError(
            resultCode: ResultCode(rawValue: code),
            message: String(cString: sqlite3_errmsg(connection)))
    }
}

/// Tells SQLite to copy what is bound before the call returns: `SQLITE_TRANSIENT`, a macro.
private let copyOnBind = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

/// One row of a result, readable while it is visited.
public struct ResultRow: ~Copyable {
    private let statement: OpaquePointer

    fileprivate init(_ statement: OpaquePointer) { self.statement = statement }

    /// Reads an integer; columns count from 0.
    ///
    /// - Throws: `DatabaseFailure` of kind `damaged` where the column holds anything else.
    public func integer(_ column: Int32) throws -> Int64 {
        guard sqlite3_column_type(statement, column) == SQLITE_INTEGER else {
            throw wrongType(column, "a number")
        }
        return sqlite3_column_int64(statement, column)
    }

    /// Reads an integer; nil for NULL.
    public func optionalInteger(_ column: Int32) throws -> Int64? {
        isNull(column) ? nil : try integer(column)
    }

    /// Reads an integer that must fit a narrower type.
    ///
    /// - Throws: `DatabaseFailure` of kind `damaged` where it does not.
    @inlinable
    public func integer<Number: FixedWidthInteger>(
        _ column: Int32, as type: Number.Type
    ) throws -> Number {
        guard let number = Number(exactly: try integer(column)) else {
            throw wrongType(column, "a number in range")
        }
        return number
    }

    /// Reads bytes of a BLOB.
    ///
    /// - Throws: `DatabaseFailure` of kind `damaged` where the column holds anything else.
    public func bytes(_ column: Int32) throws -> [UInt8] {
        guard sqlite3_column_type(statement, column) == SQLITE_BLOB else {
            throw wrongType(column, "bytes")
        }
        let count = Int(sqlite3_column_bytes(statement, column))
        guard count > 0, let address = sqlite3_column_blob(statement, column) else { return [] }
        return [UInt8](UnsafeRawBufferPointer(start: address, count: count))
    }

    /// Reads text.
    ///
    /// - Throws: `DatabaseFailure` of kind `damaged` where the column holds anything else.
    public func text(_ column: Int32) throws -> String {
        guard sqlite3_column_type(statement, column) == SQLITE_TEXT,
            let address = sqlite3_column_text(statement, column)
        else { throw wrongType(column, "text") }
        return String(cString: address)
    }

    /// Whether the column holds NULL.
    public func isNull(_ column: Int32) -> Bool {
        sqlite3_column_type(statement, column) == SQLITE_NULL
    }

    @usableFromInline
    func wrongType(_ column: Int32, _ expected: String) -> DatabaseFailure {
        DatabaseFailure(
            .damaged,
            "it is damaged (column \(column) of a row is not \(expected)): move it away or restore a "
                + "copy")
    }
}
