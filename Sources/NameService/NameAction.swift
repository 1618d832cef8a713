import DFSProtocol

/// What the core wants done; the host does it in the order given.
public enum NameAction: Sendable {
    /// The whole answer of a request, items and final line, tag included.
    case reply(RequestID, LineWriter)
    /// Whole `! ...` lines for a connection.
    case notify(ConnectionID, LineWriter)
    /// The connection is registered or watches: it is not closed for being idle.
    case keepOpen(ConnectionID)
    /// A sentence for the operator.
    case log(NameLogLevel, String)
}

/// How much a sentence in the log matters.
public enum NameLogLevel: String, Sendable {
    case info
    case warning
    case error
}

/// Who sent a request, and where its answer goes.
public struct Asker: Sendable {
    /// The request that waits for an answer.
    public var id: RequestID
    /// The tag that each line of the answer carries.
    public var tag: Tag?
    /// Where the connection comes from; nil where the transport can not tell.
    public var peer: Endpoint?
    /// Whether the connection said `HELLO 1 caps=push`.
    public var takesNotices: Bool
    /// What the client calls the change that this is the first attempt of; nil without `op=`.
    var operation: OperationID?

    /// Joins what the transport knows of a request.
    public init(id: RequestID, tag: Tag?, peer: Endpoint?, takesNotices: Bool) {
        self.id = id
        self.tag = tag
        self.peer = peer
        self.takesNotices = takesNotices
    }

    var connection: ConnectionID { id.connection }
}
