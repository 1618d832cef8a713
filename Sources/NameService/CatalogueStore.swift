import DFSProtocol

/// Where the catalogue outlives the process; the memory index in front of it answers every read.
///
/// Calls block and come from one thread of the host's own, never from an event loop.
public protocol CatalogueStore: Sendable {
    /// Hands over everything that was committed, in an order that makes no promise.
    ///
    /// - Throws: `CatalogueStoreError` where the store is damaged or of another version: refuse to
    ///   start.
    func load(_ visit: (CatalogueRow) throws -> Void) throws

    /// Makes a batch of changes durable, all or none, in their order.
    ///
    /// Returns after the disk has them. On an error nothing of the batch is told by `load`, though
    /// a restart may find it; the same batch, with more behind it, may be tried again, and is as
    /// good as done once. A store whose disk failed goes on by itself when the disk does.
    func commit(_ changes: [CatalogueChange]) throws

    /// Brings everything to rest; the store is not used afterwards.
    func close() throws
}

/// Why a store can not be used, with what to do about it.
public struct CatalogueStoreError: Error, CustomStringConvertible {
    /// A sentence for the operator.
    public let description: String
    /// Whether the disk is full, so that waiting and freeing space helps.
    public let isOutOfSpace: Bool

    /// Says what is wrong and what to do.
    public init(_ description: String, isOutOfSpace: Bool = false) {
        self.description = description
        self.isOutOfSpace = isOutOfSpace
    }
}

/// One name in one directory, as it is kept.
///
/// Number 0 is the root, which is never stored.
public struct CatalogueNode: Equatable, Sendable {
    /// What stands under a name.
    public enum Kind: Int64, Sendable {
        case file = 0
        case directory = 1
        /// A name that CREATE promised to a client; `deadline` says until when.
        case claim = 2
    }

    /// Dense and reused; the position in the memory index.
    public var number: UInt32
    /// The number of the directory that holds the name.
    public var parent: UInt32
    /// One component, raw.
    public var name: [UInt8]
    /// What stands under the name.
    public var kind: Kind
    /// Whose it is, by the number in `CatalogueServer`; 0 for none.
    ///
    /// The owner of a file or claim; the first server that has a directory on disk.
    public var server: UInt32
    /// Facts of a file; a directory keeps `mtime` and `mode` here.
    public var facts: FileFacts
    /// Whether a directory was made by MKDIR, so that it stays without any file server.
    public var isExplicit: Bool
    /// When a claim ends, in seconds since 1970; 0 for the others.
    public var deadline: Int64

    /// Joins the columns of one row.
    public init(
        number: UInt32, parent: UInt32, name: [UInt8], kind: Kind, server: UInt32, facts: FileFacts,
        isExplicit: Bool = false, deadline: Int64 = 0
    ) {
        self.number = number
        self.parent = parent
        self.name = name
        self.kind = kind
        self.server = server
        self.facts = facts
        self.isExplicit = isExplicit
        self.deadline = deadline
    }
}

/// What else a file server has under a path: a second file of that name, or a directory.
public struct CatalogueHolding: Equatable, Sendable {
    /// The name that both are under.
    public var node: UInt32
    /// By the number in `CatalogueServer`.
    public var server: UInt32
    /// Nil where the holding is a directory on the server's disk.
    public var facts: FileFacts?

    /// Pairs a node with a server that has something there.
    public init(node: UInt32, server: UInt32, facts: FileFacts?) {
        self.node = node
        self.server = server
        self.facts = facts
    }
}

/// One file server that was ever registered.
public struct CatalogueServer: Equatable, Sendable {
    /// Why a file server took leave.
    public enum Leave: Int64, Sendable {
        /// It was stopped on purpose.
        case stopped = 1
        /// It runs, and none of the folders that it exports is there.
        case away = 2

        /// The value of `why=`.
        public var word: String {
            switch self {
            case .stopped: "stopped"
            case .away: "away"
            }
        }
    }

    /// Small, dense, given at the first registration and never to another id.
    public var number: UInt32
    /// How the server calls itself.
    public var id: ServerID
    /// Where clients reach it.
    public var address: Endpoint
    /// The highest epoch that was accepted.
    public var epoch: Int64
    /// Up to which generation this server's reports are in; nil until an inventory ended.
    public var generation: Int64?
    /// Where its exports stand in the tree, in order.
    public var mounts: [TreePath]
    /// Why it took leave, where GOODBYE was its last word; nil where it was not.
    public var leave: Leave?
    /// When the last sign of life came, in seconds since 1970; for `seen=` after a restart.
    public var lastSeen: Int64
    /// Whether an operator said that it will not come back; it has nothing in the tree then.
    public var isRetired: Bool

    /// Joins the columns of one row.
    public init(
        number: UInt32, id: ServerID, address: Endpoint, epoch: Int64, generation: Int64?,
        mounts: [TreePath], leave: Leave?, lastSeen: Int64, isRetired: Bool = false
    ) {
        self.number = number
        self.id = id
        self.address = address
        self.epoch = epoch
        self.generation = generation
        self.mounts = mounts
        self.leave = leave
        self.lastSeen = lastSeen
        self.isRetired = isRetired
    }
}

/// A change that a client named with `op=`: what a repeat needs to be told what became of it.
public struct CatalogueOperation: Equatable, Sendable {
    /// How far it had come.
    public enum Stage: Int64, Sendable {
        /// An owner was asked, or was going to be.
        case asked = 0
        /// The same, and the catalogue's entry that it is about was freed since.
        case departed = 1
        /// It was done.
        case done = 2
    }

    /// The client's own name of it.
    public var op: OperationID
    /// 16 bytes that tell the request from every other.
    public var request: [UInt8]
    /// How far it had come.
    public var stage: Stage
    /// What stood behind `OK`, without the path; empty until it was done.
    public var answer: [UInt8]
    /// The entry that is moved or removed.
    public var node: UInt32
    /// Whose file it is, by the number in `CatalogueServer`; 0 for a directory.
    public var server: UInt32
    /// The file's identity; 0 for a directory, and where it was not told.
    public var fid: Int64

    /// Joins the columns of one row.
    public init(
        op: OperationID, request: [UInt8], stage: Stage, answer: [UInt8], node: UInt32,
        server: UInt32, fid: Int64
    ) {
        self.op = op
        self.request = request
        self.stage = stage
        self.answer = answer
        self.node = node
        self.server = server
        self.fid = fid
    }
}

/// One thing that was committed, as `load` hands it over.
public enum CatalogueRow: Sendable {
    case server(CatalogueServer)
    case node(CatalogueNode)
    case holding(CatalogueHolding)
    /// A counter by name, such as the name server's epoch or the sequence of changes.
    case counter(name: String, value: Int64)
    case operation(CatalogueOperation)
}

/// One change to what is kept.
public enum CatalogueChange: Equatable, Sendable {
    /// Puts a row in place of the one with the same number.
    case putServer(CatalogueServer)
    /// Puts a row in place of the one with the same number.
    case putNode(CatalogueNode)
    case removeNode(number: UInt32)
    /// Puts a row in place of the one with the same node and server.
    case putHolding(CatalogueHolding)
    case removeHolding(node: UInt32, server: UInt32)
    case putCounter(name: String, value: Int64)
    /// Puts a row in place of the one with the same `op`.
    case putOperation(CatalogueOperation)
    case removeOperation(OperationID)
}
