import DFSProtocol

/// RENAME: within one server by its owner, or here where nobody has the directory on disk.
extension NameAuthority {
    /// - Parameter isMeasured: Whether no path below a directory would grow too long.
    mutating func rename(
        _ request: Request, _ asker: Asker, isMeasured: Bool = false, at now: Moment
    ) throws(RequestError) {
        let from = try request.path(at: 0)
        let to = try request.path(at: 1)
        let isReplacing = request.option("replace") != nil
        if mustWait(request, asker, for: [from, to]) { return }
        guard let node = catalogue.find(from), !catalogue.records[Int(node)].isClaim else {
            throw missing(from, at: now)
        }
        if from == to { return succeed(asker, at: now) }
        if to.isWithin(from) {
            throw RequestError(
                .badArgument, path: from, "a directory can not be moved into itself")
        }
        if catalogue.records[Int(node)].isDirectory { try refusePinned(node, from) }
        if to.isRoot { throw RequestError(.exists, path: to, "the top of the tree stays") }
        _ = try directory(at: to.parent ?? .root, now: now)
        try checkTarget(to, for: node, isReplacing)
        let servers = owners(of: node)
        guard servers.count <= 1 else {
            throw RequestError(
                .crossServer, path: from, "several servers have this directory; copy and remove it")
        }
        if let server = servers.first {
            try requireUp([server], for: from, at: now)
            try requireOwner(server, of: to)
        }
        let isFile = catalogue.records[Int(node)].isFile
        if !isFile, !isMeasured, to.bytes.count > from.bytes.count {
            return measure(request, asker, from, to, at: now)
        }
        guard let server = servers.first else {
            try renameHere(from, to, at: now)
            return succeed(asker, at: now)
        }
        releaseClaim(at: to)
        ask(
            .rename(from: from, to: to, isReplacing: isReplacing), asker,
            about: subject(node, server: isFile ? server : 0), servers: [server], isWhole: true,
            at: now)
    }

    /// Who would have to rename: the owner of a file, everyone who has something of a directory.
    private func owners(of node: UInt32) -> [UInt16] {
        let record = catalogue.records[Int(node)]
        return record.isFile ? [record.server] : catalogue.servers(at: node)
    }

    private func checkTarget(
        _ to: TreePath, for node: UInt32, _ isReplacing: Bool
    ) throws(RequestError) {
        guard let target = catalogue.find(to) else { return }
        let record = catalogue.records[Int(target)]
        guard isReplacing else {
            throw RequestError(.exists, path: to, "the new name is there; replace=yes replaces it")
        }
        if record.isClaim { return }
        if record.isDirectory {
            guard catalogue.records[Int(node)].isDirectory else { throw .isDirectory(to) }
            try refusePinned(target, to)
            guard catalogue.isEmpty(target) else {
                throw RequestError(.notEmpty, path: to, "a directory with entries is not replaced")
            }
        } else if catalogue.records[Int(node)].isDirectory {
            throw .isNoDirectory(to)
        }
        let mine = owners(of: node)
        guard catalogue.servers(at: target).allSatisfy({ mine.contains($0) }) else {
            throw RequestError(
                .crossServer, path: to, "what would be replaced is on another server")
        }
    }

    private func requireOwner(_ server: UInt16, of to: TreePath) throws(RequestError) {
        let owners = Placement.owners(of: to, membership.servers)
        guard owners.contains(where: { $0.number == server }) else {
            throw RequestError(
                .crossServer, path: to, "the new name belongs to another server; copy and remove")
        }
    }

    private mutating func releaseClaim(at path: TreePath) {
        guard let node = catalogue.find(path), catalogue.records[Int(node)].isClaim else { return }
        catalogue.free(node)
    }

    private mutating func renameHere(
        _ from: TreePath, _ to: TreePath, at now: Moment
    ) throws(RequestError) {
        releaseClaim(at: to)
        try rename(from, to, of: 0, at: now)
    }
}
