import DFSProtocol

/// What happens to the link between a file server and its name servers.
///
/// `session` counts connections, so that what an old one still says is ignored.
public enum LinkEvent: Sendable {
    case started
    /// The connection stands and its greeting was read.
    case connected(session: UInt64)
    /// The connection could not be made, or broke.
    case lost(session: UInt64, reason: String)
    case replied(session: UInt64, LinkRequest, Result<ReplyLine, LinkRefusal>)
    case notice(session: UInt64, ReplyLine)
    /// The store has counted a change.
    case changed(generation: Int64)
    /// What was asked for by `load`; a nil batch means that history does not reach back.
    case loaded(session: UInt64, Result<ReportBatch?, RequestError>)
    /// What the name server ordered is done or was refused; it is known from this generation on.
    case ordered(session: UInt64, number: Int64, RequestError?, generation: Int64)
    /// Nothing can be served for the moment, or it can again.
    case away(Bool)
    case timePassed
    /// A planned stop: tell what is untold, say goodbye, and end.
    case stopping
}

/// What the link wants done.
public enum LinkAction: Sendable {
    case connect(Endpoint, session: UInt64)
    case disconnect(session: UInt64)
    case send(LinkRequest, session: UInt64, timeoutMilliseconds: Int64)
    /// Read a batch from the store, on the storage pool.
    case load(ReportBatch.Cut, session: UInt64)
    /// Do on disk what the name server ordered.
    case perform(NameServerOrder, session: UInt64)
    /// Everything up to a generation is known to the name server.
    case acknowledged(Int64)
    /// Nothing can be told now.
    case unreachable
    /// The name server knows all there is, for the first time.
    case caughtUp
    /// A line for the log.
    case note(String)
    /// The server can not go on under its id; the sentence says why.
    case giveUp(String)
    /// The planned stop is complete.
    case stopped
}

/// One request of the link, as it is put on the wire.
public enum LinkRequest: Sendable {
    case hello
    case register(generation: Int64?)
    /// With the generation up to which the name server knows everything afterwards.
    case report(ReportBatch, generation: Int64?)
    case heartbeat(sequence: Int64)
    case done(order: Int64, error: ErrorCode?)
    /// Away: the server runs on, but none of its folders is there.
    case goodbye(isAway: Bool)
}

/// Why the name server refused a request of the link.
public struct LinkRefusal: Error, Equatable, Sendable {
    /// The wire word, also one that this version does not know.
    public let code: String
    /// What the name server says to do.
    public let advice: String
    /// Milliseconds after which the name server asks to try again.
    public let retryMilliseconds: Int64?

    /// Takes what stood on the error line.
    public init(code: String, advice: String, retryMilliseconds: Int64? = nil) {
        self.code = code
        self.advice = advice
        self.retryMilliseconds = retryMilliseconds
    }
}

/// What a name server asks of the owner of a path.
public struct NameServerOrder: Equatable, Sendable {
    /// What to do.
    public enum Kind: Equatable, Sendable {
        case remove(TreePath, recursive: Bool)
        /// What stands at the target gives way only where the client said so.
        case rename(TreePath, to: TreePath, replaces: Bool)
    }

    /// Names the order in `DONE op=`.
    public let number: Int64
    /// What to do, and to which path.
    public let kind: Kind
    /// Which file it is about, where it may be the repetition of one that was done; else nil.
    public let fid: Int64?

    /// Joins the parts of an order.
    public init(number: Int64, kind: Kind, fid: Int64? = nil) {
        self.number = number
        self.kind = kind
        self.fid = fid
    }

    /// Reads `! remove op= path= [recursive=yes]` or `! rename op= from= to= [replace=yes]`.
    ///
    /// Each may carry `fid=`.
    ///
    /// - Throws: `bad-argument`, `bad-name`, `name-too-long` or `unsupported`.
    public init(_ notice: ReplyLine) throws(RequestError) {
        number = try notice.number("op")
        fid = try notice.value("fid").map { value throws(RequestError) in
            try Number.parse(value, named: "fid")
        }
        switch notice.operands.first.map({ String(decoding: $0, as: UTF8.self) }) {
        case "remove":
            kind = .remove(
                try TreePath(notice.value("path") ?? []),
                recursive: notice.text("recursive") == "yes")
        case "rename":
            kind = .rename(
                try TreePath(notice.value("from") ?? []),
                to: try TreePath(notice.value("to") ?? []),
                replaces: notice.text("replace") == "yes"
            )
        default: throw RequestError(.unsupported, "this file server removes and renames only")
        }
    }

    /// Does it; blocks, so it runs on the storage pool.
    public func perform(on store: any FileStore) throws(RequestError) {
        switch kind {
        case .remove(let path, let recursive):
            try store.remove(path, recursive: recursive, fid: fid)
        case .rename(let from, let target, let replaces):
            try store.rename(from, to: target, replacing: replaces, fid: fid)
        }
    }
}
