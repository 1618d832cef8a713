import DFSDatabase
import DFSProtocol

/// One name as it stands in the ledger's table.
struct LedgerRow: Equatable, Sendable {
    var id: NodeID
    var name: [UInt8]
    var node: LedgerNode
}

/// What is kept beside the names.
struct LedgerHeader: Equatable, Sendable {
    /// How often the export was opened, raised at each time; the upper half of every `fid`.
    var opening: Int64 = 0
    /// No change that was told is beyond this one.
    var generation: Int64 = 0
    /// Tells one set of exports from another: generations of different sets are not compared.
    var layout: Int64 = 0
    /// Tells this ledger from every other; made with it, and never written again.
    ///
    /// 0 where nothing is kept.
    var identity: Int64 = 0
}

/// Keeps a ledger over restarts.
protocol LedgerStore: Sendable {
    /// Reads everything once, at start, in the order of places.
    func load(_ visit: (LedgerRow) throws -> Void) throws(DatabaseFailure) -> LedgerHeader

    /// Keeps rows, forgets places, and returns when a power cut can not undo it.
    func commit(
        _ rows: [LedgerRow], forgetting places: [NodeID], _ header: LedgerHeader
    ) throws(DatabaseFailure)

    /// Makes the file anew from all rows, after a failure for which the old one may not be written.
    ///
    /// - Parameters:
    ///   - page: Gives all rows, page by page from 0 on, in the order of places; nil at the end.
    ///   - last: Gives what changed meanwhile; called once, behind the last page.
    func replace(
        _ page: (Int) -> [LedgerRow]?, _ last: () -> (LedgerBatch, LedgerHeader)
    ) throws(DatabaseFailure)

    /// Lets go of the file.
    func close() throws(DatabaseFailure)
}

/// Keeps nothing: for an export on a read-only file system, whose files nobody can change here.
struct VolatileLedgerStore: LedgerStore {
    func load(_ visit: (LedgerRow) throws -> Void) -> LedgerHeader { LedgerHeader() }
    func commit(_ rows: [LedgerRow], forgetting places: [NodeID], _ header: LedgerHeader) {}
    func replace(_ page: (Int) -> [LedgerRow]?, _ last: () -> (LedgerBatch, LedgerHeader)) {}
    func close() {}
}
