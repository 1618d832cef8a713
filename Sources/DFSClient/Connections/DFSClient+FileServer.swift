import DFSProtocol
import DFSTransport

extension DFSClient {
    /// Runs something on the file server that has a path, and finds it again when it is lost.
    ///
    /// A question is answered at once: that the server is down is an answer. What belongs to a
    /// transfer that is under way waits for its server instead, one deadline long.
    ///
    /// - Parameter known: Where an earlier answer said it is; saves the first LOCATE.
    /// - Parameter repetition: Whether `body` may run again after its answer was lost.
    /// - Parameter waits: Whether it belongs to a transfer that is under way: its file was claimed,
    ///   or a part of it has come or gone.
    /// - Throws: `server-down` once the name server says so; `timeout` where the server is silent;
    ///   what it refused; `protocol-violation` where another server answers in its place; with
    ///   `isOutcomeUnknown` where an attempt may have been done.
    func onOwner<Answer: Sendable>(
        of path: TreePath, at known: FileLocation?, _ repetition: Repetition, _ patience: Patience,
        waits: Bool = false, _ body: (ServerLink) async throws(ConnectionError) -> Answer
    ) async throws(DFSError) -> (answer: Answer, location: FileLocation) {
        var search = OwnerSearch(
            path: path, repetition: repetition, waits: waits, place: known,
            mayBeOutdated: known != nil, losses: Losses(patience), redirects: options.redirects)
        while true {
            let location = try await owner(&search, patience)
            // What may have been done is asked for until the end.
            if search.lost == nil, let silence = silences.begin(patience, at: location.address) {
                let failure = DFSError(
                    silentFor: silence, path: path, server: location.server,
                    endpoint: location.address)
                guard waits, !patience.isOver else { throw failure }
                guard try await goesOnWaiting(&search, patience) else {
                    throw search.lastFailure ?? failure
                }
                continue
            }
            // The search may have taken longer than the server remembers what was sent.
            if let lost = search.lost, Repetition.isTooLate(after: search.firstSent, patience) {
                throw lost.failure
            }
            let began = ContinuousClock.now
            var used: ServerLink?
            do throws(ConnectionError) {
                let link = try await pool.link(
                    to: location.server, at: location.address, until: patience)
                used = link
                search.outage = nil
                // Another run does not know the repetition, and would do it a second time.
                if let lost = search.lost, lost.run != link.run {
                    throw .closed("the server was restarted")
                }
                search.firstSent = search.firstSent ?? patience.now
                let answer = try await body(link)
                silences.end(patience, at: location.address, nil, since: began, heard: .now)
                return (answer, location)
            } catch {
                silences.end(
                    patience, at: location.address, error, since: began, heard: used?.lastHeard)
                let failure = failure(of: error, location, over: used, &search)
                if let lost = search.lost, let used, lost.run != used.run { throw lost.failure }
                try await goOn(
                    after: failure, wasCut: used == nil,
                    search.next(error, wasAsked: used != nil), location, &search, patience)
            }
        }
    }

    /// Prepares another attempt, or gives up.
    private func goOn(
        after failure: DFSError, wasCut: Bool, _ step: OwnerSearch.NextStep,
        _ location: FileLocation, _ search: inout OwnerSearch, _ patience: Patience
    ) async throws(DFSError) {
        switch step {
        case .giveUp: throw failure
        case .goTo(let address):
            guard search.redirects > 0 else {
                throw .violation("redirected in a circle", path: search.path)
            }
            search.redirects -= 1
            search.place = location
            search.place?.address = address
        case .lookAgain(let pause):
            addresses.withLock { $0[location.server] = nil }
            // A dial that was cut short by the end of the patience says less.
            if patience.isOver, wasCut { throw search.lastFailure ?? failure }
            if patience.isOver || search.losses.isEnough(patience) { throw failure }
            if search.lost != nil, Repetition.isTooLate(after: search.firstSent, patience) {
                throw failure
            }
            if let pause, wasCut {
                // That the name server can reach it is of no use here.
                guard try await goesOnWaiting(&search, patience, atLeast: pause) else {
                    throw failure
                }
            } else if let pause {
                try await patience.pause(
                    max(pause, search.backoff.pause()), isDoubtful: search.lost != nil)
            }
            // Asked without any time left, the name server would seem to be silent.
            if patience.isOver { throw failure }
            search.lastFailure = failure
            search.lastPlace = location
            search.place = nil
            search.mayBeOutdated = false
        }
    }

