import DFSProtocol
import DFSTransport

extension HeldSession {
    /// Brings a lost session back, and says how that went to all who wait.
    func comeBack(from lost: Seat, _ patience: Patience) async -> Result<Seat, DFSError> {
        let outcome: Outcome
        do throws(DFSError) {
            outcome = try await reconnect(lost, patience)
        } catch {
            // The next call tries again: what was lost may still be there.
            state.withLock { state in
                if case .lost(let seat, _) = state.standing { state.standing = .lost(seat, nil) }
            }
            return .failure(error)
        }
        switch outcome {
        case .over(let error):
            isOver(error)
            return .failure(error)
        case .attached(let seat):
            let isWanted = state.withLock { state in
                guard case .lost(let old, _) = state.standing else { return false }
                old.link.forget(self)
                old.link.holdsHandle(-1)
                seat.link.holdsHandle(1)
                state.standing = .attached(seat)
                state.lastRequest = .now
                // A new session's cursor stands at the beginning.
                if seat.generation != old.generation { state.ownsCursor = true }
                return true
            }
            guard isWanted else {
                // Closed meanwhile; the session that was opened for it ends too.
                await leave(seat)
                return .failure(DFSError(.staleHandle, path: opening.path, "closed meanwhile"))
            }
            watch(seat)
            return .success(seat)
        }
    }

    private enum Outcome {
        case attached(Seat)
        case over(DFSError)
    }

    /// Finds the server again and the session on it, until the deadline.
    private func reconnect(_ lost: Seat, _ patience: Patience) async throws(DFSError) -> Outcome {
        var address = lost.link.endpoint
        var backoff = Backoff()
        var attempts = 0
        var earlier: DFSError?
        // Who waits for a server that is down is told so, if it does not come back.
        var outage = toldDown(lost)
        // No answer renews it: whoever waits asks again and again, and is answered each time.
        let limit = patience.anew(client.options.deadline)
        while true {
            var used: ServerLink?
            do throws(ConnectionError) {
                let link = try await client.pool.link(to: address, until: patience)
                used = link
                if link.run.id == lost.link.run.id {
                    return try await reattach(lost, over: link, patience)
                }
            } catch {
                let failure =
                    used.map { DFSError(error, path: opening.path, server: server, over: $0) }
                    ?? DFSError(error, path: opening.path, server: server, endpoint: address)
                guard await isWorthRetrying(error) else { throw failure }
                // A dial that was cut short by the end of the patience says less.
                if patience.isOver { throw outage ?? toldDown(lost) ?? earlier ?? failure }
                earlier = failure
            }
            if patience.isOver { throw outage ?? toldDown(lost) ?? lostFailure }
            if limit.isOver { throw outage ?? toldDown(lost) ?? earlier ?? lostFailure }
            attempts += 1
            try await patience.pause(backoff.pause())
            // The first attempts need nobody: a broken connection is mostly that alone.
            guard attempts % 3 == 0 else { continue }
            do throws(DFSError) {
                let asking = patience.anew(min(patience.remaining, client.options.deadline))
                if let current = try await currentAddress(asking) {
                    (address, outage) = (current, nil)
                }
            } catch {
                guard opening.waitsForServer else { throw error }
                // Nobody's silence takes back what was said before.
                if outage == nil || !error.isUnanswered { outage = error }
            }
        }
    }

    /// What those who watch over the connection were told, which may be after it was lost.
    private func toldDown(_ lost: Seat) -> DFSError? {
        opening.waitsForServer ? lost.link.outage.map { down($0.seenMilliseconds) } : nil
    }

    private func down(_ milliseconds: Int64?) -> DFSError {
        var failure = DFSError(
            .serverDown, path: opening.path, "the session's file server is down")
        failure.server = server
        failure.seenMilliseconds = milliseconds
        return failure
    }

    private var lostFailure: DFSError {
        DFSError("connection-lost", path: opening.path, "the session's server was not found again")
    }

    private func isWorthRetrying(_ error: ConnectionError) async -> Bool {
        switch error {
        case .unreachable, .notGreeted, .closed, .timedOut: await !client.pool.isShutDown
        case .refused(let refusal):
            refusal.known == .busy || refusal.known == .draining || refusal.isFatal
        case .cancelled, .violation: false
        }
    }

    /// Where the name server says the file server is; nil where it can not be asked.
    ///
    /// - Throws: `server-down`.
    private func currentAddress(_ patience: Patience) async throws(DFSError) -> Endpoint? {
        // Open sessions go on without a name server: not knowing is no reason to give up.
        guard let servers = try? await client.servers(within: patience),
            let info = servers.first(where: { $0.id == server })
        else { return nil }
        guard info.state.isAvailable else { throw down(info.seenMilliseconds) }
        return info.address
    }

