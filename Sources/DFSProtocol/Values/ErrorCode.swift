/// The closed list of words that may follow `ERR`; the word is the contract, its text is not.
///
/// - Source: Protocol.md, "Errors".
public enum ErrorCode: String, CaseIterable, Sendable {
    // Client bugs.
    case badSyntax = "bad-syntax"
    case badFraming = "bad-framing"
    case unknownVerb = "unknown-verb"
    case badArgument = "bad-argument"
    case badTag = "bad-tag"
    case badState = "bad-state"
    // Limits and strangers.
    case notHTTP = "not-http"
    case tlsOnPlain = "tls-on-plain"
    case lineTooLong = "line-too-long"
    case tooLarge = "too-large"
    case tooMany = "too-many"
    // Negotiation.
    case unsupportedVersion = "unsupported-version"
    case unsupported = "unsupported"
    // Security.
    case authRequired = "auth-required"
    case authFailed = "auth-failed"
    case denied = "denied"
    case readOnly = "read-only"
    // Files.
    case notFound = "not-found"
    case exists = "exists"
    case notDirectory = "not-dir"
    case isDirectory = "is-dir"
    case notEmpty = "not-empty"
    case badName = "bad-name"
    case nameTooLong = "name-too-long"
    case crossServer = "cross-server"
    case noSpace = "no-space"
    case quota = "quota"
    case range = "range"
    case io = "io"
    case corrupt = "corrupt"
    // Sessions.
    case staleHandle = "stale-handle"
    case leaseExpired = "lease-expired"
    case staleFile = "stale-file"
    case conflict = "conflict"
    case locked = "locked"
    // Location.
    case serverDown = "server-down"
    case unknownServer = "unknown-server"
    case staleEpoch = "stale-epoch"
    case moved = "moved"
    case noReplica = "no-replica"
    // Server state.
    case busy = "busy"
    case draining = "draining"
    case timeout = "timeout"
    case cancelled = "cancelled"
    case `internal` = "internal"
}