    /// Where the next attempt goes; waits for a server that is down where the search does.
    private func owner(
        _ search: inout OwnerSearch, _ patience: Patience
    ) async throws(DFSError) -> FileLocation {
        if let place = search.place { return place }
        while true {
            // The answers to those who only wait must not make them wait longer.
            let isFirst = search.lastFailure == nil && search.outage == nil
            let asking =
                isFirst ? patience : patience.anew(min(patience.remaining, options.deadline))
            do throws(DFSError) {
                return try await locate(search, asking)
            } catch {
                // A question that was cut short by the end of the patience says less.
                if error.isUnanswered, patience.isOver { throw search.lastFailure ?? error }
                var failure = error
                if search.lost != nil { failure.isOutcomeUnknown = true }
                guard search.waits, error.known == .serverDown, !patience.isOver else {
                    throw failure
                }
                search.lastFailure = failure
                guard try await goesOnWaiting(&search, patience) else { throw failure }
            }
        }
    }

    /// Pauses for a server that is away; false where it has been away for a whole deadline.
    private func goesOnWaiting(
        _ search: inout OwnerSearch, _ patience: Patience, atLeast shortest: Duration = .zero
    ) async throws(DFSError) -> Bool {
        let outage = search.outage ?? patience.anew(options.deadline)
        search.outage = outage
        let pause = min(max(shortest, search.backoff.pause()), patience.remaining)
        try await outage.pause(pause, isDoubtful: search.lost != nil)
        return !outage.isOver && !patience.isOver
    }

    private func locate(
        _ search: OwnerSearch, _ patience: Patience
    ) async throws(DFSError) -> FileLocation {
        do throws(DFSError) {
            return try await locate(search.path, patience)
        } catch {
            // A file that is to be made is not known before it was, and without a name server the
            // file server is still where it was.
            if let lost = search.lost {
                if error.known == .cancelled || error.known == .serverDown { throw error }
                return lost.location
            }
            guard error.known == .notFound else { throw error }
            // A name that is claimed for a file to come is found nowhere yet. Nor is a part that
            // its server has not told of, or of which a name server that was restarted has not
            // heard again: its own server knows.
            let claimed = claims.withLock { $0.server(for: search.path, at: .now) }
            guard let server = claimed ?? (search.waits ? search.lastPlace?.server : nil),
                let place = try await place(of: search.path, on: server, patience)
            else { throw error }
            return place
        }
    }

    private func failure(
        of error: ConnectionError, _ location: FileLocation, over link: ServerLink?,
        _ search: inout OwnerSearch
    ) -> DFSError {
        var failure =
            link.map { DFSError(error, path: search.path, server: location.server, over: $0) }
            ?? DFSError(
                error, path: search.path, server: location.server, endpoint: location.address)
        if search.lost != nil, error.leavesOpenWhatWasBefore { failure.isOutcomeUnknown = true }
        // Given up or broken off once it was sent, or failed on the disk: it may have been done
        // all the same.
        if link != nil, search.repetition != .always, error.isBreach || error.isDoubt {
            failure.isOutcomeUnknown = true
        }
        if failure.isOutcomeUnknown, search.repetition == .asOneChange, search.lost == nil,
            let link
        {
            search.lost = OwnerSearch.LostAnswer(
                run: link.run, failure: failure, location: location)
        }
        return failure
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
}
