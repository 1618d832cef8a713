import DFSProtocol

/// REMOVE and RENAME at the owners: asking them, and what follows from their answers.
extension NameAuthority {
    /// Asks servers over their own connections; the answer comes with their DONE.
    mutating func ask(
        _ task: OwnerOperations.Task, _ asker: Asker, servers: [UInt16], isWhole: Bool,
        at now: Moment
    ) {
        let operation = operations.begin(
            task, asker, servers: servers, isWhole: isWhole, at: now.monotonic)
        var line = LineWriter()
        switch task {
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
        line.end()
        for server in operation.waiting {
            if let connection = membership[server].connection { act(.notify(connection, line)) }
        }
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
        switch operation.task {
        case .remove(let path, _): concludeRemoval(operation, path, at: now)
        case .rename(let from, let to, _): concludeRenaming(operation, from, to, at: now)
        }
        resumeDeferred(at: now)
    }

    private func refusal(of operation: OwnerOperations.Operation) -> RequestError? {
        let path = operation.task.paths[0]
        if operation.isUnknown {
            return RequestError(
                .timeout, path: path,
                "the owner did not answer in time; it may have been done: look before you repeat")
        }
        guard let refusal = operation.refusal else { return nil }
        let id = membership[refusal.server].id
        return RequestError(
            refusal.code, path: path, "\(id) refused it: \(refusal.code.rawValue)",
            fields: [.init("server", id.bytes)])
    }

    /// The last line of an operation's answer.
    private func outcome(of operation: OwnerOperations.Operation) -> LineWriter {
        guard let refusal = refusal(of: operation) else { return accepted(operation.asker) }
        var line = LineWriter()
        line.error(refusal, tag: operation.asker.tag)
        return line
    }

    private mutating func concludeRemoval(
        _ operation: OwnerOperations.Operation, _ path: TreePath, at now: Moment
    ) {
        var departing = operation.done
        if let refusal = operation.refusal, refusal.code == .notFound {
            departing.append(refusal.server)
        }
        let outcome = outcome(of: operation)
        let isComplete = operation.refusal == nil && !operation.isUnknown
        // A server that reported something below it meanwhile has not removed anything.
        if isComplete, operation.isWhole, let node = catalogue.find(path),
            catalogue.records[Int(node)].isDirectory,
            catalogue.servers(at: node).allSatisfy(operation.done.contains)
        {
            return detach(node, answering: [(operation.asker, outcome)], at: now)
        }
        touchParent(of: path, at: now)
        let job = RemovalJob(
            departing: departing, top: path, answers: [(operation.asker, outcome)])
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
        let outcome = outcome(of: operation)
        if let server = operation.done.first {
            do throws(RequestError) {
                try rename(from, to, of: server, at: now)
            } catch {
                return fail(operation.asker, error)
            }
        }
        answerAfterCommit(operation.asker, outcome)
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
                // A report was faster and has filled the new name: what is left is the old one.
                return begin(
                    .removal(RemovalJob(departing: [server], top: from, answers: [])), at: now)
            }
            catalogue.discard(target)
        }
        try catalogue.move(node, to: Array(to.name), in: parent)
        catalogue.mentions[server]?.spare(node)
        tell(.rename, from, to: to)
    }

    /// Takes up the changes that waited for an operation, in their order.
    private mutating func resumeDeferred(at now: Moment) {
        let waiting = deferred
        deferred = []
        for (request, asker) in waiting { take(request, [], asker, at: now) }
    }

    /// Whether a change has to wait for an operation on the same paths; it is taken up again then.
    mutating func mustWait(_ request: Request, _ asker: Asker, for paths: [TreePath]) -> Bool {
        guard operations.overlaps(paths) else { return false }
        deferred.append((request, asker))
        return true
    }
}
