import DFSCatalogueStore
import DFSProtocol
import NameService
import Testing

/// The stores that have to keep the same promises, and how the next process would open each.
enum CatalogueEngine: String, CaseIterable, CustomTestStringConvertible {
    case sqlite
    case memory

    var testDescription: String { rawValue }
}

/// One catalogue that can be closed and opened again, as restarts do.
final class Catalogue {
    private let engine: CatalogueEngine
    private let scratch: ScratchDirectory
    private(set) var store: any CatalogueStore

    init(_ engine: CatalogueEngine) throws {
        self.engine = engine
        scratch = try ScratchDirectory()
        switch engine {
        case .sqlite: store = try SQLiteCatalogueStore(at: scratch.file("catalogue.sqlite"))
        case .memory: store = MemoryCatalogueStore()
        }
    }

    /// Closes the store and opens what it left behind.
    func restart() throws {
        try store.close()
        switch engine {
        case .sqlite: store = try SQLiteCatalogueStore(at: scratch.file("catalogue.sqlite"))
        case .memory:
            if let earlier = store as? MemoryCatalogueStore {
                store = MemoryCatalogueStore(reopening: earlier)
            }
        }
    }

    /// What a load hands over, in an order of our own.
    func rows() throws -> LoadedRows { try LoadedRows(from: store) }
}

/// Everything that one load handed over, sorted by key, and comparable.
struct LoadedRows: Equatable {
    var servers: [CatalogueServer] = []
    var nodes: [CatalogueNode] = []
    var holdings: [CatalogueHolding] = []
    var counters: [String: Int64] = [:]
    var operations: [CatalogueOperation] = []

    init() {}

    init(from store: any CatalogueStore) throws {
        try store.load { row in
            switch row {
            case .server(let server): servers.append(server)
            case .node(let node): nodes.append(node)
            case .holding(let holding): holdings.append(holding)
            case .counter(let name, let value): counters[name] = value
            case .operation(let operation): operations.append(operation)
            }
        }
        servers.sort { $0.number < $1.number }
        nodes.sort { $0.number < $1.number }
        holdings.sort { ($0.node, $0.server) < ($1.node, $1.server) }
        operations.sort { $0.op.bytes.lexicographicallyPrecedes($1.op.bytes) }
    }

    /// What a change means, said a second time and as simply as possible.
    mutating func apply(_ change: CatalogueChange) {
        switch change {
        case .putServer(let server):
            servers.removeAll { $0.number == server.number }
            servers.append(server)
            servers.sort { $0.number < $1.number }
        case .putNode(let node):
            nodes.removeAll { $0.number == node.number }
            nodes.append(node)
            nodes.sort { $0.number < $1.number }
        case .removeNode(let number): nodes.removeAll { $0.number == number }
        case .putHolding(let holding):
            holdings.removeAll { ($0.node, $0.server) == (holding.node, holding.server) }
            holdings.append(holding)
            holdings.sort { ($0.node, $0.server) < ($1.node, $1.server) }
        case .removeHolding(let node, let server):
            holdings.removeAll { ($0.node, $0.server) == (node, server) }
        case .putCounter(let name, let value): counters[name] = value
        case .putOperation(let operation):
            operations.removeAll { $0.op == operation.op }
            operations.append(operation)
            operations.sort { $0.op.bytes.lexicographicallyPrecedes($1.op.bytes) }
        case .removeOperation(let op): operations.removeAll { $0.op == op }
        }
    }
}

/// A file's row with everything that a test does not care about filled in.
func sampleNode(_ number: UInt32, name: String? = nil, size: Int64 = 5) -> CatalogueNode {
    CatalogueNode(
        number: number, parent: 0, name: Array((name ?? "file-\(number)").utf8), kind: .file,
        server: 1,
        facts: FileFacts(
            size: size, mtime: WallTime(seconds: 1_790_000_000, nanoseconds: 7),
            mode: FileMode(bits: 0o644), fid: Int64(number) + 100, ver: 3))
}

/// An operation's row.
func sampleOperation(
    _ op: String, stage: CatalogueOperation.Stage = .done, fid: Int64 = 7
) throws -> CatalogueOperation {
    CatalogueOperation(
        op: try OperationID([UInt8](op.utf8)), request: Array(0..<16), stage: stage,
        answer: Array(" server=fs1 why=\"a b\"".utf8), node: .max, server: 3, fid: fid)
}

/// A server's row with everything that a test does not care about filled in.
func sampleServer(_ number: UInt32, id: String) throws -> CatalogueServer {
    CatalogueServer(
        number: number, id: try requireID(id), address: Endpoint(host: "127.0.0.1", port: 7401),
        epoch: 4, generation: 9, mounts: [.root], leave: nil, lastSeen: 1_790_000_000)
}

struct NoServerID: Error {}

func requireID(_ text: String) throws -> ServerID {
    guard let id = ServerID(text) else { throw NoServerID() }
    return id
}
