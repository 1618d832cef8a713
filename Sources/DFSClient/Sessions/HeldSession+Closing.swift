import DFSProtocol
import DFSTransport

extension HeldSession {
    enum Closing: Sendable {
        case answered(ReplyLine)
        /// The session had ended by itself, and nothing hung on it.
        case wasOver(FileFacts)
    }

    /// Ends the session on the server, also where the answer is lost on the way.
    ///
    /// - Parameter waits: Whether a server that is down is waited for; nil as for the session.
    /// - Throws: What the server refused; the session is over here all the same.
    func close(_ patience: Patience, waits: Bool? = nil) async throws(DFSError) -> Closing {
        let (standing, facts, isDirty) = state.withLock {
            ($0.standing, $0.expected, $0.changes.isDirty)
        }
        let seat: Seat
        switch standing {
        case .over(let error): throw error
        case .attached(let current), .lost(let current, _): seat = current
        }
        isOver(DFSError(.staleHandle, path: opening.path, "the session was closed here"))
        do throws(ConnectionError) {
            return .answered(
                try await close(seat, patience, waits: waits ?? opening.waitsForServer))
        } catch {
            var failure = DFSError(error, path: opening.path, server: server, over: seat.link)
            if case .closed = error, !isDirty { return .wasOver(facts) }
            if case .refused(let refusal) = error, refusal.known == .staleHandle, !isDirty,
                !seat.link.isOpen
            {
                return .wasOver(facts)
            }
            failure.server = failure.server ?? server
            if case .refused = error {
            } else {
                // What waits to be synced is in the file; that it is on the disk is not known.
                failure.earlierChanges = earlierChanges(standFirmly: false)
            }
            throw failure
        }
    }

    private func close(
        _ seat: Seat, _ patience: Patience, waits: Bool
    ) async throws(ConnectionError) -> ReplyLine {
        var request = ClientRequest(.close, tagged: client.options.tagsEveryRequest)
        request.operand(seat.handle)
        var backoff = Backoff()
        var link = seat.link
        // How long the server may still be away: what it may take to sync is no time for that.
        var outage: Patience?
        while true {
            do throws(ConnectionError) {
                if link.isOpen {
                    outage = nil
                    return try await client.send(request, to: link, until: patience).final
                }
                // Nobody else knows the session by this name but the run that gave it.
                guard let token = seat.token, seat.leaseMilliseconds != nil else {
                    throw .closed("the connection was lost")
                }
                link = try await client.pool.link(to: seat.link.endpoint, until: patience)
                guard link.run == seat.link.run else { throw .closed("the server was restarted") }
                try await resume(seat, token, over: link, patience)
            } catch {
                let isLost =
                    switch error {
                    case .unreachable, .notGreeted: true
                    case .closed: link.run == seat.link.run && seat.token != nil
                    default: false
                    }
                guard isLost, link.outage == nil || waits, !patience.isOver else { throw error }
                guard await !client.pool.isShutDown else { throw error }
                let limit = outage ?? patience.anew(client.options.deadline)
                outage = limit
                // A cancelled pause is seen by the next request.
                try? await limit.pause(min(backoff.pause(), patience.remaining))
                if patience.isOver || limit.isOver { throw error }
            }
        }
    }

    /// A session that was closed already is not known any more, and CLOSE answers as it did.
    private func resume(
        _ seat: Seat, _ token: [UInt8], over link: ServerLink, _ patience: Patience
    ) async throws(ConnectionError) {
        var request = ClientRequest(.resume, tagged: client.options.tagsEveryRequest)
        request.operand(seat.handle)
        request.option("token", token)
        do throws(ConnectionError) {
            _ = try await client.send(request, to: link, until: patience)
        } catch {
            guard case .refused(let refusal) = error, refusal.known == .staleHandle else {
                throw error
            }
        }
    }
}
