import DFSProtocol

/// `op=`: a change that is asked for again is done once and answered as the first time.
extension NameAuthority {
    /// Looks whether a change was asked for before; true where it was answered or waits.
    ///
    /// Else it is to be done, and the asker carries its name.
    /// - Throws: `bad-argument` where the name belongs to another request, `busy`, and what refuses
    ///   every change while the store takes none.
    mutating func isRepeat(
        _ request: Request, _ asker: inout Asker, at now: Moment
    ) throws(RequestError) -> Bool {
        guard asker.operation == nil, request.verb.mayBeNamed,
            let op = try request.operation()
        else { return false }
        let mark = RequestMark(request)
        guard let entry = repetitions[op] else {
            if let refusal = commits.refusal { throw refusal }
            try repetitions.begin(op, mark)
            asker.operation = op
            return false
        }
        guard entry.mark == mark else {
            throw RequestError(
                .badArgument, "this op= was used for another request; choose a new one",
                fields: [.init("argument", [UInt8]("op".utf8))])
        }
        switch entry.stage {
        case .running: repetitions.wait(op, request, asker)
        case .done(let answer):
            let line = try success(request, asker, answer)
            if commits.isDurable(entry.departure) {
                self.answer(asker, line)
            } else {
                answerAfterCommit(asker, line)
            }
        case .open: return try !mustBeDone(op, request, &asker, at: now)
        }
        return true
    }

    /// Finds out what became of a change whose outcome nobody knew; true where it is done now.
    ///
    /// What the tree says comes first: the owner's reports may have told that it is done though
    /// its DONE never came.
    private mutating func mustBeDone(
        _ op: OperationID, _ request: Request, _ asker: inout Asker, at now: Moment
    ) throws(RequestError) -> Bool {
        noticeDepartures()
        let path = try request.path()
        guard let subject = repetitions[op]?.subject else { return false }
        let isThere = stands(subject, at: path)
        var isDone = !isThere
        if request.verb == .rename {
            let target = try request.path(at: 1)
            let isLeft = isThere && isLeftBehind(subject)
            isDone = (isDone || isLeft) && holds(subject, at: target)
            if isDone, isLeft { merge(path, target, of: 0, at: now) }
        }
        if isDone {
            operations.drop(op)
            asker.operation = op
            succeed(asker, at: now)
            return false
        }
        if operations.renew(op, at: now.monotonic) {
            repetitions.reopen(op)
            repetitions.wait(op, request, asker)
            askOnceMore(op)
            return false
        }
        guard isThere else { throw NameAuthority.isUndecided(path) }
        if let refusal = commits.refusal { throw refusal }
        repetitions.reopen(op)
        asker.operation = op
        return true
    }

    /// What is told while only a report can say what became of a change.
    static func isUndecided(_ path: TreePath) -> RequestError {
        RequestError(
            .timeout, path: path,
            "it may have been done; the owner's next report decides, so repeat it with its op=")
    }

    /// Whether what was to be moved or removed is where it was.
    ///
    /// A file is known by its identity, which never comes again; its entry may have been freed and
    /// made anew by the reports of a server that restarted.
    func stands(_ subject: Repetitions.Subject, at path: TreePath) -> Bool {
        if subject.server != 0, subject.fid != 0 { return holds(subject, at: path) }
        guard !subject.isGone, let node = catalogue.find(path), node == subject.node else {
            return false
        }
        if subject.server == 0 { return catalogue.records[Int(node)].isDirectory }
        return catalogue.file(at: node, of: subject.server) != nil
    }

    /// Whether only the catalogue has still what stands of a directory: what MKDIR has made of it.
    ///
    /// The owner's report has taken its own part away; the rest follows as after its DONE.
    private func isLeftBehind(_ subject: Repetitions.Subject) -> Bool {
        subject.server == 0 && catalogue.servers(at: subject.node).isEmpty
    }

    /// Whether a path has what was to be moved there.
    ///
    /// A directory has no identity that is told: any directory there counts.
    func holds(_ subject: Repetitions.Subject, at path: TreePath) -> Bool {
        guard let node = catalogue.find(path) else { return false }
        if subject.server == 0 { return catalogue.records[Int(node)].isDirectory }
        guard let facts = catalogue.file(at: node, of: subject.server) else { return false }
        return facts.fid == subject.fid
    }

    /// What a change of an entry is about, for a repeat to find out whether it was done.
    func subject(_ node: UInt32, server: UInt16) -> Repetitions.Subject {
        Repetitions.Subject(
            node: node, server: server, fid: catalogue.file(at: node, of: server)?.fid ?? 0)
    }

