import Glibc

/// Room on the export's disk that is kept for the ledger, so that a full disk can still be emptied.
///
/// What happens to files is told to others only when the ledger has it; without room for the
/// ledger nobody could remove anything. The reserve is given up when a commit finds the disk full
/// and taken again when there is room.
struct LedgerReserve: Sendable {
    /// The most that is kept, in bytes: some hundred commits.
    private static let mostBytes: UInt64 = 4_194_304
    /// Of a small file system no more than this part is kept.
    private static let share: UInt64 = 32

    /// The file that holds the room; it stands in `.dfs/`.
    let path: String

    /// Takes room again where it was given up; a disk that has none is asked at the next commit.
    func refill() {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard file >= 0 else { return }
        defer { close(file) }
        var status = stat()
        var system = statvfs()
        guard fstat(file, &status) == 0, fstatvfs(file, &system) == 0 else { return }
        let (total, overflow) = UInt64(system.f_blocks)
            .multipliedReportingOverflow(by: UInt64(system.f_frsize))
        let wanted = min(Self.mostBytes, overflow ? Self.mostBytes : total / Self.share)
        guard status.st_size < off_t(wanted) else { return }
        if posix_fallocate(file, 0, off_t(wanted)) != 0 {
            // Half a reserve on a full disk would take what somebody is just making room for.
            ftruncate(file, 0)
        }
    }

    /// Gives the room up; false where there was none.
    func release() -> Bool {
        // Not by name: a symbolic link that somebody put there would have its target cut.
        let file = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else { return false }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_size > 0 else { return false }
        return ftruncate(file, 0) == 0
    }
}
