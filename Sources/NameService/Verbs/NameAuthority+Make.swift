import DFSProtocol

/// CREATE, MKDIR and SETATTR: new names, and what is known of directories.
extension NameAuthority {
    /// The directory in which a new name is made.
    ///
    /// - Throws: `exists` where the name is there or claimed, `not-found` or `not-dir` for the
    ///   parent.
    private func parentOfNew(_ path: TreePath, at now: Moment) throws(RequestError) -> UInt32 {
        if catalogue.find(path) != nil {
            throw RequestError(
                .exists, path: path, "the name is there, or claimed by another client")
        }
        return try directory(at: path.parent ?? .root, now: now)
    }

    /// Refuses a name that is not known for as long as a server may just not have told of it.
    private func checkNew(_ path: TreePath, at now: Moment) throws(RequestError) {
        if let doubt = doubt(about: path, isLasting: false, at: now) { throw doubt }
    }

    mutating func create(_ request: Request, _ asker: Asker, at now: Moment) throws(RequestError) {
        let path = try request.path()
        let wanted = try request.server(in: membership)
        if mustWait(request, asker, for: [path]) { return }
        let parent = try parentOfNew(path, at: now)
        guard catalogue.claimDeadlines.count < Claims.most else {
            throw RequestError(
                .busy, "too many names are claimed; their files come, or they end within a minute",
                fields: [.init("retry", number: pace.beat)])
        }
        let choice = try place(path, wanted, at: now)
        let server = membership[choice.server]
        let node = try catalogue.insert(Array(path.name).span, in: parent, kind: .claim)
        catalogue.records[Int(node)].server = server.number
        let deadline = now.wall.seconds &+ Claims.seconds
        catalogue.claimDeadlines[node] = deadline
        if claims.count > 1024 + 2 * catalogue.claimDeadlines.count {
            claims.keep { catalogue.claimDeadlines[$0.node] == $0.deadline }
        }
        claims.add(
            .init(
                node: node, deadline: deadline,
                end: now.monotonic.advanced(milliseconds: Claims.seconds * 1000)))
        var rest = LineWriter()
        rest.pair("server", server.id.bytes)
        rest.pair("addr", server.address.description)
        rest.pair("why", choice.why)
        try succeed(request, asker, rest.bytes, at: now)
    }

    private func place(
        _ path: TreePath, _ wanted: FileServer?, at now: Moment
    ) throws(RequestError) -> Placement.Choice {
        let owners = Placement.owners(of: path, membership.servers)
        if let wanted {
            guard owners.contains(where: { $0.id == wanted.id }) else {
                throw RequestError(
                    .noReplica, path: path, "new names here belong to another server's mount",
                    fields: [.init("server", wanted.id.bytes)])
            }
            guard wanted.state == .up else { throw wanted.isDown(path, at: now, pace: pace) }
            return .init(server: wanted.number, why: "asked for by the client")
        }
        guard let latest = owners.max(by: { $0.lastSeen < $1.lastSeen }) else {
            throw RequestError(.noReplica, path: path, "no server has a mount over this path")
        }
        guard let choice = Placement.choose(owners) else {
            throw latest.isDown(path, at: now, pace: pace)
        }
        return choice
    }

    mutating func makeDirectory(
        _ request: Request, _ asker: Asker, at now: Moment
    ) throws(RequestError) {
        let path = try request.path()
        let mode = try request.mode() ?? FileMode(bits: 0o755)
        if mustWait(request, asker, for: [path]) { return }
        let parent = try parentOfNew(path, at: now)
        try checkNew(path, at: now)
        let node = try catalogue.insert(Array(path.name).span, in: parent, kind: .directory)
        catalogue.records[Int(node)].flags.insert(.explicit)
        catalogue.setFacts(FileFacts(size: 0, mtime: now.wall, mode: mode, ver: 0), of: node)
        touchParent(of: path, at: now)
        tell(.create, path)
        succeed(asker, at: now)
    }

    mutating func setAttributes(
        _ request: Request, _ asker: Asker, at now: Moment
    ) throws(RequestError) {
        let path = try request.path()
        let mode = try request.mode()
        var time: WallTime?
        if let text = request.option("mtime") {
            time = text.elementsEqual("now".utf8) ? now.wall : try WallTime(text: text)
        }
        guard mode != nil || time != nil else {
            throw RequestError(.badArgument, "SETATTR needs mode= or mtime=")
        }
        if mustWait(request, asker, for: [path]) { return }
        let node = try directory(at: path, now: now)
        guard !path.isRoot else {
            throw RequestError(.unsupported, path: path, "the top of the tree has no attributes")
        }
        var facts = catalogue.facts(of: node)
        facts.mode = mode ?? facts.mode
        facts.mtime = time ?? facts.mtime
        catalogue.setFacts(facts, of: node)
        tell(.write, path)
        answerAfterCommit(asker, accepted(asker))
    }
}
