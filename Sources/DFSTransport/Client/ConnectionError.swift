import DFSProtocol
import Glibc
import NIOCore
import NIOPosix

/// Why a request over a connection brought no `OK`.
public enum ConnectionError: Error, Sendable {
    /// Nobody answers at the address; the text is the system's reason.
    case unreachable(Endpoint, String)
    /// The connection ended first: what was asked happened once or not at all.
    case closed(String)
    /// Somebody accepts connections at the address, and no greeting came: nothing was asked.
    case notGreeted(Endpoint)
    /// Nothing of the answer came for too long: what was asked happened once or not at all.
    case timedOut(Verb)
    /// The caller's task was cancelled.
    case cancelled
    /// The server broke the protocol; the connection is closed, and nothing of the answer was used.
    case violation(String)
    /// The server answered `ERR`.
    case refused(ServerRefusal)

    /// Whether the server answered, if only with an `ERR`.
    public var isRefusal: Bool {
        if case .refused = self { true } else { false }
    }
}

/// An `ERR` line, as it came.
public struct ServerRefusal: Sendable {
    /// The word after `ERR`; of a newer server it may be one that is not known here.
    public let code: String
    /// Whether the server closes the connection.
    public let isFatal: Bool
    /// The whole line, for its fields.
    public let line: ReplyLine

    /// The code where it is one of ours.
    public var known: ErrorCode? { ErrorCode(rawValue: code) }
    /// The sentence for a person; empty where there was none.
    public var advice: String {
        line.operands.last.map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}

extension ConnectionError {
    /// That nobody answered at an address in the time that was left for it.
    public static func unanswered(_ endpoint: Endpoint) -> ConnectionError {
        .unreachable(endpoint, DFSTransport.unanswered)
    }
}

private let unanswered = "no answer in time"

/// The system's words for an error of the socket layer.
func describe(_ error: any Error) -> String {
    switch error {
    case let error as IOError:
        strerror(error.errnoCode).map { String(cString: $0) } ?? error.description
    case ChannelError.connectTimeout: unanswered
    case let error as NIOConnectionError:
        error.connectionErrors.first.map { describe($0.error) } ?? "unknown host \(error.host)"
    default: "\(error)"
    }
}
