import DFSCatalogueStore
import Glibc
import NameService
import Testing

/// Processes of their own that end at any instant, without a word to SQLite.
@Suite struct `A catalogue whose process is killed` {
    @Test(arguments: [1, 3, 10, 30, 60, 100, 150, 200])
    func `has every acknowledged batch, and each whole or not at all`(
        milliseconds: Int
    ) async throws {
        let scratch = try ScratchDirectory()
        let path = scratch.file("catalogue.sqlite")
        let acknowledged = scratch.file("acknowledged")
        try write([], to: acknowledged)

        await #expect(processExitsWith: .signal(SIGALRM)) {
            [
                path = path as String, acknowledged = acknowledged as String,
                milliseconds = milliseconds as Int
            ] in
            try commitUntilKilled(path, acknowledged, after: milliseconds)
        }

        let count = try contents(of: acknowledged).count
        let store = try SQLiteCatalogueStore(at: path)
        let rows = try LoadedRows(from: store)
        let kept = rows.counters["batch"] ?? 0
        #expect(kept == Int64(count) || kept == Int64(count) + 1, "\(count) were acknowledged")
        #expect(rows.nodes.map(\.number) == (0..<UInt32(kept * 3)).map { $0 + 1 })
        try store.commit([.putNode(sampleNode(.max))])
        try store.close()
    }

    @Test func `keeps a second process out while it lives`() async throws {
        let scratch = try ScratchDirectory()
        let path = scratch.file("catalogue.sqlite")
        let first = try SQLiteCatalogueStore(at: path)
        try first.commit([.putNode(sampleNode(1))])

        await #expect(processExitsWith: .success) { [path = path as String] in
            let refusal = #expect(throws: CatalogueStoreError.self) {
                _ = try SQLiteCatalogueStore(at: path)
            }
            #expect(refusal?.description.contains("in use by another process") == true)
        }

        try first.commit([.putNode(sampleNode(2))])
        #expect(try LoadedRows(from: first).nodes.count == 2)
        try first.close()
    }
}

/// Commits batches of three nodes and a counter; writes one byte for each after it was
/// acknowledged.
private func commitUntilKilled(
    _ path: String, _ acknowledged: String, after milliseconds: Int
) throws {
    let file = open(acknowledged, O_WRONLY | O_APPEND)
    try #require(file >= 0)
    // The default action of SIGALRM ends the process as SIGKILL does: no code of ours runs.
    signal(SIGALRM, SIG_DFL)
    var timer = itimerval()
    timer.it_value.tv_usec = milliseconds * 1000
    let store = try SQLiteCatalogueStore(at: path)
    setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &timer, nil)
    var batch: UInt32 = 0
    while true {
        try store.commit(
            (1...3).map { .putNode(sampleNode(batch * 3 + $0)) }
                + [.putCounter(name: "batch", value: Int64(batch) + 1)])
        _ = write(file, "x", 1)
        batch += 1
    }
}
