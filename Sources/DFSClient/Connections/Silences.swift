import DFSProtocol
import DFSTransport
import Synchronization

/// Servers that let a whole deadline pass without a word: one call at a time waits for each.
///
/// The first answer ends a server's silence, and so does the end of its connection.
final class Silences: Sendable {
    private struct Silence {
        let since: ContinuousClock.Instant
        /// The call that waits to see whether it is over, and how many of its requests do.
        var waiting: (call: ObjectIdentifier, requests: Int)?
    }

    private let silences = Mutex<[Endpoint: Silence]>([:])

    /// Lets a request of a call begin, or says for how long the server has been silent already.
    func begin(_ call: Patience, at endpoint: Endpoint) -> Duration? {
        silences.withLock { silences in
            guard var silence = silences[endpoint] else { return nil }
            let id = ObjectIdentifier(call)
            if let waiting = silence.waiting, waiting.call != id { return .now - silence.since }
            silence.waiting = (id, (silence.waiting?.requests ?? 0) + 1)
            silences[endpoint] = silence
            return nil
        }
    }

    /// Notes how a request ended that was let begin.
    ///
    /// - Parameters:
    ///   - error: nil for an answer.
    ///   - began: When the attempt began.
    ///   - heard: When something came over the connection last: a server that answers others while
    ///     it works on this is not silent.
    func end(
        _ call: Patience, at endpoint: Endpoint, _ error: ConnectionError?,
        since began: ContinuousClock.Instant, heard: ContinuousClock.Instant?
    ) {
        let isHeard = heard.map { .now - $0 < call.length } ?? false
        silences.withLock { silences in
            switch error {
            case .timedOut where isHeard: silences[endpoint] = nil
            case .timedOut, .notGreeted:
                silences[endpoint] =
                    silences[endpoint] ?? Silence(since: max(began, heard ?? began), waiting: nil)
            case .cancelled: break
            case nil, .refused, .violation, .closed, .unreachable: silences[endpoint] = nil
            }
            guard let waiting = silences[endpoint]?.waiting,
                waiting.call == ObjectIdentifier(call)
            else { return }
            silences[endpoint]?.waiting =
                waiting.requests > 1 ? (waiting.call, waiting.requests - 1) : nil
        }
    }
}

extension DFSError {
    /// That a server was not even asked, since it has been silent for a whole deadline.
    init(silentFor silence: Duration, path: TreePath?, server: ServerID?, endpoint: Endpoint) {
        let name = DFSError.name(of: server, at: endpoint)
        self.init(
            .timeout, path: path,
            "\(name) has not answered for \(silence.components.seconds) s, and was not asked for "
                + "this while another request waits for it; nothing was changed: try again later")
        self.server = server
        self.endpoint = endpoint
        isUnanswered = true
    }

    /// A server as sentences name it.
    static func name(of server: ServerID?, at endpoint: Endpoint?) -> String {
        let place = endpoint.map { " at \($0)" } ?? ""
        return server.map { "file server \($0)\(place)" } ?? "the name server\(place)"
    }
}
