import DFSProtocol

/// REMOVE: asked of the owners, or done here where nobody has the name on disk.
extension NameAuthority {
    mutating func remove(_ request: Request, _ asker: Asker, at now: Moment) throws(RequestError) {
        let path = try request.path()
        let wanted = try request.server(in: membership)
        if mustWait(request, asker, for: [path]) { return }
        guard let node = catalogue.find(path) else { throw missing(path, at: now) }
        let record = catalogue.records[Int(node)]
        if record.isClaim { return removeClaim(node, asker, at: now) }
        try check(type: request.option("type"), record, path)
        if record.isFile || wanted.map({ catalogue.file(at: node, of: $0.number) != nil }) ?? false
        {
            try removeFile(node, path, wanted, asker, at: now)
        } else {
            try removeDirectory(node, path, wanted, request, asker, at: now)
        }
    }

    private mutating func removeClaim(_ node: UInt32, _ asker: Asker, at now: Moment) {
        let parent = catalogue.records[Int(node)].parent
        catalogue.free(node)
        _ = catalogue.collect(parent)
        succeed(asker, at: now)
    }

    private func check(
        type: [UInt8]?, _ record: CatalogueRecord, _ path: TreePath
    ) throws(RequestError) {
        guard let type else { return }
        let wantsDirectory = type.elementsEqual("dir".utf8)
        if wantsDirectory, record.isFile { throw .isNoDirectory(path) }
        if !wantsDirectory, record.isDirectory { throw .isDirectory(path) }
    }

    private mutating func removeFile(
        _ node: UInt32, _ path: TreePath, _ wanted: FileServer?, _ asker: Asker, at now: Moment
    ) throws(RequestError) {
        let server = wanted?.number ?? catalogue.records[Int(node)].server
        guard catalogue.file(at: node, of: server) != nil else { throw .isMissing(path) }
        try requireUp([server], for: path, at: now)
        ask(
            .remove(path, isRecursive: false), asker, about: subject(node, server: server),
            servers: [server], isWhole: false, at: now)
    }

    private mutating func removeDirectory(
        _ node: UInt32, _ path: TreePath, _ wanted: FileServer?, _ request: Request,
        _ asker: Asker, at now: Moment
    ) throws(RequestError) {
        let isRecursive = request.option("recursive") != nil
        try refusePinned(node, path)
        if !isRecursive, !catalogue.isEmpty(node) {
            throw RequestError(
                .notEmpty, path: path, "the directory has entries; recursive=yes removes them too")
        }
        // Who has a file of this name is not asked: that file stays, and gets the name.
        var holders = catalogue.holders(of: node)
        if let wanted {
            guard holders.contains(wanted.number) else { throw .isMissing(path) }
            holders = [wanted.number]
        }
        if holders.isEmpty, !catalogue.servers(at: node).isEmpty {
            let answers = [(asker, accepted(asker))] + complete(asker.operation, at: now)
            return begin(
                .removal(RemovalJob(top: path, clearsMade: true, answers: answers)), at: now)
        }
        if holders.isEmpty {
            let others = complete(asker.operation, at: now)
            return detach(node, answering: [(asker, accepted(asker))] + others, at: now)
        }
        try requireUp(holders, for: path, at: now)
        ask(
            .remove(path, isRecursive: isRecursive), asker, about: subject(node, server: 0),
            servers: holders, isWhole: wanted == nil, at: now)
    }

    /// Refuses to remove or rename what file servers have mounted.
    func refusePinned(_ node: UInt32, _ path: TreePath) throws(RequestError) {
        if node == Catalogue.root || catalogue.records[Int(node)].flags.contains(.pinned) {
            throw RequestError(
                .denied, path: path, "this is a mount point of a file server, or above one")
        }
    }
}