    /// Notes in the changes which of their entries were freed, in the batch that says so.
    mutating func noticeDepartures() {
        // Most of those that are over stay in the tree: they are dropped when they are the more.
        let running = operations.running.count
        if catalogue.subjects.count > 1024 + 2 * (repetitions.subjectCount + running) {
            catalogue.subjects = repetitions.subjects.union(
                operations.running.map(\.subject.node))
        }
        if catalogue.departedSubjects.isEmpty { return }
        for node in catalogue.departedSubjects.sorted() {
            for op in repetitions.depart(node) { keep(op) }
            operations.depart(node)
        }
        catalogue.departedSubjects = []
    }

    /// Has the next batch hold what is to be kept of a change.
    mutating func keep(_ op: OperationID) {
        if let row = repetitions.row(op) { counters.append(.putOperation(row)) }
    }

    /// Forgets changes that were remembered for long enough.
    mutating func expireRepetitions(at now: Moment) {
        for op in repetitions.expire(at: now.monotonic) {
            operations.drop(op)
            counters.append(.removeOperation(op))
        }
    }
}

/// The ends that a change can come to.
extension NameAuthority {
    /// The line that answers a change, from what is kept of it.
    private func success(
        _ request: Request, _ asker: Asker, _ answer: [UInt8]
    ) throws(RequestError) -> LineWriter {
        if answer.isEmpty { return accepted(asker) }
        var line = LineWriter()
        line.begin(tag: asker.tag)
        line.append("OK")
        line.pair("path", try request.path().bytes)
        line.append(raw: answer)
        line.end()
        return line
    }

    /// Notes that a change is done; its name and its effect are in one batch.
    ///
    /// - Returns: The answers of those who repeated it meanwhile.
    mutating func complete(
        _ op: OperationID?, _ answer: [UInt8] = [], at now: Moment
    ) -> [(Asker, LineWriter)] {
        guard let op, repetitions[op] != nil else { return [] }
        let waiting = repetitions.complete(
            op, answer, departure: commits.nextDeparture, at: now.monotonic)
        keep(op)
        return waiting.map { waiting in
            // The path was read when the change was done, so it is one.
            let line =
                (try? success(waiting.request, waiting.asker, answer)) ?? accepted(waiting.asker)
            return (waiting.asker, line)
        }
    }

    /// Answers a change that is done, and the same to those who repeated it meanwhile.
    mutating func succeed(_ asker: Asker, at now: Moment) {
        let others = complete(asker.operation, at: now)
        answerAfterCommit(asker, accepted(asker))
        for (other, line) in others { answerAfterCommit(other, line) }
    }

    /// The same for an answer that says more than `OK` and the path.
    mutating func succeed(
        _ request: Request, _ asker: Asker, _ answer: [UInt8], at now: Moment
    ) throws(RequestError) {
        let line = try success(request, asker, answer)
        let others = complete(asker.operation, answer, at: now)
        answerAfterCommit(asker, line)
        for (other, line) in others { answerAfterCommit(other, line) }
    }

    /// Refuses a change and those who repeated it meanwhile.
    ///
    /// One that changed nothing is not remembered. Where an earlier attempt may have, that one
    /// stays as unknown as it was.
    mutating func refuse(_ asker: Asker, _ error: RequestError, at now: Moment) {
        fail(asker, error)
        guard let op = asker.operation, let entry = repetitions[op] else { return }
        if entry.isAnotherAttempt {
            leaveOpen(op, error, at: now)
        } else {
            forget(op, error)
        }
    }

    /// Forgets a change that was not done, and tells those who wait for it.
    mutating func forget(_ op: OperationID, _ error: RequestError) {
        let (waiting, wasKept) = repetitions.forget(op)
        if wasKept { counters.append(.removeOperation(op)) }
        for waiting in waiting { fail(waiting.asker, error) }
    }

    /// Leaves it to the next repeat to find out what became of a change.
    mutating func leaveOpen(_ op: OperationID, _ error: RequestError, at now: Moment) {
        for waiting in repetitions.leaveOpen(op, at: now.monotonic) { fail(waiting.asker, error) }
    }

    /// Gives a change up that was not begun; the first who repeated it is the next to try.
    mutating func abandon(_ op: OperationID, at now: Moment) {
        guard let entry = repetitions[op], case .running = entry.stage else { return }
        let waiting =
            entry.isAnotherAttempt
            ? repetitions.leaveOpen(op, at: now.monotonic) : repetitions.forget(op).waiting
        for waiting in waiting { take(waiting.request, [], waiting.asker, at: now) }
    }
}

extension Verb {
    /// Whether the name server remembers it by `op=`.
    fileprivate var mayBeNamed: Bool {
        switch self {
        case .create, .makeDirectory, .remove, .rename: true
        default: false
        }
    }
}
