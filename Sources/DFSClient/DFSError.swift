import DFSProtocol
import DFSTransport

/// The session that has a lock which another one asked for.
public struct LockHolder: Equatable, Sendable {
    /// Its name on the server, as HANDLES shows it and `kill` takes it.
    public let handle: [UInt8]
    /// How its client called itself; nil where it did not.
    public let clientName: String?
    /// Which lock it has; nil where the server did not tell.
    public let lock: FileLock?
    /// What is left of its lease, in milliseconds; nil for one that ends with its connection.
    public let leaseMilliseconds: Int64?

    init?(_ line: ReplyLine) {
        guard let handle = line.value("h") else { return nil }
        self.handle = handle
        clientName = line.text("client").flatMap { $0.isEmpty ? nil : $0 }
        lock = line.text("lock").flatMap { FileLock(rawValue: $0) }
        leaseMilliseconds = line.value("lease").flatMap { Number.parse($0.span) }
    }
}

/// What became of answered changes whose session was lost before a SYNC.
public enum EarlierChanges: Equatable, Sendable {
    /// They stand in the file; the disk may still lose them in a power cut.
    case stand
    /// They stand, unless the server's machine has lost power since.
    case standUnlessPowerFailed
}

/// Why something asked of the service was not done.
///
/// `code` is the wire's word, or one of the client's own: `unreachable`, `no-name-server`,
/// `connection-lost`, `protocol-violation`. Programs decide by `code` or `category`; `advice` is
/// for people only.
public struct DFSError: Error, Equatable, Sendable {
    /// What a caller can do about it; also what dfsh's exit codes are made of.
    public enum Category: Sendable {
        /// Doing it again as it is will fail again.
        case failed
        /// A name is not there.
        case notFound
        /// The server refuses this client.
        case denied
        /// Trying again later can work.
        case temporary
        /// No server answered.
        case unreachable
        /// What arrived is not what was sent, or a peer broke the protocol.
        case integrity
        /// Something is there already, or changed meanwhile.
        case conflict
        /// The caller gave up.
        case interrupted
    }

    /// The word after `ERR`, or the client's own.
    public let code: String
    /// What the failure is about, where it is about a path.
    public var path: TreePath?
    /// The file server concerned, where one is.
    public var server: ServerID?
    /// The address concerned, where the failure is about reaching one.
    public var endpoint: Endpoint?
    /// How long the server has been silent, in milliseconds, where the name server told.
    public var seenMilliseconds: Int64?
    /// After how many milliseconds trying again makes sense, where a server told.
    public var retryMilliseconds: Int64?
    /// A sentence for a person, from the server or from here; not safe to print raw.
    public var advice: String
    /// Whether it may have been done all the same: the answer was lost, or the server can not say.
    public var isOutcomeUnknown = false {
        // Whoever knows better, as of a file that was sent under another name, says so afterwards.
        didSet { if isOutcomeUnknown { isTargetUntouched = false } }
    }
    /// Whether it is sure that a file which was to be stored is as before.
    public var isTargetUntouched = false
    /// Whether it is sure that a file which was to be stored was replaced.
    ///
    /// The server said so, and what failed came after it, such as comparing what is there now.
    /// `isOutcomeUnknown` is then set too.
    public var isTargetReplaced = false
    /// How many bytes of one `write` are in the file all the same, from its offset on.
    ///
    /// Above 0 where a piece after them failed; `isOutcomeUnknown` is then set too.
    public var writtenBytes: Int64 = 0
    /// Who has the lock that was asked for, where the answer is `locked`.
    public var holder: LockHolder?
    /// The version that the file has, where the answer is `conflict` and the server told.
    public var currentVersion: Int64?
    /// A part of a file that was sent and could not be removed again, as far as is known.
    public var leftover: TreePath?
    /// Whether the part was left on purpose, so that another attempt can go on with it.
    public var isPartKept = false
    /// What became of changes that the same session had been answered before it was lost, and that
    /// were not synced; nil where there are none, or the session was not lost.
    public var earlierChanges: EarlierChanges?
    /// The name under which the server has no session, where that is the failure.
    public var missingSession: [UInt8]?
    /// Whether the server let its time pass without an answer, where that is the failure.
    ///
    /// A `timeout` that it tells itself is an answer.
    public var isUnanswered = false
    /// Who did not answer what; nil for other failures.
    var silence: String?

    /// Builds a failure of the client's own.
    public init(_ code: String, path: TreePath? = nil, _ advice: String) {
        self.code = code
        self.path = path
        self.advice = advice
    }

    /// Builds a failure with one of the wire's codes.
    public init(_ code: ErrorCode, path: TreePath? = nil, _ advice: String) {
        self.init(code.rawValue, path: path, advice)
    }

