import DFSProtocol
import DFSTransport

extension DFSClient {
    /// Asks the name servers in turn until one answers.
    ///
    /// A change without `op=` is sent again only where it surely did not arrive. One with it is
    /// repeated where its answer was lost, and only to the server that may have done it.
    func askNameServer(
        _ request: ClientRequest, about path: TreePath? = nil, _ patience: Patience
    ) async throws(DFSError) -> Reply {
        let isQuestion = request.verb.specification(for: .name)?.isRepeatable ?? false
        var reconnecting: Patience?
        var backoff = Backoff()
        var losses = Losses(patience)
        var failures = 0
        var strangers = 0
        var mayHaveDoneIt: Endpoint?
        var firstSent: ContinuousClock.Instant?
        while true {
            let index = currentNameServer.withLock { $0 }
            let endpoint = mayHaveDoneIt ?? nameServers[index]
            // What may have been done is asked for until the end.
            if mayHaveDoneIt == nil, let silence = silences.begin(patience, at: endpoint) {
                failures += 1
                turn(from: index)
                if failures % nameServers.count != 0 { continue }
                throw DFSError(silentFor: silence, path: path, server: nil, endpoint: endpoint)
            }
            do throws(ConnectionError) {
                if let reply = try await attempt(
                    request, isQuestion, at: endpoint, patience, &firstSent)
                {
                    reachability.note(true)
                    return reply
                }
            } catch {
                strangers = 0
                let isLastOfAll =
                    mayHaveDoneIt == nil
                    ? (failures + 1) % nameServers.count == 0 : nameServers.count == 1
                noteReachability(error, isLastOfAll: isLastOfAll)
                var failure = DFSError(error, path: path, server: nil, endpoint: endpoint)
                if request.isOperationNamed, failure.isOutcomeUnknown { mayHaveDoneIt = endpoint }
                if mayHaveDoneIt != nil, error.leavesOpenWhatWasBefore {
                    failure.isOutcomeUnknown = true
                }
                // Given up or broken off once it was sent, or failed on a disk: it may have been
                // done all the same.
                if firstSent != nil, request.isOperationNamed, error.isBreach || error.isDoubt {
                    failure.isOutcomeUnknown = true
                }
                if isQuestion, !request.verb.changes { failure.changedNothing() }
                let isRepeatable = isQuestion || request.isOperationNamed
                guard isWorthRetrying(error, isRepeatable, mayHaveDoneIt != nil, patience),
                    !losses.isEnough(patience),
                    mayHaveDoneIt == nil || !Repetition.isTooLate(after: firstSent, patience)
                else { throw failure }
                failures += 1
                if mayHaveDoneIt == nil {
                    turn(from: index)
                    guard failures % nameServers.count == 0 else { continue }
                    let isImpatient = reconnecting?.isOver ?? false
                    reconnecting = reconnecting ?? patience.anew(options.reconnectPatience)
                    if isImpatient, !error.isSilence { throw failure }
                }
                if patience.isOver { throw failure }
                try await patience.pause(backoff.pause(), isDoubtful: mayHaveDoneIt != nil)
                // Without any time left it would seem to be silent.
                if patience.isOver { throw failure }
                continue
            }
            // A server of another role answers some of the same verbs, and would pass for one.
            strangers += 1
            turn(from: index)
            if strangers == nameServers.count { throw await notNameServer(endpoint) }
        }
    }

    /// Notes what a failure says of whether a name server answers at all.
    private func noteReachability(_ error: ConnectionError, isLastOfAll: Bool) {
        switch error {
        case .refused(let refusal):
            if !refusal.isFatal, refusal.known != .draining { reachability.note(true) }
        case .unreachable, .notGreeted, .timedOut, .closed:
            if isLastOfAll { reachability.note(false) }
        case .cancelled, .violation: break
        }
    }

    /// Asks one name server once.
    ///
    /// - Parameter firstSent: When it was sent first, this time included.
    /// - Returns: nil where it is none.
    private func attempt(
        _ request: ClientRequest, _ isQuestion: Bool, at endpoint: Endpoint,
        _ patience: Patience, _ firstSent: inout ContinuousClock.Instant?
    ) async throws(ConnectionError) -> Reply? {
        let began = ContinuousClock.now
        var used: ServerLink?
        do throws(ConnectionError) {
            let own = attemptPatience(isQuestion, patience)
            var reply: Reply?
            let link = try await pool.link(to: endpoint, until: own)
            used = link
            if link.role == "name" {
                firstSent = firstSent ?? patience.now
                reply = try await ask(request, at: endpoint, own, redirects: options.redirects)
            }
            silences.end(patience, at: endpoint, nil, since: began, heard: .now)
            return reply
        } catch {
            silences.end(patience, at: endpoint, error, since: began, heard: used?.lastHeard)
            throw error
        }
    }

    /// That somebody answers at an address, but not as a name server.
    private func notNameServer(_ endpoint: Endpoint) async -> DFSError {
        // The role only chooses the words; a connection lost meanwhile leaves it open.
        let role = try? await pool.link(to: endpoint, until: patience()).role
        var failure = DFSError(
            "no-name-server", "\(endpoint) is \(role == "file" ? "a file" : "no name") server")
        failure.endpoint = endpoint
        return failure
    }

    /// With others to turn to, one name server that hangs does not take the whole wait.
    private func attemptPatience(_ isQuestion: Bool, _ patience: Patience) -> Patience {
        guard isQuestion, nameServers.count > 1 else { return patience }
        return patience.anew(
            min(patience.remaining, max(.milliseconds(500), options.deadline / 3)))
    }

    private func turn(from index: Int) {
        currentNameServer.withLock { current in
            if current == index { current = (index + 1) % nameServers.count }
        }
    }

    /// Sends a request to one address and follows `moved to=`, but not for ever.
    private func ask(
        _ request: ClientRequest, at endpoint: Endpoint, _ patience: Patience, redirects: Int
    ) async throws(ConnectionError) -> Reply {
        var place = endpoint
        var left = redirects
        while true {
            let link = try await pool.link(to: place, until: patience)
            guard link.role == "name" else {
                throw .violation("\(place) was named as a name server and is none")
            }
            do {
                return try await link.send(request, until: patience)
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
        _ error: ConnectionError, _ isRepeatable: Bool, _ isRepetition: Bool, _ patience: Patience
    ) -> Bool {
        if patience.isOver { return false }
        switch error {
        case .unreachable, .notGreeted: return true
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

extension Verb {
    /// Whether a name server that was asked it may have changed something.
    fileprivate var changes: Bool { specification(for: .name)?.effect != .reads }
}

extension ConnectionError {
    /// Whether nothing at all came.
    fileprivate var isSilence: Bool {
        switch self {
        case .timedOut, .notGreeted: true
        default: false
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
