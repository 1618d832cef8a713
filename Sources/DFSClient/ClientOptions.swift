import DFSProtocol
import DFSTransport

/// How patient and how parallel a client is; the defaults suit programs on one network.
public struct ClientOptions: Sendable {
    /// Longest wait for one operation's control requests; transfers get more for their bytes.
    public var deadline: Duration = .seconds(10)
    /// Longest wait for one connection and its greeting.
    public var connectTimeout: Duration = .seconds(3)
    /// How long name servers that nobody can reach are tried again before that is the answer.
    public var reconnectPatience: Duration = .seconds(2)
    /// How often one operation follows `moved to=`.
    public var redirects = 4
    /// Bytes that one FETCH, READ or WRITE carries at most; a server may announce less.
    public var pieceBytes = 1_048_576
    /// Pieces of one file that travel at once.
    public var piecesInFlight = 4
    /// Connections that are kept at once, one a server.
    public var connections = 64
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

    /// The least speed at which bytes must move before a wait for them is given up, per second.
    static let slowestBytesPerSecond: Int64 = 65_536
}

/// The end of a wait, counted on a clock that no setting of the date changes.
struct Deadline: Sendable {
    private let end: ContinuousClock.Instant

    init(after duration: Duration) { end = .now + duration }

    /// What is left; zero once it has passed.
    var remaining: Duration { max(.zero, end - .now) }
    var isOver: Bool { remaining == .zero }

    /// What is left, and the time that this many bytes may take on the slowest connection served.
    func remaining(forBytes count: Int64) -> Duration {
        remaining + .seconds(count / ClientOptions.slowestBytesPerSecond)
    }

    /// Waits, but not beyond the deadline.
    ///
    /// - Throws: `cancelled`.
    func pause(_ duration: Duration) async throws(DFSError) {
        do {
            try await Task.sleep(for: min(duration, remaining))
        } catch {
            throw DFSError(.cancelled, "given up by the caller")
        }
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
