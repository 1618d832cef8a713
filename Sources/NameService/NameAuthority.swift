import DFSProtocol

/// The name server without sockets, disk and clock: which file server has what, and is it alive.
///
/// Synchronous and pure: time comes in, `NameAction`s and batches of `CatalogueChange`s go out.
/// Reads are answered from memory at once, and may show a change before its commit; so may
/// notices. What changes something is answered after the commit that holds it. Work that would
/// take long is done in slices: call `work` in the next turn of the loop while `hasWork`.
public struct NameAuthority: Sendable {
    /// What the name server is called.
    public let id: ServerID
    /// Counts the starts of this name server; known once it has started.
    public private(set) var epoch: Int64 = 0

    let pace: Pace
    var catalogue: Catalogue
    var membership: Membership
    var watchers = Watchers()
    var operations = OwnerOperations(after: 0)
    var claims = Claims()
    var commits = Commits()
    var repetitions: Repetitions
    var jobs: [Job] = []
    var searches = Searches()
    /// Servers of whose inventory a part was refused; it may not end until they register anew.
    var brokenInventories: Set<UInt16> = []
    /// Servers of which something is under a wrong name until a job is over.
    var returning: [UInt16: Returning] = [:]
    /// Reports that wait for an earlier one of the same server.
    var reports: [UInt16: [ReportJob]] = [:]
    /// Changes of names that wait for an operation of an owner.
    var deferred: [(request: Request, asker: Asker)] = []
    /// Whose they are, and maybe some more.
    var deferring: Set<ConnectionID> = []
    var counters: [CatalogueChange] = []
    /// How many requests are looked up together; few after one that had to be left to `receive`.
    var lookAhead = LocateAhead.most
    private var actions: [NameAction] = []
    private var keptCounters: [String: Int64] = [:]
    var started = MonotonicTime(nanoseconds: 0)
    private var loadedServers: [CatalogueServer] = []

    /// - Parameter seed: Random; keeps peers from choosing names that collide in memory.
    public init(id: ServerID, pace: Pace = Pace(), limits: Limits = Limits(), seed: UInt64) {
        self.id = id
        repetitions = Repetitions(
            limit: limits.operations, milliseconds: limits.operationMilliseconds)
        self.pace = pace
        catalogue = Catalogue(seed: seed)
        membership = Membership(pace: pace)
    }

    /// Takes one row that was kept; all of them come before `start`, in any order.
    public mutating func load(_ row: CatalogueRow) throws {
        switch row {
        case .server(let server): loadedServers.append(server)
        case .node(let node): try catalogue.load(node)
        case .holding(let holding): try catalogue.load(holding)
        case .counter(let name, let value): keptCounters[name] = value
        case .operation(let operation): try repetitions.load(operation)
        }
    }

    /// Begins a new epoch; the first batch has to be committed before anything is answered.
    ///
    /// All servers that were known are suspect until the down time has passed, whatever their
    /// silence.
    /// - Throws: `CatalogueStoreError` where what was loaded contradicts itself.
    public mutating func start(at now: Moment) throws {
        for row in loadedServers.sorted(by: { $0.number < $1.number }) {
            try membership.add(row, at: now)
        }
        loadedServers = []
        guard Int(catalogue.highestServer) <= membership.servers.count else {
            throw CatalogueStoreError(
                "the catalogue is damaged: server \(catalogue.highestServer) is not in it; "
                    + "restore or rebuild it")
        }
        catalogue.finishLoading()
        for server in membership.servers { try pin(server.mounts, by: 1) }
        claims.restore(catalogue.claimDeadlines, at: now)
        repetitions.start(at: now.monotonic)
        catalogue.subjects = repetitions.subjects
        epoch = (keptCounters["epoch"] ?? 0) &+ 1
        watchers.start(after: keptCounters["seq"] ?? 0)
        operations = OwnerOperations(after: epoch &* 1_000_000)
        counters = [
            .putCounter(name: "epoch", value: epoch),
            .putCounter(name: "seq", value: watchers.ceiling),
        ]
        started = now.monotonic
    }

    /// What was loaded, for the log.
    public var summary: String {
        "\(catalogue.counts.files) files, \(membership.ordered.count) file servers, epoch \(epoch)"
    }

