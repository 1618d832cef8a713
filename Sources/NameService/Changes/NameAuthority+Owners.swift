import DFSProtocol

/// REMOVE and RENAME at the owners: asking them, and what follows from their answers.
extension NameAuthority {
    /// Asks servers over their own connections; the answer comes with their DONE.
    ///
    /// What a client has named with `op=` is made durable before, so that a repeat after any loss
    /// knows what to look for.
    mutating func ask(
        _ task: OwnerOperations.Task, _ asker: Asker, about subject: Repetitions.Subject,
        servers: [UInt16], isWhole: Bool, at now: Moment
    ) {
        let operation = operations.begin(
            task, asker, subject, servers: servers, isWhole: isWhole)
        catalogue.subjects.insert(subject.node)
        guard let op = asker.operation else { return send(operation, at: now) }
        repetitions.intend(op, subject)
        keep(op)
        _ = commits.hold(.asking(operation: operation.number), hasChanges: true)
    }

    /// Asks for what is intended durably now, unless an owner went away meanwhile.
    mutating func ask(_ number: Int64, at now: Moment) {
        guard let operation = operations.operation(number) else { return }
        do throws(RequestError) {
            try requireUp(operation.waiting, for: operation.task.paths[0], at: now)
            send(operation, at: now)
        } catch {
            withdraw(number, error, at: now)
        }
    }

    /// Takes back what no owner was asked for.
    mutating func withdraw(_ number: Int64, _ error: RequestError, at now: Moment) {
        guard let operation = operations.withdraw(number) else { return }
        if let asker = operation.asker { refuse(asker, error, at: now) }
        resumeDeferred(at: now)
    }

    private mutating func send(_ operation: OwnerOperations.Operation, at now: Moment) {
        operations.asked(operation.number, at: now.monotonic)
        let isAnotherAttempt =
            operation.name.map { repetitions[$0]?.isAnotherAttempt == true } ?? false
        for server in operation.waiting {
            guard let connection = membership[server].connection else { continue }
            // By its identity the owner knows what an earlier attempt has done, and leaves alone
            // what has taken the name since.
            let isKnown = isAnotherAttempt && operation.subject.server == server
            let line = order(operation, fid: isKnown ? operation.subject.fid : 0)
            act(.notify(connection, line))
        }
    }

    /// Sends an order again whose DONE did not come in time; it may have been lost.
    ///
    /// Only where the owner knows by the file's identity whether it has done it before.
    mutating func askOnceMore(_ op: OperationID) {
        guard let operation = operations.running.first(where: { $0.name == op }) else { return }
        let subject = operation.subject
        guard subject.fid != 0, operation.waiting.contains(subject.server),
            let connection = membership[subject.server].connection
        else { return }
        act(.notify(connection, order(operation, fid: subject.fid)))
    }

    private func order(_ operation: OwnerOperations.Operation, fid: Int64) -> LineWriter {
        var line = LineWriter()
        switch operation.task {
        case .remove(let path, let isRecursive):
            line.append("! remove")
            line.pair("op", operation.number)
            line.pair("path", path.bytes)
            if isRecursive { line.pair("recursive", "yes") }
        case .rename(let from, let to, let isReplacing):
            line.append("! rename")
            line.pair("op", operation.number)
            line.pair("from", from.bytes)
            line.pair("to", to.bytes)
            if isReplacing { line.pair("replace", "yes") }
        }
        if fid > 0 { line.pair("fid", fid) }
        line.end()
        return line
    }

    /// Refuses where an owner is not up, so that nothing is done half.
    func requireUp(_ servers: [UInt16], for path: TreePath, at now: Moment) throws(RequestError) {
        for number in servers {
            let server = membership[number]
            if server.state != .up || server.connection == nil {
                throw server.isDown(path, at: now, pace: pace)
            }
        }
    }

    /// Brings an operation that is over into the tree and answers it.
    mutating func conclude(_ operation: OwnerOperations.Operation, at now: Moment) {
        if isOvertaken(operation) {
            concludeOvertaken(operation, at: now)
        } else {
            switch operation.task {
            case .remove(let path, _): concludeRemoval(operation, path, at: now)
            case .rename(let from, let to, _): concludeRenaming(operation, from, to, at: now)
            }
        }
        resumeDeferred(at: now)
    }

