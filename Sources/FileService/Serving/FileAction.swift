import DFSProtocol

/// What the core wants done; the host carries actions out in their order.
public enum FileAction: Sendable {
    /// Run this on the storage pool and hand the outcome to `finished`.
    case run(DiskJob)
    /// Send whole item lines, if any, and then the last line.
    case answer(RequestID, items: LineWriter?, final: LineWriter)
    /// Send a last line that announces the bytes which the request's latest job has read.
    case answerWithBytes(RequestID, LineWriter)
    /// Send items of an answer that goes on, the last with the bytes that the latest job has read
    /// where it announces some, and call `itemTaken` once the system has them.
    case tell(RequestID, LineWriter, withBytes: Bool)
    /// Ask the store to watch a file for a FOLLOW until its request ends: call `watching` with
    /// what came of it, and `fileChanged` as often as the store calls.
    case watch(RequestID, any OpenFile)
    /// Send the error line.
    case refuse(RequestID, RequestError)
    /// Copy a file from another server, and hand the outcome to `pulled`.
    case pull(RequestID, target: TreePath, source: TreePath)
    /// A connection may hold a session no longer; `holdsSession` tells.
    case released(ConnectionID)
}

/// Who asks: the request, and how its client is shown in HANDLES.
public struct Caller: Sendable {
    /// The request.
    public let id: RequestID
    /// Where it connects from and what it calls itself.
    public let client: ClientName
    /// `DataPrint` of the payload of a request with `op=`; 0 for every other one.
    public let payloadPrint: UInt64

    /// Pairs a request with its client.
    public init(id: RequestID, client: ClientName, payloadPrint: UInt64 = 0) {
        self.id = id
        self.client = client
        self.payloadPrint = payloadPrint
    }
}

/// Whether a file server is known to a name server; what STATUS shows.
public struct LinkSummary: Equatable, Sendable {
    /// How the link to the name server stands.
    public enum State: String, Sendable {
        /// There is no name server: `--standalone`.
        case none
        case connecting
        /// Registered, and the first report is not complete yet.
        case reporting
        case registered
    }

    /// Where it stands.
    public var state: State
    /// The name server that is used or tried.
    public var nameServer: Endpoint?
    /// Changes that no name server has acknowledged.
    public var pending: Int64

    /// Joins what the link knows of itself.
    public init(state: State, nameServer: Endpoint? = nil, pending: Int64 = 0) {
        self.state = state
        self.nameServer = nameServer
        self.pending = pending
    }
}
