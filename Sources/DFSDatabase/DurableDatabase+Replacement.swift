import Glibc

extension DurableDatabase {
    /// Writes a file anew with everything in it, and puts it in the place of one that failed.
    ///
    /// What the kernel holds of a file after a failed fsync is not what the disk holds, so the old
    /// file and its log are never written again. The new one is complete and durable under the name
    /// `path-ready` before the old one goes: a crash at any moment leaves one of them whole.
    ///
    /// - Parameter fill: Writes everything, in one transaction.
    /// - Throws: `DatabaseFailure`, or what `fill` throws; then the old file is as it was.
    public static func replace(
        _ old: DurableDatabase?, at path: String, layout: DatabaseLayout,
        _ fill: (Transaction) throws -> Void
    ) throws -> DurableDatabase {
        let new = path + "-new"
        for leftover in [new, new + "-wal"] { try remove(leftover) }
        let file = try DurableDatabase(at: new, layout: layout)
        do {
            try file.write(fill)
            try file.close()
        } catch {
            file.abandon()
            throw error
        }
        guard rename(new, path + "-ready") == 0 else { throw failure("can not be put in place") }
        try syncDirectory(holding: path)
        old?.abandon()
        return try DurableDatabase(at: path, layout: layout)
    }

    /// Puts a file in place that `replace` has completed; nothing happens where there is none.
    static func finishReplacement(at path: String) throws(DatabaseFailure) {
        guard access(path + "-ready", F_OK) == 0 else { return }
        // The log of the old file would be taken for one of the new file.
        try remove(path + "-wal")
        try syncDirectory(holding: path)
        guard rename(path + "-ready", path) == 0 else { throw failure("can not be put in place") }
        try syncDirectory(holding: path)
    }

    private static func remove(_ path: String) throws(DatabaseFailure) {
        guard unlink(path) == 0 || errno == ENOENT else { throw failure("can not be removed") }
    }

    private static func failure(_ what: String) -> DatabaseFailure {
        DatabaseFailure(.disk, "a file beside it \(what) (\(String(cString: strerror(errno))))")
    }
}
