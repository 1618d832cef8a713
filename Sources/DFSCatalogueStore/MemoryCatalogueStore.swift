import DFSProtocol
import NameService
import Synchronization

/// Keeps the catalogue in memory, for tests: the same promises as the file's, but for the end of
/// the process.
public final class MemoryCatalogueStore: CatalogueStore {
    fileprivate struct Contents {
        var servers: [UInt32: CatalogueServer] = [:]
        var nodes: [UInt32: CatalogueNode] = [:]
        var holdings: [HoldingKey: CatalogueHolding] = [:]
        var counters: [String: Int64] = [:]
        var operations: [OperationID: CatalogueOperation] = [:]
        var refusal: CatalogueStoreError?
    }

    fileprivate struct HoldingKey: Hashable, Comparable {
        var node: UInt32
        var server: UInt32

        static func < (left: HoldingKey, right: HoldingKey) -> Bool {
            (left.node, left.server) < (right.node, right.server)
        }
    }

    private let contents: Mutex<Contents>

    /// Starts empty.
    public init() { contents = Mutex(Contents()) }

    /// Starts with what an earlier store holds, as the next process starts with what the file
    /// holds.
    public init(reopening earlier: MemoryCatalogueStore) {
        var copy = earlier.contents.withLock { $0 }
        copy.refusal = nil
        contents = Mutex(copy)
    }

    /// Has every later commit throw, as a full disk would; nil ends that.
    public func refuseCommits(with error: CatalogueStoreError?) {
        contents.withLock { $0.refusal = error }
    }

    /// Hands over the rows ordered by their keys.
    public func load(_ visit: (CatalogueRow) throws -> Void) throws {
        let now = contents.withLock { $0 }
        if let refusal = now.refusal { throw refusal }
        for (_, server) in now.servers.sorted(by: { $0.key < $1.key }) {
            try visit(.server(server))
        }
        for (_, node) in now.nodes.sorted(by: { $0.key < $1.key }) { try visit(.node(node)) }
        for (_, holding) in now.holdings.sorted(by: { $0.key < $1.key }) {
            try visit(.holding(holding))
        }
        for (name, value) in now.counters.sorted(by: { $0.key < $1.key }) {
            try visit(.counter(name: name, value: value))
        }
        let operations = now.operations.values.sorted {
            $0.op.bytes.lexicographicallyPrecedes($1.op.bytes)
        }
        for operation in operations { try visit(.operation(operation)) }
    }

    /// Applies all changes in their order, or none.
    public func commit(_ changes: [CatalogueChange]) throws {
        try contents.withLock { contents in
            if let refusal = contents.refusal { throw refusal }
            for change in changes { contents.apply(change) }
        }
    }

    /// Makes later calls throw; `init(reopening:)` goes on from here.
    public func close() throws {
        try contents.withLock { contents in
            if let refusal = contents.refusal { throw refusal }
            contents.refusal = CatalogueStoreError("the catalogue was closed")
        }
    }
}

extension MemoryCatalogueStore.Contents {
    fileprivate mutating func apply(_ change: CatalogueChange) {
        switch change {
        case .putServer(let server): servers[server.number] = server
        case .putNode(let node): nodes[node.number] = node
        case .removeNode(let number): nodes[number] = nil
        case .putHolding(let holding):
            holdings[.init(node: holding.node, server: holding.server)] = holding
        case .removeHolding(let node, let server):
            holdings[.init(node: node, server: server)] = nil
        case .putCounter(let name, let value): counters[name] = value
        case .putOperation(let operation): operations[operation.op] = operation
        case .removeOperation(let op): operations[op] = nil
        }
    }
}
