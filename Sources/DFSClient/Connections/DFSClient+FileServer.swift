import DFSProtocol
import DFSTransport

/// Whether something asked of a file server may be asked again after its answer was lost.
enum Repetition: Sendable {
    /// It would be done twice.
    case never
    /// Doing it twice is doing it once.
    case always
    /// It carries an `op=`, by which the same run of the same server knows the repetition.
    case asOneChange

    /// How long a change is repeated; a server knows an `op=` for 60 s.
    private static let longest = Duration.seconds(55)

    /// Whether a repetition would not be known as one any more.
    static func isTooLate(after first: ContinuousClock.Instant?) -> Bool {
        first.map { .now - $0 > longest } ?? false
    }
}

extension ConnectionError {
    /// Whether it says nothing of an earlier attempt at the same change, whose answer was lost.
    var leavesOpenWhatWasBefore: Bool {
        guard case .refused(let refusal) = self else { return true }
        return switch refusal.known {
        case .busy, .draining, .timeout, .internal, .tooMany: true
        default: refusal.isFatal
        }
    }

    /// Whether the server answered only that it does nothing now.
    var isBusy: Bool {
        guard case .refused(let refusal) = self else { return false }
        return refusal.known == .busy || refusal.known == .draining
    }

    /// Whether the server can not say what became of a change.
    var isDoubt: Bool {
        guard case .refused(let refusal) = self else { return false }
        return refusal.known == .io || refusal.known == .internal || refusal.known == .cancelled
    }

    /// Whether this side ended it, after or before the request was sent.
    var isBreach: Bool {
        switch self {
        case .cancelled, .violation: true
        default: false
        }
    }
}

extension DFSClient {
    /// Runs something on the file server that has a path, and finds it again when it is lost.
    ///
    /// - Parameter known: Where an earlier answer said it is; saves the first LOCATE.
    /// - Parameter repetition: Whether `body` may run again after its answer was lost.
    /// - Throws: `server-down` once the name server says so; `timeout` where the server is silent;
    ///   what it refused; with `isOutcomeUnknown` where an attempt may have been done.
    func onOwner<Answer: Sendable>(
        of path: TreePath, at known: FileLocation?, _ repetition: Repetition, _ patience: Patience,
        _ body: (ServerLink) async throws(ConnectionError) -> Answer
    ) async throws(DFSError) -> (answer: Answer, location: FileLocation) {
        var place = known
        var mayBeOutdated = known != nil
        var backoff = Backoff()
        var losses = Losses(patience)
        var redirects = options.redirects
        var lost: LostAnswer?
        var firstSent: ContinuousClock.Instant?
        while true {
            var location: FileLocation
            if let place {
                location = place
            } else {
                location = try await locate(path, patience, after: lost)
            }
            // What may have been done is asked for until the end.
            if lost == nil, let silence = silences.begin(patience, at: location.address) {
                throw DFSError(
                    silentFor: silence, path: path, server: location.server,
                    endpoint: location.address)
            }
            var used: ServerLink?
            do throws(ConnectionError) {
                let link = try await pool.link(to: location.address, until: patience)
                used = link
                // Another run does not know the repetition, and would do it a second time.
                if let lost, lost.run != link.run { throw .closed("the server was restarted") }
                firstSent = firstSent ?? .now
                let answer = try await body(link)
                silences.end(patience, at: location.address, nil, heard: .now)
                return (answer, location)
            } catch {
                silences.end(
                    patience, at: location.address, error, heard: used?.lastHeard)
                var failure = failure(of: error, path, location, over: used)
                if lost != nil, error.leavesOpenWhatWasBefore { failure.isOutcomeUnknown = true }
                // Given up or broken off once it was sent, or failed on the disk: it may have been
                // done all the same.
                if used != nil, repetition != .always, error.isBreach || error.isDoubt {
                    failure.isOutcomeUnknown = true
                }
                if let lost, let used, lost.run != used.run { throw lost.failure }
                if failure.isOutcomeUnknown, repetition == .asOneChange, lost == nil, let used {
                    lost = LostAnswer(run: used.run, failure: failure, location: location)
                }
                switch next(error, repetition, mayBeOutdated) {
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
                    if patience.isOver || losses.isEnough(patience) { throw failure }
                    if lost != nil, Repetition.isTooLate(after: firstSent) { throw failure }
                    if let pause { try await patience.pause(max(pause, backoff.pause())) }
                    // Asked without any time left, the name server would seem to be silent.
                    if patience.isOver { throw failure }
                    place = nil
                    mayBeOutdated = false
                }
            }
        }
    }

    /// A change whose answer was lost, and the run of the server that may have made it.
    private struct LostAnswer {
        let run: ServerRun
        let failure: DFSError
        let location: FileLocation
    }

    private func locate(
        _ path: TreePath, _ patience: Patience, after lost: LostAnswer?
    ) async throws(DFSError) -> FileLocation {
        do throws(DFSError) {
            return try await locate(path, patience)
        } catch {
            guard let lost else {
                // A name that is claimed for a file to come is found nowhere yet.
                guard error.known == .notFound,
                    let place = try await placeOfOwnClaim(path, patience)
                else { throw error }
                return place
            }
            if error.known == .cancelled { throw error }
            // A file that is to be made is not known before it was, and without a name server the
            // file server is still where it was.
            guard error.known == .serverDown else { return lost.location }
            var failure = error
            failure.isOutcomeUnknown = true
            throw failure
        }
    }

    private func failure(
        of error: ConnectionError, _ path: TreePath, _ location: FileLocation,
        over link: ServerLink?
    ) -> DFSError {
        guard let link else {
            return DFSError(
                error, path: path, server: location.server, endpoint: location.address)
        }
        return DFSError(error, path: path, server: location.server, over: link)
    }

    private enum NextStep {
        case giveUp
        case goTo(Endpoint)
        case lookAgain(pause: Duration?)
    }

    private func next(
        _ error: ConnectionError, _ repetition: Repetition, _ mayBeOutdated: Bool
    ) -> NextStep {
        switch error {
        case .unreachable, .notGreeted: return .lookAgain(pause: .milliseconds(50))
        case .closed, .timedOut:
            return repetition == .never ? .giveUp : .lookAgain(pause: .milliseconds(50))
        case .cancelled, .violation: return .giveUp
        case .refused(let refusal):
            if let address = refusal.redirection { return .goTo(address) }
            switch refusal.known {
            case .busy, .draining:
                let told = refusal.line.value("retry").flatMap { Number.parse($0.span) }
                return .lookAgain(pause: .milliseconds(min(told ?? 100, 60_000)))
            // The repetition waits for the outcome of the first one.
            case .timeout where repetition == .asOneChange:
                return .lookAgain(pause: .milliseconds(50))
            case .notFound where mayBeOutdated: return .lookAgain(pause: nil)
            default: return .giveUp
            }
        }
    }

    /// Sends to a file server; while it is silent the name server is asked whether it is alive.
    func send(
        _ request: ClientRequest, to link: ServerLink, until patience: Patience
    ) async throws(ConnectionError) -> Reply {
        try await link.send(request, until: patience) { [weak self] link in
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
