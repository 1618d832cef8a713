import DFSDatabase
import Synchronization

/// Keeps a ledger in `.dfs/ledger.sqlite` at the top of its export.
final class LedgerDatabase: LedgerStore {
    private static let layout = DatabaseLayout(
        applicationID: 0x6466_736C,  // "dfsl"
        steps: [
            """
            CREATE TABLE node (
                id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name BLOB NOT NULL,
                kind INTEGER NOT NULL, mode INTEGER NOT NULL, fid INTEGER NOT NULL,
                ver INTEGER NOT NULL, size INTEGER NOT NULL, inode INTEGER NOT NULL,
                mtime INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
                ctime INTEGER NOT NULL, ctime_ns INTEGER NOT NULL);
            CREATE TABLE header (key INTEGER PRIMARY KEY, value INTEGER NOT NULL);
            INSERT INTO header VALUES (1, 0), (2, 0), (3, 0);
            """,
            // The identity: 62 bits of chance, above 0.
            "INSERT INTO header VALUES (4, random() & 9223372036854775806 | 1)",
            // Whether the disk failed under a file, and nobody has read it whole since.
            "ALTER TABLE node ADD COLUMN unverified INTEGER NOT NULL DEFAULT 0",
        ])

    private let path: String
    private let current: Mutex<DurableDatabase>
    private let reserve: LedgerReserve
    private let isReachable: @Sendable () -> Bool

    /// Opens the file, or makes it.
    ///
    /// - Parameter isReachable: Whether the name of its folder leads to it; asked before another
    ///   file is made there.
    init(
        at path: String, isReachable: @escaping @Sendable () -> Bool = { true }
    ) throws(DatabaseFailure) {
        self.path = path
        self.isReachable = isReachable
        let database = try naming {
            try DurableDatabase(at: path, layout: LedgerDatabase.layout)
        }
        current = Mutex(database)
        reserve = LedgerReserve(path: path + "-reserve")
        reserve.refill()
    }

    private var database: DurableDatabase { current.withLock { $0 } }

    func load(_ visit: (LedgerRow) throws -> Void) throws(DatabaseFailure) -> LedgerHeader {
        try naming {
            try database.read { transaction in
                try transaction.statement(
                    """
                    SELECT id, parent, name, kind, mode, fid, ver, size, inode, mtime, mtime_ns,
                        ctime, ctime_ns, unverified FROM node ORDER BY id
                    """
                ).rows { row in try visit(try LedgerDatabase.row(row)) }
                var header = LedgerHeader()
                try transaction.statement("SELECT key, value FROM header").rows { row in
                    switch try row.integer(0) {
                    case 1: header.opening = try row.integer(1)
                    case 2: header.generation = try row.integer(1)
                    case 3: header.layout = try row.integer(1)
                    case 4: header.identity = try row.integer(1)
                    default: break
                    }
                }
                guard header.identity > 0 else { throw LedgerDatabase.damaged("no identity") }
                guard LedgerDatabase.openings.contains(header.opening),
                    LedgerDatabase.counts.contains(header.generation)
                else { throw LedgerDatabase.damaged("header") }
                return header
            }
        }
    }

    /// What an opening can be: the upper half of identities, and another one comes after it.
    private static let openings = Int64(0)..<((1 << 30) + (1 << 29))
    /// What a count can be: nobody counts to its end.
    private static let counts = Int64(0)..<(1 << 62)

    private static func row(_ row: borrowing ResultRow) throws -> LedgerRow {
        var node = LedgerNode()
        node.parent = try row.integer(1, as: NodeID.self)
        let name = try row.bytes(2)
        node.kind = LedgerNode.Kind(rawValue: try row.integer(3, as: UInt8.self)) ?? .free
        node.permissions = try row.integer(4, as: UInt16.self)
        node.fid = try row.integer(5)
        node.ver = try row.integer(6)
        node.stamp = FileStamp(
            size: try row.integer(7), inode: UInt64(bitPattern: try row.integer(8)),
            mtimeSeconds: try row.integer(9), ctimeSeconds: try row.integer(11),
            mtimeNanoseconds: try row.integer(10, as: Int32.self),
            ctimeNanoseconds: try row.integer(12, as: Int32.self))
        node.isUnverified = try row.integer(13) != 0
        let id = try row.integer(0, as: NodeID.self)
        guard id != .max, node.kind != .free, name.count <= 255, name.isEmpty == (id == 0),
            openings.contains(node.fid >> 32), counts.contains(node.ver)
        else {
            throw damaged("row \(id)")
        }
        return LedgerRow(id: id, name: name, node: node)
    }

