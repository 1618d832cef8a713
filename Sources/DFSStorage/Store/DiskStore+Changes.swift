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
        let walk = self.walk.withLock { kept -> LedgerWalk? in
            guard let path, kept?.last == path else { return nil }
            defer { kept = nil }
            return kept
        }
        let names = path.map { export.relative($0).split(separator: TreePath.slash) } ?? []
        var current = walk ?? export.ledger.state.withLock { $0.walk(after: names) }
        var reports: [FileReport] = []
        var sequence: Int64 = 0
        while reports.count < limit, !current.isAtEnd {
            current.sort()
            (reports, current, sequence) = export.ledger.state.withLock { state in
                var walk = current
                let more = state.take(limit - reports.count, from: &walk)
                return (reports + more, walk, state.sequence)
            }
        }
        current.last = reports.last?.path
        // A ledger that can not be written keeps nobody from hearing what is there.
        try? export.ledger.waitUntilDurable(sequence)
        self.walk.withLock { $0 = current }
        return reports
    }
}