    /// RESUMEs where the same run of the server has the session, and else opens the file anew.
    private func reattach(
        _ lost: Seat, over link: ServerLink, _ patience: Patience
    ) async throws(ConnectionError) -> Outcome {
        guard link.run == lost.link.run else {
            return try await open(lost, over: link, patience, because: .restarted)
        }
        guard let token = lost.token, lost.leaseMilliseconds != nil else {
            return try await open(lost, over: link, patience, because: .disconnected)
        }
        var request = ClientRequest(.resume, tagged: client.options.tagsEveryRequest)
        request.operand(lost.handle)
        request.option("token", token)
        do throws(ConnectionError) {
            let line = try await client.send(request, to: link, until: patience).final
            return resumed(lost, line, over: link)
        } catch {
            guard case .refused(let refusal) = error else { throw error }
            switch refusal.known {
            case .leaseExpired:
                return try await open(lost, over: link, patience, because: .expired)
            case .staleHandle: return try await open(lost, over: link, patience, because: .unknown)
            case .denied: return .over(DFSError(refusal, path: opening.path))
            default: throw error
            }
        }
    }

    private func resumed(_ lost: Seat, _ line: ReplyLine, over link: ServerLink) -> Outcome {
        do throws(DFSError) {
            let facts = try FileFacts(line, path: opening.path)
            let fileID = state.withLock { $0.expected.fileID }
            guard facts.fileID == fileID || facts.fileID == 0 || fileID == 0 else {
                return .over(.violation("a resumed session on another file", path: opening.path))
            }
            return .attached(
                try Seat(
                    line, over: link, path: opening.path, generation: lost.generation,
                    token: lost.token))
        } catch {
            return .over(error)
        }
    }
}

// MARK: - Opening anew

extension HeldSession {
    /// Why the old session can not go on.
    private enum Loss: String {
        case restarted = "the file server was restarted"
        case disconnected = "the connection was lost"
        case expired = "the lease ended while the server was away"
        case unknown = "the server knows the session no more"
    }

    /// Opens the same file without making one, and goes on where it is as it was.
    private func open(
        _ lost: Seat, over link: ServerLink, _ patience: Patience, because loss: Loss
    ) async throws(ConnectionError) -> Outcome {
        if let refusal = refusalToReopen(loss) { return .over(refusal) }
        let request = opening.again.request(tagged: client.options.tagsEveryRequest)
        let line: ReplyLine
        do throws(ConnectionError) {
            line = try await client.send(request, to: link, until: patience).final
        } catch {
            guard case .refused(let refusal) = error else { throw error }
            switch refusal.known {
            case .busy, .draining, .timeout: throw error
            case .notFound: return .over(stale(loss, "and the file is no longer there"))
            default: return .over(DFSError(refusal, path: opening.path))
            }
        }
        do throws(DFSError) {
            let seat = try Seat(
                line, over: link, path: opening.path, generation: lost.generation + 1)
            let facts = try FileFacts(line, path: opening.path)
            if let difference = difference(of: facts) {
                await leave(seat)
                return .over(stale(loss, "and the file is \(difference)"))
            }
            return .attached(seat)
        } catch {
            return .over(error)
        }
    }

    /// What forbids a new session to take the old one's place; nil where nothing does.
    private func refusalToReopen(_ loss: Loss) -> DFSError? {
        let code: ErrorCode = loss == .expired ? .leaseExpired : .staleHandle
        let earlier = earlierChanges(standFirmly: loss != .restarted)
        var refusal: DFSError?
        if opening.lock != nil {
            refusal = DFSError(
                code, path: opening.path,
                "\(loss.rawValue), and the lock with it: others may have changed the file")
        } else if state.withLock({ $0.changes.isDirty }) {
            refusal = stale(loss, "before what was written was synced: look what the file holds")
        }
        refusal?.earlierChanges = earlier
        return refusal
    }

    private func stale(_ loss: Loss, _ rest: String) -> DFSError {
        DFSError(.staleFile, path: opening.path, "\(loss.rawValue), \(rest)")
    }

    /// How a file differs from what the session had; nil where it goes on.
    private func difference(of facts: FileFacts) -> String? {
        let expected = state.withLock { $0.expected }
        let isSame =
            facts.fileID == expected.fileID || facts.fileID == 0 || expected.fileID == 0
        if !isSame { return "another one now" }
        if opening.acceptsChanges { return nil }
        if facts.version != expected.version {
            return "at version \(facts.version) now, and was at \(expected.version)"
        }
        return facts.size == expected.size
            ? nil : "\(facts.size) bytes long now, and was \(expected.size)"
    }

    /// Closes a session that is not wanted.
    private func leave(_ seat: Seat) async {
        var request = ClientRequest(.close, tagged: true)
        request.operand(seat.handle)
        // It ends with its lease or its connection too; nobody waits for this.
        _ = try? await seat.link.send(request, until: client.patience())
    }
}
