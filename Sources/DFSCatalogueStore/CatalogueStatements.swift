import DFSDatabase
import DFSProtocol
import NameService

/// The statements that changes become, compiled, for one transaction.
struct CatalogueStatements {
    private let putServer: PreparedStatement
    private let putNode: PreparedStatement
    private let removeNode: PreparedStatement
    private let putHolding: PreparedStatement
    private let removeHolding: PreparedStatement
    private let putCounter: PreparedStatement
    private let putOperation: PreparedStatement
    private let removeOperation: PreparedStatement

    init(_ transaction: Transaction) throws {
        putServer = try transaction.statement(CatalogueSQL.putServer)
        putNode = try transaction.statement(CatalogueSQL.putNode)
        removeNode = try transaction.statement(CatalogueSQL.removeNode)
        putHolding = try transaction.statement(CatalogueSQL.putHolding)
        removeHolding = try transaction.statement(CatalogueSQL.removeHolding)
        putCounter = try transaction.statement(CatalogueSQL.putCounter)
        putOperation = try transaction.statement(CatalogueSQL.putOperation)
        removeOperation = try transaction.statement(CatalogueSQL.removeOperation)
    }

    /// Runs what one change is in SQL.
    func apply(_ change: CatalogueChange) throws {
        switch change {
        case .putServer(let server): try put(server)
        case .putNode(let node): try put(node)
        case .removeNode(let number): try removeNode.run(.integer(Int64(number)))
        case .putHolding(let holding): try put(holding)
        case .removeHolding(let node, let server):
            try removeHolding.run(.integer(Int64(node)), .integer(Int64(server)))
        case .putCounter(let name, let value):
            try putCounter.run(.text(name), .integer(value))
        case .putOperation(let operation): try put(operation)
        case .removeOperation(let op): try removeOperation.run(.blob(op.bytes))
        }
    }

    private func put(_ server: CatalogueServer) throws {
        try putServer.run(
            .integer(Int64(server.number)), .text(server.id.text),
            .text(server.address.description), .integer(server.epoch),
            ColumnValue(server.generation), .blob(MountList.bytes(of: server.mounts)),
            .integer(server.leave?.rawValue ?? 0), .integer(server.lastSeen),
            .integer(server.isRetired ? 1 : 0))
    }

    private func put(_ operation: CatalogueOperation) throws {
        try putOperation.run(
            .blob(operation.op.bytes), .blob(operation.request), .integer(operation.stage.rawValue),
            .blob(operation.answer), .integer(Int64(operation.node)),
            .integer(Int64(operation.server)), .integer(operation.fid))
    }

    private func put(_ node: CatalogueNode) throws {
        let facts = node.facts
        try putNode.run(
            .integer(Int64(node.number)), .integer(Int64(node.parent)), .blob(node.name),
            .integer(node.kind.rawValue), .integer(Int64(node.server)), .integer(facts.size),
            .integer(facts.mtime.seconds), .integer(Int64(facts.mtime.nanoseconds)),
            ColumnValue(facts.mode.map { Int64($0.bits) }), .integer(facts.fid),
            .integer(facts.ver), .integer(node.isExplicit ? 1 : 0), .integer(node.deadline))
    }

    private func put(_ holding: CatalogueHolding) throws {
        let facts = holding.facts
        try putHolding.run(
            .integer(Int64(holding.node)), .integer(Int64(holding.server)),
            ColumnValue(facts?.size), ColumnValue(facts?.mtime.seconds),
            ColumnValue(facts.map { Int64($0.mtime.nanoseconds) }),
            ColumnValue(facts?.mode.map { Int64($0.bits) }), ColumnValue(facts?.fid),
            ColumnValue(facts?.ver))
    }
}

/// Mount paths in one value, as the wire writes them: quoted, with spaces between.
enum MountList {
    static func bytes(of mounts: [TreePath]) -> [UInt8] {
        Array(mounts.map { Quoting.quote($0.bytes) }.joined(separator: [UInt8(ascii: " ")]))
    }

    static func mounts(in bytes: [UInt8]) throws(RequestError) -> [TreePath] {
        try Quoting.unquoteList(bytes).map { (path) throws(RequestError) in try TreePath(path) }
    }
}
