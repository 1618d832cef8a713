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
    /// - Throws: What the server refused; the session is over here all the same.
    func close(_ deadline: Deadline) async throws(DFSError) -> Closing {
        let (standing, facts, isDirty) = state.withLock {
            ($0.standing, $0.expected, $0.changes != $0.syncedChanges)
        }
        let seat: Seat
        switch standing {
        case .over(let error): throw error
        case .attached(let current), .lost(let current, _): seat = current
        }
        isOver(DFSError(.staleHandle, path: opening.path, "the session was closed here"))
        do throws(ConnectionError) {
            return .answered(try await close(seat, deadline))
        } catch {
            var failure = DFSError(error, path: opening.path, server: server, over: seat.link)
            if case .closed = error, !isDirty { return .wasOver(facts) }
            if case .refused(let refusal) = error, refusal.known == .staleHandle, !isDirty,
                !seat.link.isOpen
            {
                return .wasOver(facts)
            }
            failure.server = failure.server ?? server
            throw failure
        }
    }

    private func close(_ seat: Seat, _ deadline: Deadline) async throws(ConnectionError)
        -> ReplyLine
    {
        var request = ClientRequest(.close, tagged: client.options.tagsEveryRequest)
        request.operand(seat.handle)
        var backoff = Backoff()
        var link = seat.link
        while true {
            do throws(ConnectionError) {
                if link.isOpen {
                    return try await client.send(request, to: link, timeout: deadline.remaining)
                        .final
                }
                // Nobody else knows the session by this name but the run that gave it.
                guard let token = seat.token, seat.leaseMilliseconds != nil else {
                    throw .closed("the connection was lost")
                }
                link = try await client.pool.link(to: seat.link.endpoint)
                guard link.run == seat.link.run else { throw .closed("the server was restarted") }
                try await resume(seat, token, over: link, deadline)
            } catch {
                let isLost =
                    switch error {
                    case .unreachable: true
                    case .closed: link.run == seat.link.run && seat.token != nil
                    default: false
                    }
                guard isLost, link.outage == nil, !deadline.isOver else { throw error }
                guard await !client.pool.isShutDown else { throw error }
                // A cancelled pause is seen by the next request.
                try? await deadline.pause(backoff.pause())
            }
        }
    }

    /// A session that was closed already is not known any more, and CLOSE answers as it did.
    private func resume(
        _ seat: Seat, _ token: [UInt8], over link: ServerLink, _ deadline: Deadline
    ) async throws(ConnectionError) {
        var request = ClientRequest(.resume, tagged: client.options.tagsEveryRequest)
        request.operand(seat.handle)
        request.option("token", token)
        do throws(ConnectionError) {
            _ = try await client.send(request, to: link, timeout: deadline.remaining)
        } catch {
            guard case .refused(let refusal) = error, refusal.known == .staleHandle else {
                throw error
            }
        }
    }
}