    /// Whether a report has told what an operation did, and maybe what came after it.
    ///
    /// The owner's report mostly comes before its DONE. What has the name by then is another file
    /// or directory, which DONE is not about. What is late holds no paths besides.
    private func isOvertaken(_ operation: OwnerOperations.Operation) -> Bool {
        let (subject, path) = (operation.subject, operation.task.paths[0])
        if operation.isLate { return !stands(subject, at: path) }
        if subject.server != 0, subject.fid != 0 { return !holds(subject, at: path) }
        return subject.isGone || catalogue.find(path).map { $0 != subject.node } ?? false
    }

    /// Remembers what became of an operation whose outcome the tree has taken from a report.
    private mutating func concludeOvertaken(_ operation: OwnerOperations.Operation, at now: Moment)
    {
        for (asker, line) in settle(operation, at: now) { answerAfterCommit(asker, line) }
    }

    private func refusal(of operation: OwnerOperations.Operation) -> RequestError? {
        let path = operation.task.paths[0]
        if operation.isUnknown {
            return RequestError(
                .timeout, path: path,
                operation.name == nil
                    ? "the owner did not answer in time; it may have been done: look before you "
                        + "repeat"
                    : "the owner did not answer in time; repeat it with its op= to learn whether "
                        + "it was done")
        }
        guard let refusal = operation.refusal else { return nil }
        if isDoneBefore(operation, refusal.code) { return nil }
        let id = membership[refusal.server].id
        return RequestError(
            refusal.code, path: path, "\(id) refused it: \(refusal.code.rawValue)",
            fields: [.init("server", id.bytes)])
    }

    /// Whether an owner refuses what it did in an earlier attempt.
    private func isDoneBefore(
        _ operation: OwnerOperations.Operation, _ code: ErrorCode
    ) -> Bool {
        guard let name = operation.name, repetitions[name]?.isAnotherAttempt == true else {
            return false
        }
        switch operation.task {
        case .remove: return code == .notFound
        case .rename(_, let to, _):
            return (code == .notFound || code == .exists) && holds(operation.subject, at: to)
        }
    }

    /// Notes the outcome of an operation under its name.
    ///
    /// - Returns: What to tell its asker and those who repeated it, once the tree is as it says.
    private mutating func settle(
        _ operation: OwnerOperations.Operation, at now: Moment
    ) -> [(Asker, LineWriter)] {
        var answers: [(Asker, LineWriter)] = []
        guard let refusal = refusal(of: operation) else {
            if let asker = operation.asker { answers.append((asker, accepted(asker))) }
            return answers + complete(operation.name, at: now)
        }
        if let asker = operation.asker {
            var line = LineWriter()
            line.error(refusal, tag: asker.tag)
            answers.append((asker, line))
        }
        guard let name = operation.name else { return answers }
        if operation.isUnknown || repetitions[name]?.isAnotherAttempt == true {
            leaveOpen(name, refusal, at: now)
        } else {
            forget(name, refusal)
        }
        return answers
    }

    private mutating func concludeRemoval(
        _ operation: OwnerOperations.Operation, _ path: TreePath, at now: Moment
    ) {
        var departing = operation.done
        if let refusal = operation.refusal, refusal.code == .notFound {
            departing.append(refusal.server)
        }
        departing.removeAll(where: operation.told.contains)
        let isComplete = operation.refusal == nil && !operation.isUnknown
        let answers = settle(operation, at: now)
        // A server that reported something below it meanwhile has not removed anything, or it came
        // after what was removed.
        if isComplete, operation.isWhole, operation.told.isEmpty, let node = catalogue.find(path),
            catalogue.records[Int(node)].isDirectory,
            catalogue.servers(at: node).allSatisfy(operation.done.contains)
        {
            return detach(node, answering: answers, at: now)
        }
        if !departing.isEmpty { touchParent(of: path, at: now) }
        let job = RemovalJob(
            departing: departing, top: path, clearsMade: isComplete && operation.isWhole,
            answers: answers)
        begin(.removal(job), at: now)
    }

    /// A change of an entry is a change of its directory.
    mutating func touchParent(of path: TreePath, at now: Moment) {
        guard let parent = path.parent, !parent.isRoot, let node = catalogue.find(parent),
            catalogue.records[Int(node)].isDirectory
        else { return }
        catalogue.setTime(now.wall, of: node)
    }

