import DFSProtocol
import DFSTransport

extension DFSClient {
    /// Runs something on the file server that has a path, and finds it again when it is lost.
    ///
    /// - Parameter known: Where an earlier answer said it is; saves the first LOCATE.
    /// - Parameter isRepeatable: Whether `body` may run again after its answer was lost.
    /// - Throws: `server-down` once the name server says so; what the server refused.
    func onOwner<Answer: Sendable>(
        of path: TreePath, at known: FileLocation?, isRepeatable: Bool, _ deadline: Deadline,
        _ body: (ServerLink) async throws(ConnectionError) -> Answer
    ) async throws(DFSError) -> (answer: Answer, location: FileLocation) {
        var place = known
        var mayBeOutdated = known != nil
        var backoff = Backoff()
        var redirects = options.redirects
        while true {
            var location: FileLocation
            if let place { location = place } else { location = try await locate(path, deadline) }
            var used: ServerLink?
            do throws(ConnectionError) {
                let link = try await pool.link(to: location.address)
                used = link
                return (try await body(link), location)
            } catch {
                let failure =
                    used.map {
                        DFSError(error, path: path, server: location.server, over: $0)
                    }
                    ?? DFSError(
                        error, path: path, server: location.server, endpoint: location.address)
                switch next(error, isRepeatable, mayBeOutdated) {
                case .giveUp: throw failure
                case .goTo(let address):
                    guard redirects > 0 else {
                        throw .violation("redirected in a circle", path: path)
                    }
                    redirects -= 1
                    location.address = address
                    place = location
                case .lookAgain(let pause):
                    forget(location)
                    if deadline.isOver { throw failure }
                    if let pause { try await deadline.pause(max(pause, backoff.pause())) }
                    place = nil
                    mayBeOutdated = false
                }
            }
        }
    }

    private enum NextStep {
        case giveUp
        case goTo(Endpoint)
        case lookAgain(pause: Duration?)
    }

    private func next(
        _ error: ConnectionError, _ isRepeatable: Bool, _ mayBeOutdated: Bool
    ) -> NextStep {
        switch error {
        case .unreachable: return .lookAgain(pause: .milliseconds(50))
        case .closed, .timedOut:
            return isRepeatable ? .lookAgain(pause: .milliseconds(50)) : .giveUp
        case .cancelled, .violation: return .giveUp
        case .refused(let refusal):
            if let address = refusal.redirection { return .goTo(address) }
            switch refusal.known {
            case .busy, .draining:
                let told = refusal.line.value("retry").flatMap { Number.parse($0.span) }
                return .lookAgain(pause: .milliseconds(min(told ?? 100, 60_000)))
            case .notFound where mayBeOutdated: return .lookAgain(pause: nil)
            default: return .giveUp
            }
        }
    }

    /// Sends to a file server; while it is silent the name server is asked whether it is alive.
    func send(
        _ request: ClientRequest, to link: ServerLink, timeout: Duration
    ) async throws(ConnectionError) -> Reply {
        try await link.send(request, timeout: timeout) { [weak self] link in
            guard let self, link.silence >= self.options.watchAfter else { return }
            // Not knowing is no reason to end a wait that has its own deadline.
            guard let servers = try? await self.servers() else { return }
            let here = servers.filter { $0.address == link.endpoint }
            if !here.isEmpty, here.allSatisfy({ !$0.state.isAvailable }) {
                link.isDown(silentFor: here[0].seenMilliseconds)
                await self.pool.discard(link)
            }
        }
    }

    /// Where a listing's server can be reached, without asking for each file.
    func location(of path: TreePath, on server: ServerID?) async throws(DFSError) -> FileLocation? {
        guard let server else { return nil }
        if addresses.withLock({ $0[server] }) == nil { _ = try await servers() }
        guard let address = addresses.withLock({ $0[server] }) else { return nil }
        return FileLocation(path: path, server: server, address: address)
    }

    private func forget(_ location: FileLocation) {
        addresses.withLock { $0[location.server] = nil }
    }
}
