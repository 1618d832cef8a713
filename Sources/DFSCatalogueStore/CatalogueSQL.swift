import DFSDatabase

extension DatabaseLayout {
    /// `dfsC`.
    static let catalogueMark: Int32 = 0x6466_7343

    /// The catalogue's tables.
    static let catalogue = DatabaseLayout(
        applicationID: catalogueMark, steps: [CatalogueSQL.version1, CatalogueSQL.version2])
}

/// The statements of the catalogue; columns stand in one order everywhere.
enum CatalogueSQL {
    /// The tables of version 1; `STRICT` refuses a row with a value of another type.
    ///
    /// Times are seconds and nanoseconds since 1970.
    static let version1 = """
        CREATE TABLE server (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL, address TEXT NOT NULL,
            epoch INTEGER NOT NULL, generation INTEGER, mounts BLOB NOT NULL,
            goodbye INTEGER NOT NULL, seen INTEGER NOT NULL) STRICT;
        CREATE TABLE node (
            number INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name BLOB NOT NULL,
            kind INTEGER NOT NULL, server INTEGER NOT NULL, size INTEGER NOT NULL,
            seconds INTEGER NOT NULL, nanoseconds INTEGER NOT NULL, mode INTEGER,
            fid INTEGER NOT NULL, ver INTEGER NOT NULL, explicit INTEGER NOT NULL,
            deadline INTEGER NOT NULL) STRICT;
        CREATE TABLE holding (
            node INTEGER NOT NULL, server INTEGER NOT NULL, size INTEGER,
            seconds INTEGER, nanoseconds INTEGER, mode INTEGER, fid INTEGER, ver INTEGER,
            PRIMARY KEY (node, server)) STRICT, WITHOUT ROWID;
        CREATE TABLE counter (
            name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        """

    /// Version 2 remembers changes that clients named, and servers that were retired.
    static let version2 = """
        CREATE TABLE operation (
            op BLOB PRIMARY KEY, request BLOB NOT NULL, stage INTEGER NOT NULL,
            answer BLOB NOT NULL, node INTEGER NOT NULL, server INTEGER NOT NULL,
            fid INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        ALTER TABLE server ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;
        """

    static let allServers = """
        SELECT number, id, address, epoch, generation, mounts, goodbye, seen, retired FROM server
        """
    static let allNodes = """
        SELECT number, parent, name, kind, server, size, seconds, nanoseconds, mode, fid, ver,
            explicit, deadline FROM node
        """
    static let allHoldings = """
        SELECT node, server, size, seconds, nanoseconds, mode, fid, ver FROM holding
        """
    static let allCounters = "SELECT name, value FROM counter"
    static let allOperations = """
        SELECT op, request, stage, answer, node, server, fid FROM operation
        """

    static let putServer = "INSERT OR REPLACE INTO server VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    static let putNode = """
        INSERT OR REPLACE INTO node VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    static let removeNode = "DELETE FROM node WHERE number = ?"
    static let putHolding = "INSERT OR REPLACE INTO holding VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    static let removeHolding = "DELETE FROM holding WHERE node = ? AND server = ?"
    static let putCounter = "INSERT OR REPLACE INTO counter VALUES (?, ?)"
    static let putOperation = "INSERT OR REPLACE INTO operation VALUES (?, ?, ?, ?, ?, ?, ?)"
    static let removeOperation = "DELETE FROM operation WHERE op = ?"
}
