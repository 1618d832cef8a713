import DFSDatabase
import DFSProtocol
import NameService

/// Keeps the catalogue in one SQLite file: the default, with nothing to set up.
///
/// Nodes are keyed by their dense number, so a rename is one row and a load reads the file in
/// order. What a batch costs is its fsync: many changes belong into one `commit`.
public final class SQLiteCatalogueStore: CatalogueStore {
    private let database: DurableDatabase
    private let path: String

    /// Opens the file, or makes it; this process alone has it until `close`.
    ///
    /// - Throws: `CatalogueStoreError` where another process has it, or it is damaged, newer or no
    ///   catalogue.
    public init(at path: String) throws {
        self.path = path
        do {
            database = try DurableDatabase(at: path, layout: .catalogue)
        } catch let failure as DatabaseFailure {
            throw CatalogueStoreError(failure, at: path)
        }
    }

    /// Reads every table from its beginning to its end, so damage in any page of them is found
    /// here.
    public func load(_ visit: (CatalogueRow) throws -> Void) throws {
        try naming {
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
    }

    /// One transaction, one fsync, whatever the number of changes.
    ///
    /// Where the disk itself failed, whether the batch will be there after a restart is not known,
    /// and every later call throws as well; where space was missing, nothing is there and it may be
    /// tried again.
    public func commit(_ changes: [CatalogueChange]) throws {
        if changes.isEmpty { return }
        try naming {
            try database.write { transaction in
                let statements = try CatalogueStatements(transaction)
                for change in changes { try statements.apply(change) }
            }
        }
    }

    /// Moves everything into the one file and lets the next process open it.
    public func close() throws {
        try naming { try database.close() }
    }

    private func naming(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let failure as DatabaseFailure {
            throw CatalogueStoreError(failure, at: path)
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
