import DFSDatabase
import DFSProtocol
import NameService
import Synchronization

/// Keeps the catalogue in one SQLite file: the default, with nothing to set up.
///
/// Nodes are keyed by their dense number, so a rename is one row and a load reads the file in
/// order. What a batch costs is its fsync: many changes belong into one `commit`.
public final class SQLiteCatalogueStore: CatalogueStore {
    private struct Current {
        var database: DurableDatabase
        /// Whether the disk failed under the file, so that it may be read and not be written.
        var hasFailed = false
    }

    private let current: Mutex<Current>
    private let path: String

    /// Opens the file, or makes it; this process alone has it until `close`.
    ///
    /// - Throws: `CatalogueStoreError` where another process has it, or it is damaged, newer or no
    ///   catalogue.
    public init(at path: String) throws {
        self.path = path
        do {
            current = Mutex(Current(database: try DurableDatabase(at: path, layout: .catalogue)))
        } catch let failure as DatabaseFailure {
            throw CatalogueStoreError(failure, at: path)
        }
    }

    /// Reads every table from its beginning to its end, so damage in any page of them is found
    /// here.
    public func load(_ visit: (CatalogueRow) throws -> Void) throws {
        try naming {
            try current.withLock { try SQLiteCatalogueStore.rows(of: $0.database, visit) }
        }
    }

    private static func rows(
        of database: DurableDatabase, _ visit: (CatalogueRow) throws -> Void
    ) throws {
        try database.read { transaction in
            try transaction.statement(CatalogueSQL.allServers).rows {
                try visit(.server(try CatalogueServer(row: $0)))
            }
            try transaction.statement(CatalogueSQL.allNodes).rows {
                try visit(.node(try CatalogueNode(row: $0)))
            }
            try transaction.statement(CatalogueSQL.allHoldings).rows {
                try visit(.holding(try CatalogueHolding(row: $0)))
            }
            try transaction.statement(CatalogueSQL.allOperations).rows {
                try visit(.operation(try CatalogueOperation(row: $0)))
            }
            try transaction.statement(CatalogueSQL.allCounters).rows {
                try visit(.counter(name: try $0.text(0), value: try $0.integer(1)))
            }
        }
    }

    /// One transaction, one fsync, whatever the number of changes.
    ///
    /// Where space was missing, nothing is there and it may be tried again. Where the disk itself
    /// failed, whether the batch will be there after a restart is not known, and the next call
    /// writes the whole catalogue anew: seconds for a million names, and as much room once more.
    public func commit(_ changes: [CatalogueChange]) throws {
        if changes.isEmpty { return }
        try naming {
            try current.withLock { current in
                if current.hasFailed {
                    try renew(&current, adding: changes)
                } else {
                    try put(changes, in: &current)
                }
            }
        }
    }

    private func put(_ changes: [CatalogueChange], in current: inout Current) throws {
        do {
            try current.database.write { transaction in
                let statements = try CatalogueStatements(transaction)
                for change in changes { try statements.apply(change) }
            }
        } catch let failure as DatabaseFailure where failure.stopsWriting {
            current.hasFailed = true
            throw failure
        }
    }

    /// Writes everything that was committed and a batch into a new file, in place of the failed
    /// one.
    ///
    /// What the kernel holds of a file after a failed fsync is not what the disk holds, so nothing
    /// may build on the old one. What was committed to it can still be read from it, unless it is
    /// damaged: then nothing takes its place, and nothing is written.
    private func renew(_ current: inout Current, adding changes: [CatalogueChange]) throws {
        let old = current.database
        do {
            try old.verify()
            current.database = try DurableDatabase.replace(old, at: path, layout: .catalogue) {
                transaction in
                let statements = try CatalogueStatements(transaction)
                try SQLiteCatalogueStore.rows(of: old) { row in
                    try statements.apply(CatalogueChange(row))
                }
                for change in changes { try statements.apply(change) }
            }
            current.hasFailed = false
        } catch let failure as DatabaseFailure where failure.kind == .closed {
            // An earlier attempt had written the new file and let go of the old one, and could not
            // open what it had written.
            current = Current(database: try DurableDatabase(at: path, layout: .catalogue))
            try put(changes, in: &current)
        }
    }

    /// Moves everything into the one file and lets the next process open it.
    public func close() throws {
        try naming { try current.withLock { try $0.database.close() } }
    }

    private func naming(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let failure as DatabaseFailure {
            throw CatalogueStoreError(failure, at: path)
        }
    }
}

extension CatalogueChange {
    /// The change that puts a row where there is none.
    fileprivate init(_ row: CatalogueRow) {
        switch row {
        case .server(let server): self = .putServer(server)
        case .node(let node): self = .putNode(node)
        case .holding(let holding): self = .putHolding(holding)
        case .counter(let name, let value): self = .putCounter(name: name, value: value)
        case .operation(let operation): self = .putOperation(operation)
        }
    }
}

extension CatalogueStoreError {
    /// Says which file it is about, quoted, and what helps where it is lost.
    fileprivate init(_ failure: DatabaseFailure, at path: String) {
        var sentence = "the catalogue \(Quoting.text(path.utf8)): \(failure.description)"
        if failure.kind == .damaged {
            sentence += "; without it the name server learns the files from the file servers again"
        }
        self.init(sentence, isOutOfSpace: failure.kind == .outOfSpace)
    }
}