    private static func damaged(_ place: String) -> DatabaseFailure {
        DatabaseFailure(
            .damaged,
            "the ledger is damaged (\(place)): move .dfs away and start once with --new-export and "
                + "the mount; identities of files begin anew")
    }

    func commit(
        _ rows: [LedgerRow], forgetting places: [NodeID], _ header: LedgerHeader
    ) throws(DatabaseFailure) {
        do throws(DatabaseFailure) {
            try put(rows, forgetting: places, header)
            reserve.refill()
        } catch {
            guard error.kind == .outOfSpace, reserve.release() else { throw error }
            try put(rows, forgetting: places, header)
        }
    }

    private func put(
        _ rows: [LedgerRow], forgetting places: [NodeID], _ header: LedgerHeader
    ) throws(DatabaseFailure) {
        try naming {
            try database.write { transaction in
                try LedgerDatabase.put(rows, forgetting: places, header, in: transaction)
            }
        }
    }

    private static func put(
        _ rows: [LedgerRow], forgetting places: [NodeID], _ header: LedgerHeader,
        in transaction: Transaction
    ) throws {
        let forget = try transaction.statement("DELETE FROM node WHERE id = ?")
        for id in places { try forget.run(.integer(Int64(id))) }
        let keep = try transaction.statement(
            """
            INSERT OR REPLACE INTO node (id, parent, name, kind, mode, fid, ver, size, inode,
                mtime, mtime_ns, ctime, ctime_ns, unverified)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
        for row in rows { try LedgerDatabase.keep(row, keep) }
        let put = try transaction.statement("UPDATE header SET value = ? WHERE key = ?")
        try put.run(.integer(header.opening), 1)
        try put.run(.integer(header.generation), 2)
        try put.run(.integer(header.layout), 3)
    }

    func replace(
        _ page: (Int) -> [LedgerRow]?, _ last: () -> (LedgerBatch, LedgerHeader)
    ) throws(DatabaseFailure) {
        guard isReachable() else {
            throw DatabaseFailure(
                .cannotOpen, "its folder is gone, or something is mounted over it: put it back")
        }
        let old = database
        let new = try naming {
            try DurableDatabase.replace(old, at: path, layout: LedgerDatabase.layout) {
                transaction in
                var number = 0
                while let rows = page(number) {
                    let keep = try transaction.statement(
                        """
                        INSERT INTO node (id, parent, name, kind, mode, fid, ver, size, inode,
                            mtime, mtime_ns, ctime, ctime_ns, unverified)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                        """)
                    for row in rows { try LedgerDatabase.keep(row, keep) }
                    number += 1
                }
                let (batch, header) = last()
                try LedgerDatabase.put(
                    batch.rows, forgetting: batch.forgotten, header, in: transaction)
                // The one time that it is written: the new file is the same ledger.
                try transaction.statement("UPDATE header SET value = ? WHERE key = 4")
                    .run(.integer(header.identity))
            }
        }
        current.withLock { $0 = new }
    }

    private static func keep(_ row: LedgerRow, _ statement: PreparedStatement) throws {
        let (node, stamp) = (row.node, row.node.stamp)
        try statement.run(
            .integer(Int64(row.id)), .integer(Int64(node.parent)), .blob(row.name),
            .integer(Int64(node.kind.rawValue)), .integer(Int64(node.permissions)),
            .integer(node.fid), .integer(node.ver), .integer(stamp.size),
            .integer(Int64(bitPattern: stamp.inode)), .integer(stamp.mtimeSeconds),
            .integer(Int64(stamp.mtimeNanoseconds)), .integer(stamp.ctimeSeconds),
            .integer(Int64(stamp.ctimeNanoseconds)), .integer(node.isUnverified ? 1 : 0))
    }

    func close() throws(DatabaseFailure) { try naming { try database.close() } }
}

/// Narrows what the database layer throws to its own failures.
private func naming<Result>(_ body: () throws -> Result) throws(DatabaseFailure) -> Result {
    do {
        return try body()
    } catch let failure as DatabaseFailure {
        throw failure
    } catch {
        throw DatabaseFailure(.statement, "the ledger refused: \(error)")
    }
}
