import DFSProtocol
import DFSTransport

/// How patient and how parallel a client is; the defaults suit programs on one network.
public struct ClientOptions: Sendable {
    /// How long what is asked may make no progress: no answer, and no byte of one.
    ///
    /// An answer, a line or a piece of a payload starts it anew: it bounds no transfer. What a
    /// server must do with a file's bytes (SHA-256, a copy, a SYNC) gets more for them, up to 360
    /// times this.
    public var deadline: Duration = .seconds(10)
    /// Longest wait for one connection and its greeting, where `deadline` leaves so much.
    public var connectTimeout: Duration = .seconds(3)
    /// How long name servers that nobody can reach are tried again before that is the answer.
    public var reconnectPatience: Duration = .seconds(2)
    /// How often one operation follows `moved to=`.
    public var redirects = 4
    /// Bytes that one FETCH, READ or WRITE carries at most; a server may announce less.
    public var pieceBytes = 1_048_576
    /// Pieces of one file that travel at once.
    public var piecesInFlight = 4
    /// Connections that are kept at once to all servers.
    public var connections = 64
    /// Connections to one server; more than one is opened only where as many requests wait for
    /// answers as a server takes at once.
    public var connectionsPerServer = 4
    /// Whether single requests carry tags too.
    ///
    /// With tags, the tasks of one program do not queue behind each other. Without, a trace reads
    /// like a session that was typed.
    public var tagsEveryRequest = true
    /// How long a request to a file server stays unanswered before its name server is asked.
    public var watchAfter: Duration = .seconds(2)
    /// Called for every line of every connection; must not block.
    public var trace: (@Sendable (Endpoint, TraceLine) -> Void)?

    /// The defaults.
    public init() {}

    /// What a file server's disk does at least in a second, fsync included.
    private static let slowestDiskBytesPerSecond: Int64 = 16_777_216
    /// How many times `deadline` a server may compute, however large it says a file is.
    private static let longestWork = 360

    /// What a server may take over so many bytes of its disk, on top of the deadline.
    func work(on bytes: Int64) -> Duration {
        min(
            .seconds(max(0, bytes) / ClientOptions.slowestDiskBytesPerSecond),
            deadline * ClientOptions.longestWork)
    }
}

extension Patience {
    /// Waits, but not beyond what is left.
    ///
    /// - Parameter isDoubtful: Whether something was asked before that may have been done.
    /// - Throws: `cancelled`, with that doubt.
    func pause(_ duration: Duration, isDoubtful: Bool = false) async throws(DFSError) {
        do {
            // A pause before another attempt; no notice of WATCH is taken that would end it.
            try await sleep(min(duration, remaining))
        } catch {
            var failure = DFSError(.cancelled, "given up by the caller")
            if isDoubtful { failure.isOutcomeUnknown = true }
            throw failure
        }
    }
}

/// Notices what is lost again and again midway: bytes that are thrown away are no progress.
struct Losses {
    /// How often one request may be lost after a part of its answer had come.
    private static let most = 8

    private var renewals: Int
    private var count = 0

    init(_ patience: Patience) { renewals = patience.renewals }

    /// Whether it is enough, after another attempt was lost.
    mutating func isEnough(_ patience: Patience) -> Bool {
        if patience.renewals != renewals { count += 1 }
        renewals = patience.renewals
        return count >= Losses.most
    }
}

/// Pauses that double from 25 ms to 400 ms.
struct Backoff: Sendable {
    private var next: Duration = .milliseconds(25)

    /// The pause to make now.
    mutating func pause() -> Duration {
        defer { next = min(next * 2, .milliseconds(400)) }
        return next
    }
}
