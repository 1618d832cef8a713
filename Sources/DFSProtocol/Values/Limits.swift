/// Every bound of the protocol and of the queues behind it, each with its unit and its reason.
///
/// - Source: Protocol.md, "Limits".
public struct Limits: Equatable, Sendable {
    /// Longest line without its end, in bytes: a path of 4096 bytes, each escaped, fits twice.
    public var lineBytes = 65_536
    /// Longest payload, in bytes: what one WRITE or READ carries, and what a connection may hold.
    public var payloadBytes = 1_048_576
    /// How often `payloadBytes` an oversized payload may be and still be read and dropped.
    public var droppedPayloadFactor = 16
    /// Tagged requests in flight on one connection; more wait in the peer's socket.
    public var taggedRequests = 64
    /// Requests read ahead while an earlier one runs, so that CANCEL and QUIT are seen.
    public var waitingRequests = 64
    /// Bytes of requests read ahead; above it nothing is read until one has been answered.
    public var waitingBytes = 2_097_152
    /// Handles that one connection may hold open.
    public var handlesPerConnection = 256
    /// Sessions that one server holds open, those without a connection included.
    public var handles = 32_768
    /// Longest lease that is granted, and longest wait for a lock, in milliseconds.
    public var leaseMilliseconds: Int64 = 600_000
    /// How long an answer is kept for a repetition with the same `op=`, in milliseconds.
    public var operationMilliseconds: Int64 = 60_000
    /// Answers kept for repetitions; above it a request with a new `op=` is told `busy`.
    public var operations = 262_144
    /// Answers that a peer has not taken yet, in bytes; above it no further request is read.
    public var unsentBytes = 8_388_608
    /// How long an incomplete line or payload may stand still, in milliseconds.
    public var partialLineMilliseconds: Int64 = 30_000
    /// How long a connection without a purpose may say nothing, in milliseconds.
    public var idleMilliseconds: Int64 = 600_000
    /// How long a refused connection is still read from, so that TCP does not swallow the answer.
    public var lingerMilliseconds: Int64 = 1_000
    /// Malformed requests in a row after which the connection is closed.
    public var malformedInARow = 10
    /// Connections served at once by one process; one more is told `too-many` and closed.
    public var connections = 16_384

    /// The limits that a server announces unless it was told otherwise.
    public init() {}

    /// Longest text in one `READ ... as=text`, in bytes: each may become four in a line.
    public var textBytes: Int { lineBytes / 8 }

    /// Longest component of a path, in bytes, as Linux has it.
    public static let componentBytes = 255
    /// Longest tree path, in bytes; an export's own path comes on top of it.
    public static let pathBytes = 4096
    /// Longest name that a client gives itself in HELLO, in bytes: others are shown it.
    public static let clientNameBytes = 128
    /// Longest pattern of FIND, in bytes; matching costs pattern times name.
    public static let patternBytes = 1024
    /// Most pairs in one line; each is compared with those before it.
    public static let pairsInLine = 64
    /// Mounts of one file server; each reported path is held against all of them.
    public static let mounts = 64
    /// Paths of one file server's mounts together, in bytes: SERVERS tells them twice escaped.
    public static let mountBytes = 16_384
    /// Items of one LIST or FIND unless asked otherwise, and the most that may be asked.
    public static let listItems = 10_000
    /// Text of one page of LIST or FIND, in bytes, after which `more=yes` is said early.
    public static let listBytes = 4_194_304
}
