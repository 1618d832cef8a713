import DFSProtocol

/// FOLLOWs whose files the store was asked to watch, and has not answered yet.
///
/// They count as work for the disk, also those that were cancelled meanwhile: a connection that
/// begins and cancels in a loop must not fill the queue behind which all reads stand.
struct WatchStarts: Sendable {
    private var starting: [RequestID: Int] = [:]
    private var ofConnection: [ConnectionID: Int] = [:]
    private var ofExport: [Int]

    /// Takes how many exports are told apart.
    init(exports: Int) { ofExport = Array(repeating: 0, count: exports) }

    /// How many the store was asked for.
    var count: Int { starting.count }

    /// How many files of an export it was asked for.
    func count(for export: Int) -> Int { ofExport[export] }

    /// How many of them a connection asked for.
    func count(of connection: ConnectionID) -> Int { ofConnection[connection] ?? 0 }

    /// The store is asked.
    mutating func begin(_ id: RequestID, for export: Int) {
        guard starting.updateValue(export, forKey: id) == nil else { return }
        ofExport[export] += 1
        ofConnection[id.connection, default: 0] += 1
    }

    /// The store has answered, whatever it said.
    mutating func end(_ id: RequestID) {
        guard let export = starting.removeValue(forKey: id) else { return }
        ofExport[export] -= 1
        let left = count(of: id.connection) - 1
        ofConnection[id.connection] = left > 0 ? left : nil
    }
}