    /// Writes ` id=ns1 epoch=3` for the greeting.
    public func writeGreeting(into line: inout LineWriter) {
        line.pair("id", id.bytes)
        line.pair("epoch", epoch)
    }

    /// Milliseconds since `start`.
    func uptime(at now: Moment) -> Int64 { now.monotonic.milliseconds(since: started) }

    /// What is to be done now, in this order.
    public mutating func takeActions() -> [NameAction] {
        watchers.tell { connection, lines in
            var writer = LineWriter(capacity: lines.count)
            writer.append(raw: lines)
            actions.append(.notify(connection, writer))
        }
        defer { actions.removeAll(keepingCapacity: true) }
        return actions
    }

    mutating func act(_ action: NameAction) { actions.append(action) }
}

/// What happens outside of a request.
extension NameAuthority {
    /// When `expire` has something to do at the latest; nil where nothing can come by itself.
    public var nextDeadline: MonotonicTime? {
        [
            membership.nextDeadline, operations.nextDeadline, claims.nextDeadline,
            repetitions.nextDeadline,
            commits.isTravelling ? nil : commits.retryAt,
        ].compactMap(\.self).min()
    }

    /// Does everything whose time has come.
    public mutating func expire(at now: Moment) {
        for change in membership.expire(at: now.monotonic) { tell(change) }
        noticeDepartures()
        for operation in operations.expire(at: now.monotonic) { conclude(operation, at: now) }
        for claim in claims.expire(at: now.monotonic) { release(claim) }
        expireRepetitions(at: now)
    }

    private mutating func release(_ claim: Claims.Claim) {
        guard catalogue.claimDeadlines[claim.node] == claim.deadline,
            catalogue.records[Int(claim.node)].isClaim
        else { return }
        let parent = catalogue.records[Int(claim.node)].parent
        catalogue.free(claim.node)
        _ = catalogue.collect(parent)
    }

    /// A connection is gone: its server is suspect, its watches end, nothing of it is answered.
    public mutating func connectionClosed(_ connection: ConnectionID, at now: Moment) {
        watchers.remove(connection)
        searches.remove(connection)
        // Before what was begun is handed on: it must not go to a peer that is gone.
        repetitions.waits.drop(connection)
        if deferring.remove(connection) != nil {
            dropDeferred(at: now) { $0.connection == connection }
        }
        jobs.removeAll { $0.asker?.connection == connection }
        guard let number = membership.server(on: connection) else { return }
        lose(number, at: now)
        if membership[number].state == .up, let change = membership.set(number, .suspect) {
            tell(change)
        }
    }

    /// Ends what a server had begun on a connection that is not its own any more.
    mutating func lose(_ number: UInt16, at now: Moment) {
        membership.detach(number)
        catalogue.mentions[number] = nil
        for job in reports[number] ?? [] { fail(job.asker, isElsewhere(membership[number])) }
        reports[number] = nil
        noticeDepartures()
        for operation in operations.lose(number) { conclude(operation, at: now) }
    }

    /// The peer takes a request back; what it changed until now stays.
    public mutating func cancelled(_ request: RequestID, at now: Moment) {
        if let index = jobs.firstIndex(where: { $0.asker?.id == request && $0.isRead }) {
            jobs.remove(at: index)
            searches.finished(request.connection)
        } else {
            searches.cancel(request)
        }
        repetitions.waits.drop(request)
        dropDeferred(at: now) { $0.id == request }
    }

    /// Drops changes that were not begun.
    private mutating func dropDeferred(at now: Moment, _ isOver: (Asker) -> Bool) {
        if deferred.isEmpty { return }
        let dropped = deferred.filter { isOver($0.asker) }
        deferred.removeAll { isOver($0.asker) }
        for asker in dropped.map(\.asker) {
            if let op = asker.operation { abandon(op, at: now) }
        }
    }

    /// The peer has not read what it was sent, or reads again: it is told and found no more until
    /// then.
    ///
    /// Without this a peer that asks and does not read would fill the memory with answers.
    public mutating func setStalled(_ connection: ConnectionID, _ isStalled: Bool) {
        watchers.setStalled(connection, isStalled)
        searches.setStalled(connection, isStalled)
    }

    /// Notices could not be sent; false where the connection does not watch.
    public mutating func missed(_ connection: ConnectionID) -> Bool {
        watchers.miss(connection)
    }

