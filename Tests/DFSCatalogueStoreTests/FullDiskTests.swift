import DFSCatalogueStore
import Glibc
import NameService
import Testing

/// A disk without space, in processes of their own, because limits and mounts are the process's.
@Suite struct `A catalogue on a full disk` {
    @Test func `refuses the batch as a whole, reads on, and goes on when there is space`()
        async throws
    {
        let scratch = try ScratchDirectory()
        let path = scratch.file("catalogue.sqlite")

        await #expect(processExitsWith: .success) { [path = path as String] in
            signal(SIGXFSZ, SIG_IGN)
            try fillUp(at: path, limit: setFileSizeLimit, free: { setFileSizeLimit(nil) })
        }

        let store = try SQLiteCatalogueStore(at: path)
        #expect(try LoadedRows(from: store).nodes.count == 10_001)
        try store.close()
    }

    /// Needs root for the mount; the limit on file sizes above shows the same everywhere.
    @Test(.enabled(if: geteuid() == 0))
    func `does the same where a file system of four megabytes is full`() async throws {
        let scratch = try ScratchDirectory()
        let mount = scratch.file("mount")
        mkdir(mount, 0o700)
        defer {
            umount(mount)
            rmdir(mount)
        }
        // A container's root may not mount; then there is nothing to show here.
        guard Glibc.mount("tmpfs", mount, "tmpfs", 0, "size=4m") == 0 else { return }
        let ballast = "\(mount)/ballast"
        try write([UInt8](repeating: 0, count: 3900 << 10), to: ballast)

        try fillUp(at: "\(mount)/catalogue.sqlite", limit: { _ in }, free: { unlink(ballast) })
    }
}

/// Commits until the disk is full, looks at what is there, frees space and commits the same again.
private func fillUp(
    at path: String, limit: (rlim_t?) -> Void, free: () -> Void
) throws {
    let store = try SQLiteCatalogueStore(at: path)
    try store.commit([.putNode(sampleNode(.max))])
    limit(256 << 10)
    let large = (1...UInt32(10_000)).map { CatalogueChange.putNode(sampleNode($0)) }

    let error = #expect(throws: CatalogueStoreError.self) { try store.commit(large) }

    #expect(error?.isOutOfSpace == true)
    #expect(error?.description.contains("no space is left") == true)
    #expect(try LoadedRows(from: store).nodes == [sampleNode(.max)])
    free()
    try store.commit(large)
    #expect(try LoadedRows(from: store).nodes.count == 10_001)
    try store.close()
}

/// Lowers the soft limit on the size of any file, or takes it away.
private func setFileSizeLimit(_ bytes: rlim_t?) {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
    limit.rlim_cur = bytes ?? limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
}
