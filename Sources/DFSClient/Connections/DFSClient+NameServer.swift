import DFSProtocol
import DFSTransport

extension DFSClient {
    /// Asks the name servers in turn until one answers.
    ///
    /// A change without `op=` is sent again only where it surely did not arrive. One with it is
    /// repeated where its answer was lost, and only to the server that may have done it.
    func askNameServer(
        _ request: ClientRequest, about path: TreePath? = nil, _ deadline: Deadline
    ) async throws(DFSError) -> Reply {
        let isQuestion = request.verb.specification(for: .name)?.isRepeatable ?? false
        var patience: Deadline?
        var backoff = Backoff()
        var failures = 0
        var strangers = 0
        var mayHaveDoneIt: Endpoint?
        while true {
            let index = currentNameServer.withLock { $0 }
            let endpoint = mayHaveDoneIt ?? nameServers[index]
            do throws(ConnectionError) {
                if try await pool.link(to: endpoint).role == "name" {
                    let timeout = attemptTimeout(isQuestion, deadline)
                    let reply = try await ask(
                        request, at: endpoint, timeout: timeout, redirects: options.redirects)
                    reachability.note(true)
                    return reply
                }
            } catch {
                strangers = 0
                var failure = DFSError(error, path: path, server: nil, endpoint: endpoint)
                if request.isOperationNamed, failure.isOutcomeUnknown { mayHaveDoneIt = endpoint }
                if mayHaveDoneIt != nil, !error.isRefusal { failure.isOutcomeUnknown = true }
                let isRepeatable = isQuestion || request.isOperationNamed
                guard isWorthRetrying(error, isRepeatable, mayHaveDoneIt != nil, deadline) else {
                    throw failure
                }
                failures += 1
                if mayHaveDoneIt == nil {
                    turn(from: index)
                    guard failures % nameServers.count == 0 else { continue }
                    reachability.note(false)
                    let isImpatient = patience?.isOver ?? false
                    patience = patience ?? Deadline(after: options.reconnectPatience)
                    if case .timedOut = error {} else if isImpatient { throw failure }
                }
                if deadline.isOver { throw failure }
                try await deadline.pause(backoff.pause())
                continue
            }
            // A server of another role answers some of the same verbs, and would pass for one.
            strangers += 1
            turn(from: index)
            if strangers == nameServers.count { throw await notNameServer(endpoint) }
        }
    }

    /// That somebody answers at an address, but not as a name server.
    private func notNameServer(_ endpoint: Endpoint) async -> DFSError {
        // The role only chooses the words; a connection lost meanwhile leaves it open.
        let role = try? await pool.link(to: endpoint).role
        var failure = DFSError(
            "no-name-server", "\(endpoint) is \(role == "file" ? "a file" : "no name") server")
        failure.endpoint = endpoint
        return failure
    }

    /// With others to turn to, one name server that hangs does not take the whole wait.
    private func attemptTimeout(_ isQuestion: Bool, _ deadline: Deadline) -> Duration {
        guard isQuestion, nameServers.count > 1 else { return deadline.remaining }
        return min(deadline.remaining, max(.milliseconds(500), options.deadline / 3))
    }

    private func turn(from index: Int) {
        currentNameServer.withLock { current in
            if current == index { current = (index + 1) % nameServers.count }
        }
    }

    /// Sends a request to one address and follows `moved to=`, but not for ever.
    private func ask(
        _ request: ClientRequest, at endpoint: Endpoint, timeout: Duration, redirects: Int
    ) async throws(ConnectionError) -> Reply {
        var place = endpoint
        var left = redirects
        while true {
            let link = try await pool.link(to: place)
            do {
                return try await link.send(request, timeout: timeout)
            } catch .refused(let refusal) {
                guard let next = refusal.redirection else { throw .refused(refusal) }
                guard left > 0 else { throw .violation("redirected in a circle") }
                left -= 1
                place = next
            }
        }
    }

    /// Whether another attempt can help.
    ///
    /// - Parameter isRepetition: Whether an earlier attempt may have been done.
    private func isWorthRetrying(
        _ error: ConnectionError, _ isRepeatable: Bool, _ isRepetition: Bool, _ deadline: Deadline
    ) -> Bool {
        if deadline.isOver { return false }
        switch error {
        case .unreachable: return true
        case .closed, .timedOut: return isRepeatable
        case .violation: return nameServers.count > 1 && isRepeatable && !isRepetition
        case .cancelled: return false
        case .refused(let refusal):
            // A repeated change waits for the outcome of the first one.
            if refusal.known == .timeout { return isRepetition }
            guard refusal.known == .busy || refusal.known == .draining || refusal.isFatal,
                isRepeatable || refusal.known == .busy
            else { return false }
            return nameServers.count > 1 || isRepetition || refusal.known == .busy
        }
    }
}

extension ServerRefusal {
    /// Where a `moved` says to go; nil for other errors, and where the address is none.
    var redirection: Endpoint? {
        guard known == .moved, let text = line.text("to") else { return nil }
        // An address that is none is no place to go: the refusal itself is then the answer.
        return try? Endpoint(text)
    }
}
