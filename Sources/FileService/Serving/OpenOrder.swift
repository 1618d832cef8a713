import DFSProtocol

/// What an OPEN asks for.
struct OpenOrder: Sendable {
    let path: TreePath
    let access: FileAccess
    let mode: FileMode?
    let ifVersion: Int64?
    /// Granted, in milliseconds; 0 for as long as the connection.
    let leaseMilliseconds: Int64
    let lock: LockTable.Kind?
    /// How long it waits for the lock; nil where it does not.
    let patience: MonotonicTime?
    let client: ClientName
    /// The only file that will do, because an earlier OPEN with the same `op=` had it; 0 for any.
    var expectedFID: Int64 = 0
    /// The file that it has made already, which lost its name since; it makes no second one.
    var made: FileFacts?

    /// What the disk is asked for.
    var diskAccess: FileAccess { made == nil ? access : .readWrite }

    /// Reads what stands in the request.
    init(
        _ request: Request, _ client: ClientName, limits: Limits, at now: MonotonicTime
    ) throws(RequestError) {
        path = try request.path()
        guard
            let access = FileAccess(rawValue: String(decoding: request.operands[1], as: UTF8.self))
        else { throw RequestError(.badArgument, "a mode is r, rw, create or create-new") }
        self.access = access
        mode = try request.mode()
        ifVersion = try request.number("if-ver")
        switch try request.lease() {
        case .milliseconds(let asked): leaseMilliseconds = min(asked, limits.leaseMilliseconds)
        case .connection, nil: leaseMilliseconds = 0
        }
        lock = request.option("lock").flatMap {
            LockTable.Kind(rawValue: String(decoding: $0, as: UTF8.self))
        }
        let wait = try request.number("wait")
        guard wait == nil || lock != nil else {
            throw RequestError(
                .badArgument, "wait= is the time to wait for a lock, and needs lock=",
                fields: [.init("argument", [UInt8]("wait".utf8))])
        }
        patience =
            (wait ?? 0) > 0
            ? now.advanced(milliseconds: min(wait ?? 0, limits.leaseMilliseconds)) : nil
        self.client = client
    }

    /// The same order for one file that is known to have been there.
    init(again order: OpenOrder, fid: Int64) {
        path = order.path
        access = order.access.writes ? .readWrite : .read
        mode = nil
        ifVersion = nil
        leaseMilliseconds = order.leaseMilliseconds
        lock = order.lock
        patience = order.patience
        client = order.client
        expectedFID = fid
    }
}
