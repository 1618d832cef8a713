import GRDB
import Glibc

extension DurableDatabase {
    /// Refuses what is not ours, sets and reads back what durability needs, and makes the tables.
    static func prepare(_ database: Database, _ layout: DatabaseLayout) throws {
        let version = try recognise(database, layout)
        _ = try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL")
        try database.execute(
            sql: """
                PRAGMA synchronous = FULL;
                PRAGMA trusted_schema = OFF;
                PRAGMA cell_size_check = ON;
                PRAGMA journal_size_limit = \(logBytesKept);
                """)
        try DurabilitySettings(of: database).check()
        guard version < layout.version else { return }
        try database.inTransaction(.immediate) {
            for step in layout.steps[Int(version)...] { try database.execute(sql: step) }
            try database.execute(
                sql: """
                    PRAGMA application_id = \(layout.applicationID);
                    PRAGMA user_version = \(layout.version);
                    """)
            return .commit
        }
    }

    /// Log above this many bytes is given back to the file system after a checkpoint.
    private static let logBytesKept = 64 << 20

    /// Tells a new file from one of ours and from a stranger's, without a write.
    ///
    /// - Returns: The version of its tables; 0 for a new file.
    private static func recognise(_ database: Database, _ layout: DatabaseLayout) throws -> Int32 {
        let mark = try Int32.fetchOne(database, sql: "PRAGMA application_id") ?? 0
        let version = try Int32.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        let entries = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
        if mark == 0, version == 0, entries == 0 { return 0 }
        guard mark == layout.applicationID else {
            throw DatabaseFailure(
                .foreign, "it is a database of another program: name another file")
        }
        guard version <= layout.version else {
            throw DatabaseFailure(
                .newer,
                "a newer version of this program wrote it (layout \(version), this one knows "
                    + "\(layout.version)): use that version")
        }
        guard version >= 1 else {
            throw DatabaseFailure(
                .damaged, "it is damaged (layout \(version)): move it away or restore a copy")
        }
        return version
    }
}

/// Makes the directory entry of a new file durable; SQLite does this for its log alone.
func syncDirectory(holding path: String) throws(DatabaseFailure) {
    let cut = path.lastIndex(of: "/")
    let directory =
        switch cut {
        case nil: "."
        case path.startIndex?: "/"
        case .some(let cut): String(path[..<cut])
        }
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else {
        throw DatabaseFailure(
            .cannotOpen, "its directory can not be opened (\(String(cString: strerror(errno))))")
    }
    defer { close(descriptor) }
    // A file system without fsync on directories says EINVAL; there is nothing better to ask for.
    if fsync(descriptor) != 0, errno != EINVAL {
        throw DatabaseFailure(
            .disk, "its directory can not be made durable (\(String(cString: strerror(errno))))")
    }
}