    /// The code where it is one of the wire's that this version knows.
    public var known: ErrorCode? { ErrorCode(rawValue: code) }

    /// What a caller can do about it.
    public var category: Category {
        switch code {
        case "unreachable", "no-name-server", "connection-lost": .unreachable
        case "protocol-violation": .integrity
        default: known.map(DFSError.category) ?? (retryMilliseconds == nil ? .failed : .temporary)
        }
    }

    private static func category(of code: ErrorCode) -> Category {
        switch code {
        case .notFound, .unknownServer: .notFound
        case .denied, .readOnly, .authRequired, .authFailed: .denied
        case .serverDown, .busy, .draining, .timeout, .locked, .tooMany: .temporary
        case .corrupt: .integrity
        case .exists, .notEmpty, .conflict, .staleFile, .staleHandle, .leaseExpired, .staleEpoch:
            .conflict
        case .cancelled: .interrupted
        default: .failed
        }
    }
}

extension DFSError {
    /// Says in the caller's terms what a connection said in its own.
    init(_ error: ConnectionError, path: TreePath?, server: ServerID?, endpoint: Endpoint?) {
        switch error {
        case .unreachable(let address, let reason):
            self.init("unreachable", path: path, "\(address) does not answer: \(reason)")
        case .closed(let reason):
            self.init("connection-lost", path: path, reason)
            isOutcomeUnknown = true
        case .notGreeted(let address):
            self.init(
                .timeout, path: path,
                "\(DFSError.name(of: server, at: address)) accepts connections but says nothing; "
                    + "nothing was asked of it: try again later")
            isUnanswered = true
        case .timedOut(let verb):
            let specification = verb.specification(for: server == nil ? .name : .file)
            self.init(.timeout, path: path, "")
            isOutcomeUnknown = specification?.effect != .reads
            let name = DFSError.name(of: server, at: endpoint)
            silence = "\(name) did not answer \(verb.rawValue) in time"
            isUnanswered = true
            tellSilence()
        case .cancelled: self.init(.cancelled, path: path, "given up by the caller")
        case .violation(let reason): self.init("protocol-violation", path: path, reason)
        case .refused(let refusal): self.init(refusal, path: path)
        }
        self.server = self.server ?? server
        self.endpoint = endpoint
    }

    /// As above; a link that was closed because its server is down says so.
    init(_ error: ConnectionError, path: TreePath?, server: ServerID, over link: ServerLink) {
        guard case .closed = error, let outage = link.outage else {
            self.init(error, path: path, server: server, endpoint: link.endpoint)
            return
        }
        self.init(.serverDown, path: path, "the connection ended with its server")
        self.server = server
        endpoint = link.endpoint
        seenMilliseconds = outage.seenMilliseconds
        isOutcomeUnknown = true
    }

    /// Takes what an ERR line says; what in it is malformed is left away, for the code is enough.
    init(_ refusal: ServerRefusal, path: TreePath?) {
        self.init(refusal.code, path: path, refusal.advice)
        let line = refusal.line
        // A path that is none leaves the one that was asked for.
        if let named = line.value("path").flatMap({ try? TreePath($0) }) { self.path = named }
        server = line.value("server").flatMap { ServerID($0) }
        seenMilliseconds = line.value("seen").flatMap { Number.parse($0.span) }
        retryMilliseconds = line.value("retry").flatMap { Number.parse($0.span) }
        isOutcomeUnknown = known == .timeout
        if known == .locked { holder = LockHolder(line) }
        if known == .conflict {
            currentVersion = line.value("ver").flatMap { Number.parse($0.span) }
        }
    }

    /// The same failure, of something that came after a file was replaced.
    var afterReplacement: DFSError {
        var failure = self
        failure.isOutcomeUnknown = true
        failure.isTargetReplaced = true
        if let silence { failure.advice = silence + "; the file had been replaced before" }
        return failure
    }

    /// Says of a silence what became of what was asked.
    private mutating func tellSilence() {
        guard let silence else { return }
        advice =
            silence
            + (isOutcomeUnknown
                ? "; whether it happened is not known: look before repeating it"
                : "; nothing was changed: try again later")
    }

    /// Notes that what was asked can not have changed anything.
    mutating func changedNothing() {
        isOutcomeUnknown = false
        tellSilence()
    }

    /// Whether the server can not say what became of a change.
    var isDoubt: Bool { known == .io || known == .internal || known == .cancelled }

    /// Whether a part of a change to a file may have been made before it was refused.
    var mayBeHalfDone: Bool { isDoubt || known == .noSpace || known == .quota }

    /// A server whose answer can not be believed.
    static func violation(_ text: String, path: TreePath? = nil) -> DFSError {
        DFSError("protocol-violation", path: path, text)
    }
}
