import DFSProtocol
import FileService

extension DiskStore {
    /// The generation of the newest change that the disk has.
    ///
    /// A ledger that is made begins far above 0, so that generations of one that was lost, and of
    /// another set of exports, are never taken for its own.
    public var generation: Int64 { log.generation }

    /// Calls back each time `generation` has risen.
    public func whenChanged(_ handler: @escaping @Sendable () -> Void) { log.whenChanged(handler) }

    /// Changes after a generation, oldest first; nil where history does not reach back.
    public func changes(
        after generation: Int64, limit: Int
    ) -> [(generation: Int64, report: FileReport)]? {
        log.changes(after: generation, limit: limit)
    }

    /// Everything that is served, in batches; waits for the first scan.
    ///
    /// Files of an export whose folder is gone for the moment are among it: an outage is no
    /// removal.
    public func inventory(
        after path: TreePath?, limit: Int
    ) throws(RequestError) -> (reports: [FileReport], next: TreePath?) {
        waitForFirstScan()
        var exports = table.exports[...]
        if let path {
            let owner = try owner(of: path)
            exports = exports.drop { $0 !== owner }
        }
        var (reports, position) = ([FileReport](), path)
        for export in exports {
            reports += page(of: export, after: position, limit: limit - reports.count)
            if reports.count >= limit { return (reports, reports.last?.path) }
            position = nil
        }
        return (reports, nil)
    }

    /// Waits until the disk has what is told, where it can: then no crash takes it back.
    private func page(of export: Export, after path: TreePath?, limit: Int) -> [FileReport] {
        let kept = self.walk.withLock { kept in
            defer { kept = nil }
            return kept
        }
        let names = path.map { export.relative($0).split(separator: TreePath.slash) } ?? []
        var (current, sequence) = export.ledger.state.withLock { state in
            let page = path.flatMap { kept?.going(on: $0) }.map { page in
                var page = page
                page.refresh { path in
                    state.tree.find(export.relative(path).split(separator: TreePath.slash))
                        .flatMap(state.report)
                }
                return page
            }
            return (page ?? InventoryPage(walk: state.walk(after: names)), state.sequence)
        }
        while current.reports.count < limit, !current.walk.isAtEnd {
            current.walk.sort()
            (current, sequence) = export.ledger.state.withLock { state in
                var page = current
                page.reports += state.take(limit - page.reports.count, from: &page.walk)
                return (page, state.sequence)
            }
        }
        // A ledger that can not be written keeps nobody from hearing what is there, nor does a disk
        // that does not answer.
        _ = export.ledger.isDurable(sequence, within: DiskStore.ledgerPatience)
        let page = current
        self.walk.withLock { $0 = page }
        return Array(page.reports.prefix(limit))
    }

    /// How long an inventory waits for the ledger of one export, in milliseconds.
    private static let ledgerPatience: Int64 = 1000
}

/// What an inventory took from one export last, and where it goes on.
struct InventoryPage: Sendable {
    var walk: LedgerWalk
    /// What was taken; whoever asked may have had room for a part of it only.
    var reports: ArraySlice<FileReport> = []

    /// What follows a path that was taken with this page; nil where it was not.
    func going(on path: TreePath) -> InventoryPage? {
        guard let index = reports.lastIndex(where: { $0.path == path }) else { return nil }
        return InventoryPage(walk: walk, reports: reports[(index + 1)...])
    }

    /// Has everything as it is now, without what is gone: that may have been told by DONE already.
    mutating func refresh(_ report: (TreePath) -> FileReport?) {
        reports = ArraySlice(reports.compactMap { report($0.path) })
    }
}
