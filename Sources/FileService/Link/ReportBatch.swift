import DFSProtocol

/// The data of one REPORT, cut so that it fits a payload.
public struct ReportBatch: Sendable {
    /// Which part of the reports a batch holds.
    public enum Cut: Equatable, Sendable {
        /// Changes after a generation.
        case changes(after: Int64)
        /// All that is served, after a path; nil begins.
        case inventory(after: TreePath?)
    }

    /// Which part this is.
    public let cut: Cut
    /// Lines as REPORT takes them.
    public let data: [UInt8]
    /// How many lines.
    public let count: Int
    /// The newest change that the batch holds.
    ///
    /// Of the first batch of an inventory it is the change after which others follow the
    /// inventory; of a later one it is nil.
    public let generation: Int64?
    /// Where an inventory goes on; nil at its end.
    public let next: TreePath?

    /// Reports of one batch at most; a batch ends early when its text is long enough.
    static let mostReports = 4096
    /// Text after which a batch ends, in bytes: far below a payload, so that no peer stalls on one.
    static let enoughBytes = 262_144

    /// Reads the next batch from the store; blocks, so it runs on the storage pool.
    ///
    /// - Returns: Nil where history does not reach back to the generation asked for.
    /// - Throws: What the store throws while it walks the exports.
    public static func load(
        _ cut: Cut, from source: any ChangeSource
    ) throws(RequestError) -> ReportBatch? {
        switch cut {
        case .changes(let generation):
            guard let changes = source.changes(after: generation, limit: mostReports) else {
                return nil
            }
            let (data, count) = write(changes.lazy.map(\.report))
            return ReportBatch(
                cut: cut, data: data, count: count,
                generation: count > 0 ? changes[count - 1].generation : generation, next: nil)
        case .inventory(let path):
            var baseline: Int64?
            if path == nil {
                // The first call waits for the first scan: what that finds is told once, not twice.
                _ = try source.inventory(after: nil, limit: 1)
                baseline = source.generation
            }
            let (reports, next) = try source.inventory(after: path, limit: mostReports)
            let (data, count) = write(reports)
            let isCut = count < reports.count
            return ReportBatch(
                cut: cut, data: data, count: count, generation: baseline,
                next: isCut ? reports[count - 1].path : next)
        }
    }

    private static func write(_ reports: some Sequence<FileReport>) -> ([UInt8], count: Int) {
        var lines = LineWriter(capacity: enoughBytes + 65_536)
        var count = 0
        for report in reports {
            report.write(into: &lines)
            count += 1
            if lines.bytes.count >= enoughBytes { break }
        }
        return (lines.bytes, count)
    }
}