    private mutating func concludeRenaming(
        _ operation: OwnerOperations.Operation, _ from: TreePath, _ to: TreePath, at now: Moment
    ) {
        if let server = operation.done.first {
            do throws(RequestError) {
                if operation.told.contains(server) {
                    merge(from, to, of: 0, at: now)
                } else {
                    try rename(from, to, of: server, at: now)
                }
            } catch {
                if let asker = operation.asker { fail(asker, error) }
                if let name = operation.name { leaveOpen(name, error, at: now) }
                return
            }
        }
        for (asker, line) in settle(operation, at: now) { answerAfterCommit(asker, line) }
    }

    /// Moves in the tree what a server has moved on its disk; a report may have been faster.
    ///
    /// - Parameter server: 0 where nobody has the directory on disk.
    mutating func rename(
        _ from: TreePath, _ to: TreePath, of server: UInt16, at now: Moment
    ) throws(RequestError) {
        guard let node = catalogue.find(from), let above = to.parent else { return }
        touchParent(of: from, at: now)
        let parent =
            server == 0
            ? catalogue.find(above) ?? Catalogue.root
            : try directory(above, of: server, time: now.wall)
        if catalogue.records[Int(node)].isDirectory {
            try renameDirectory(node, from, to, in: parent, of: server, at: now)
        } else {
            try renameFile(node, from, to, in: parent, of: server)
        }
        touchParent(of: to, at: now)
    }

    private mutating func renameFile(
        _ node: UInt32, _ from: TreePath, _ to: TreePath, in parent: UInt32, of server: UInt16
    ) throws(RequestError) {
        guard let facts = catalogue.file(at: node, of: server) else { return }
        let target = catalogue.find(to)
        if target == nil, catalogue.servers(at: node) == [server] {
            try catalogue.move(node, to: Array(to.name), in: parent)
            catalogue.mentions[server]?.mention(node)
            return tell(.rename, from, to: to)
        }
        if let target { _ = catalogue.depart(target, server) }
        _ = catalogue.depart(node, server)
        tell(.rename, from, to: to)
        // The parent may have been kept by the old name only.
        let parent = try directory(to.parent ?? .root, of: server, time: facts.mtime)
        try put(facts, to, in: parent, of: server)
    }

    private mutating func renameDirectory(
        _ node: UInt32, _ from: TreePath, _ to: TreePath, in parent: UInt32, of server: UInt16,
        at now: Moment
    ) throws(RequestError) {
        if let target = catalogue.find(to) {
            let isEmpty =
                catalogue.records[Int(target)].isDirectory && catalogue.isEmpty(target)
                && !catalogue.records[Int(target)].flags.contains(.pinned)
            guard isEmpty else {
                // A report was faster and has filled the new name: the rest follows.
                return merge(from, to, of: server, at: now)
            }
            catalogue.discard(target)
        }
        try catalogue.move(node, to: Array(to.name), in: parent)
        catalogue.mentions[server]?.spare(node)
        tell(.rename, from, to: to)
        // Whoever has something below a directory has the directory, so this costs no walk.
        let others = catalogue.servers(at: node).filter { $0 != server }
        if !others.isEmpty { giveBack(node, from, to, to: others, at: now) }
    }

    /// Takes up the changes that waited for an operation, in their order.
    mutating func resumeDeferred(at now: Moment) {
        let waiting = deferred
        deferred = []
        deferring = []
        for (request, asker) in waiting {
            guard let op = asker.operation, repetitions[op]?.isAnotherAttempt == true else {
                take(request, [], asker, at: now)
                continue
            }
            // What stood when it was told to wait may not stand any more.
            var asker = asker
            asker.operation = nil
            let others = repetitions.leaveOpen(op, at: now.monotonic)
            take(request, [], asker, at: now)
            for other in others { take(other.request, [], other.asker, at: now) }
        }
    }

    /// Whether a change has to wait for an operation on the same paths; it is taken up again then.
    mutating func mustWait(_ request: Request, _ asker: Asker, for paths: [TreePath]) -> Bool {
        guard operations.overlaps(paths) else { return false }
        deferred.append((request, asker))
        deferring.insert(asker.connection)
        return true
    }
}