    /// Tells the log and the watchers that a server's state has changed.
    mutating func tell(_ change: Membership.Change) {
        let server = membership[change.server]
        let isPlanned = change.state == .up || change.state == .goodbye
        let sentence =
            switch (change.state, server.leave) {
            case (.goodbye, .away): "\(server.id) said goodbye: its folders are away"
            case (.goodbye, _): "\(server.id) said goodbye"
            default: "\(server.id) is \(change.state.rawValue)"
            }
        act(.log(isPlanned ? .info : .warning, sentence))
        for mount in server.mounts {
            watchers.record(.state, mount, server: (server.id, change.state))
        }
    }

    /// Tells the watchers of a change.
    mutating func tell(_ kind: Watchers.Kind, _ path: TreePath, to target: TreePath? = nil) {
        watchers.record(kind, path, to: target)
    }

    mutating func notify(_ connection: ConnectionID, _ line: [UInt8]) {
        var writer = LineWriter(capacity: line.count)
        writer.append(raw: line)
        act(.notify(connection, writer))
    }
}

/// Commits: the host hands a batch to the store and says what became of it.
extension NameAuthority {
    /// What has to be committed next; nil while a batch is at the store, or nothing has changed.
    public mutating func takeBatch(at now: Moment) -> [CatalogueChange]? {
        guard commits.mayTravel(at: now.monotonic) else { return nil }
        noticeDepartures()
        if watchers.needsCeiling() {
            counters.append(.putCounter(name: "seq", value: watchers.ceiling))
        }
        let changes = membership.takeChanges() + catalogue.takeChanges() + counters
        counters = []
        return commits.depart(changes)
    }

    /// Has the last batch keep when each server was heard last; what stops calls it before.
    public mutating func keepSigns(at now: Moment) { membership.keepSigns(at: now) }

    /// Whether a batch is at the store.
    public var isCommitting: Bool { commits.isTravelling }

    /// The batch is durable: those who waited for it get their answers.
    public mutating func committed(at now: Moment) {
        if commits.failure != nil { act(.log(.info, "the catalogue is written again")) }
        for waiting in commits.arrived() {
            switch waiting {
            case .answer(let id, _, let answer, _): act(.reply(id, answer))
            case .asking(let number): ask(number, at: now)
            }
        }
    }

    /// Nothing of the batch is durable: those who wait are told; it is tried again in a second.
    public mutating func commitFailed(_ error: CatalogueStoreError, at now: Moment) {
        let failure: Commits.Failure = error.isOutOfSpace ? .noSpace : .io
        if commits.failure == nil {
            act(.log(.error, "the catalogue can not be written: \(error.description)"))
        }
        for waiting in commits.failed(failure, at: now.monotonic) {
            switch waiting {
            case .asking(let number): withdraw(number, Commits.error(failure), at: now)
            case .answer(let id, let tag, _, let isRepeatable):
                var line = LineWriter()
                line.error(
                    isRepeatable ? Commits.error(failure) : Commits.unknown(failure), tag: tag)
                act(.reply(id, line))
            }
        }
    }

    private var hasChanges: Bool {
        catalogue.hasChanges || !membership.dirty.isEmpty || !counters.isEmpty
    }

    /// Gives an answer once everything that has changed until now is durable.
    ///
    /// - Parameter isRepeatable: Whether a failure may be answered as a refusal, since the request
    ///   is made to be sent again. The change is in the tree all the same.
    mutating func answerAfterCommit(
        _ asker: Asker, _ answer: LineWriter, isRepeatable: Bool = false
    ) {
        if let failure = commits.failure {
            return fail(
                asker, isRepeatable ? Commits.error(failure) : Commits.unknown(failure))
        }
        let waiting = Commits.Waiting.answer(
            asker.id, asker.tag, answer, isRepeatable: isRepeatable)
        if !commits.hold(waiting, hasChanges: hasChanges) { act(.reply(asker.id, answer)) }
    }

    mutating func answer(_ asker: Asker, _ answer: LineWriter) { act(.reply(asker.id, answer)) }

    mutating func fail(_ asker: Asker, _ error: RequestError) {
        var line = LineWriter()
        line.error(error, tag: asker.tag)
        act(.reply(asker.id, line))
    }
}
