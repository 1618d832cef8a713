import DFSProtocol
import DFSTransport

extension DFSClient {
    /// Asks the name servers in turn until one answers.
    ///
    /// A request that changes something is sent again only where it surely did not arrive.
    func askNameServer(
        _ request: ClientRequest, about path: TreePath? = nil, _ deadline: Deadline
    ) async throws(DFSError) -> Reply {
        let isRepeatable = request.verb.specification(for: .name)?.isRepeatable ?? false
        var patience: Deadline?
        var backoff = Backoff()
        var failures = 0
        var strangers = 0
        while true {
            let index = currentNameServer.withLock { $0 }
            let endpoint = nameServers[index]
            do throws(ConnectionError) {
                if try await pool.link(to: endpoint).role == "name" {
                    let timeout = attemptTimeout(isRepeatable, deadline)
                    let reply = try await ask(
                        request, at: endpoint, timeout: timeout, redirects: options.redirects)
                    reached.withLock { $0 = true }
                    return reply
                }
            } catch {
                strangers = 0
                let failure = DFSError(error, path: path, server: nil, endpoint: endpoint)
                guard try await isWorthRetrying(error, isRepeatable, deadline) else {
                    throw failure
                }
                failures += 1
                turn(from: index)
                guard failures % nameServers.count == 0 else { continue }
                reached.withLock { $0 = false }
                let isImpatient = patience?.isOver ?? false
                patience = patience ?? Deadline(after: options.reconnectPatience)
                if case .timedOut = error {} else if isImpatient { throw failure }
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
    private func attemptTimeout(_ isRepeatable: Bool, _ deadline: Deadline) -> Duration {
        guard isRepeatable, nameServers.count > 1 else { return deadline.remaining }
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

    /// Whether another attempt can help; waits where the server told how long.
    private func isWorthRetrying(
        _ error: ConnectionError, _ isRepeatable: Bool, _ deadline: Deadline
    ) async throws(DFSError) -> Bool {
        switch error {
        case .unreachable: return !deadline.isOver
        case .closed, .timedOut: return isRepeatable && !deadline.isOver
        case .violation: return nameServers.count > 1 && isRepeatable && !deadline.isOver
        case .cancelled: return false
        case .refused(let refusal):
            guard refusal.known == .busy || refusal.known == .draining || refusal.isFatal,
                isRepeatable || refusal.known == .busy, !deadline.isOver
            else { return false }
            return nameServers.count > 1 || refusal.known == .busy
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
