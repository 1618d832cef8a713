extension ErrorCode {
    /// Where in Protocol.md's table a code stands.
    public enum Group: String, CaseIterable, Sendable {
        case client = "client bugs"
        case limits = "limits and strangers"
        case negotiation = "negotiation"
        case security = "security"
        case files = "files"
        case sessions = "sessions"
        case location = "location"
        case state = "server state"
    }

    /// What the code is about.
    public var group: Group {
        switch self {
        case .badSyntax, .badFraming, .unknownVerb, .badArgument, .badTag, .badState: .client
        case .notHTTP, .tlsOnPlain, .lineTooLong, .tooLarge, .tooMany: .limits
        case .unsupportedVersion, .unsupported: .negotiation
        case .authRequired, .authFailed, .denied, .readOnly: .security
        case .notFound, .exists, .notDirectory, .isDirectory, .notEmpty, .badName, .nameTooLong,
            .crossServer, .noSpace, .quota, .range, .io, .corrupt:
            .files
        case .staleHandle, .leaseExpired, .staleFile, .conflict, .locked: .sessions
        case .serverDown, .unknownServer, .staleEpoch, .moved, .noReplica: .location
        case .busy, .draining, .timeout, .cancelled, .internal: .state
        }
    }

    /// One sentence on what happened and what a client does next; the row of Protocol.md's table.
    public var meaning: String {
        switch self {
        case .badSyntax: "The line does not follow the grammar."
        case .badFraming: "Nobody can tell where the next request starts; always `fatal`."
        case .unknownVerb: "This role has no such verb; HELP lists those it has."
        case .badArgument:
            "An operand is missing or too many, a key is unknown, or a value has the wrong form."
        case .badTag: "The tag is not 1 to 16 letters or digits, or it is still in flight."
        case .badState: "The request needs something first; the text says what."
        default: group == .files ? meaningForFiles : meaningForOthers
        }
    }

    private var meaningForFiles: String {
        switch self {
        case .notFound: "There is no such file or directory, or no such request or operation."
        case .exists: "The name is there, or another client has claimed it."
        case .notDirectory: "A directory was needed and a file is there."
        case .isDirectory: "A file was needed and a directory is there."
        case .notEmpty: "The directory has entries."
        case .badName: "The path can not stand in the tree; see \"Names\"."
        case .nameTooLong: "A name has over 255 bytes, or a path over 4096; `max=` says which."
        case .crossServer: "Two servers would have to do it together; copy and remove instead."
        case .noSpace: "A disk is full; free some space and repeat."
        case .quota: "A quota on the server's disk is used up."
        case .range: "A number, or a sum of two, is over 2^63-1 or over what the file system takes."
        case .io: "A disk failed; nothing that was not answered OK can be relied on."
        default: "The stored bytes are not those that were written. Not used yet."
        }
    }

    private var meaningForOthers: String {
        switch self {
        case .notHTTP: "An HTTP request came; always `fatal`."
        case .tlsOnPlain: "A TLS handshake came to a port that speaks plain text; always `fatal`."
        case .lineTooLong: "A line is over `max=`; send data as a literal; always `fatal`."
        case .tooLarge: "A payload or a file is over `max=`; send or read it in pieces."
        case .tooMany: "There are more of something than `max=`; end one and repeat."
        case .unsupportedVersion: "HELLO asked for a version that is not among `versions=`."
        case .unsupported: "It is understood and not offered."
        case .authRequired: "The request needs an authenticated connection. Not used yet."
        case .authFailed: "The proof of identity was wrong. Not used yet."
        case .denied: "It is not allowed, here or for the server's user on its disk."
        case .readOnly: "The session was opened `r`, or the disk is mounted read-only."
        case .staleHandle: "The handle names no session of this connection; OPEN again."
        case .leaseExpired: "The session's lease has run out; OPEN again and compare."
        case .staleFile: "The file was replaced or removed under the session; OPEN and compare."
        case .conflict:
            "The file has version `ver=` and not the one that was asked for; read it again."
        case .locked: "Another session, `h=`, holds a lock; try again after `retry=` ms."
        case .serverDown:
            "`server=` has it and is silent since `seen=` ms; ask again after `retry=` ms."
        case .unknownServer: "No server of that id is known, or this connection is not registered."
        case .staleEpoch: "A newer process, or another connection, has this server id."
        case .moved: "It is at `to=` now. Not used yet."
        case .noReplica: "No server has a mount over this path, or not the one asked for."
        case .busy: "The server is short of something; repeat after `retry=` ms."
        case .draining: "The server is stopping; ask again when it is back."
        case .timeout: "It took too long; if it changes something, look before you repeat."
        case .cancelled: "CANCEL ended the request; what it had done by then stays."
        default: "A defect of the server; tell whoever runs it."
        }
    }
}
