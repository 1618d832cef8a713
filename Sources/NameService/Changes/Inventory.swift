import DFSProtocol

/// What one line of a report does to the tree.
extension NameAuthority {
    /// Applies one line; what a `-` or a replaced directory had below is gone already.
    mutating func apply(
        _ entry: FileReport, of server: UInt16, at now: Moment
    ) throws(RequestError) {
        switch entry {
        case .gone: return
        case .directory(let path, let mtime, let mode):
            guard !path.isRoot else { return }
            let node = try directory(path, of: server, time: mtime)
            describe(node, mtime, mode)
        case .file(let path, let facts):
            guard let above = path.parent else { return }
            let parent = try directory(above, of: server, time: facts.mtime)
            try put(facts, path, in: parent, of: server)
        }
    }

    private mutating func describe(_ directory: UInt32, _ mtime: WallTime, _ mode: FileMode?) {
        let record = catalogue.records[Int(directory)]
        var facts = catalogue.facts(of: directory)
        let isOnly = !record.flags.contains(.explicit) && !record.flags.contains(.shared)
        facts.mtime = isOnly ? mtime : max(facts.mtime, mtime)
        if let mode, isOnly || facts.mode == nil { facts.mode = mode }
        catalogue.records[Int(directory)].flags.insert(.timeTold)
        if facts != catalogue.facts(of: directory) { catalogue.setFacts(facts, of: directory) }
    }

    /// Makes a path a directory that a server has on disk, with all those above it.
    mutating func directory(
        _ path: TreePath, of server: UInt16, time: WallTime
    ) throws(RequestError) -> UInt32 {
        var node = Catalogue.root
        var start = 1
        let bytes = path.bytes
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: TreePath.slash) ?? bytes.count
            node = try directory(bytes.span.extracting(start..<end), in: node, server, time)
            start = end + 1
        }
        return node
    }

    private mutating func directory(
        _ name: Span<UInt8>, in parent: UInt32, _ server: UInt16, _ time: WallTime
    ) throws(RequestError) -> UInt32 {
        var node = catalogue.child(of: parent, name)
        if node == Catalogue.none {
            node = try catalogue.insert(name, in: parent, kind: .directory)
            catalogue.setTime(time, of: node)
            tellOfNode(.create, node)
        } else if !catalogue.records[Int(node)].isDirectory {
            catalogue.becomeDirectory(node, heldBy: server)
            tellOfNode(.create, node)
        } else if !catalogue.records[Int(node)].flags.contains(.timeTold),
            !catalogue.records[Int(node)].flags.contains(.explicit),
            catalogue.facts(of: node).mtime < time
        {
            catalogue.setTime(time, of: node)
        }
        catalogue.hold(node, by: server)
        catalogue.mentions[server]?.mention(node)
        return node
    }

    private mutating func tellOfNode(_ kind: Watchers.Kind, _ node: UInt32) {
        // The index holds checked names only; a tree deeper than a path may be has nothing to tell.
        guard let path = try? TreePath(catalogue.path(of: node)) else { return }
        tell(kind, path)
    }

    /// Puts a server's file under its name: as the owner where it is first, else beside the owner.
    mutating func put(
        _ facts: FileFacts, _ path: TreePath, in parent: UInt32, of server: UInt16
    ) throws(RequestError) {
        let name = Array(path.name)
        var node = catalogue.child(of: parent, name.span)
        if node == Catalogue.none {
            node = try catalogue.insert(name.span, in: parent, kind: .file)
            catalogue.becomeFile(node, of: server, facts)
            tell(.create, path)
        } else if catalogue.records[Int(node)].isClaim {
            catalogue.becomeFile(node, of: server, facts)
            tell(.create, path)
        } else if catalogue.records[Int(node)].isDirectory {
            if catalogue.file(at: node, of: server) != facts {
                catalogue.setHolding(facts, of: server, at: node)
            }
        } else {
            update(facts, path, node, of: server)
        }
        catalogue.mentions[server]?.mention(node)
    }

    private mutating func update(
        _ facts: FileFacts, _ path: TreePath, _ node: UInt32, of server: UInt16
    ) {
        let owner = catalogue.records[Int(node)].server
        if owner == server {
            let old = catalogue.facts(of: node)
            if old == facts { return }
            catalogue.count(old, server, -1)
            catalogue.count(facts, server, 1)
            catalogue.setFacts(facts, of: node)
            tell(.write, path)
        } else if reach(of: server, over: path) > reach(of: owner, over: path) {
            let hidden = catalogue.facts(of: node)
            catalogue.orphanFile(node)
            catalogue.removeHolding(of: server, at: node)
            catalogue.becomeFile(node, of: server, facts)
            catalogue.setHolding(hidden, of: owner, at: node)
            tell(.write, path)
        } else if catalogue.file(at: node, of: server) != facts {
            if catalogue.file(at: node, of: server) == nil { logConflict(path, owner, server) }
            catalogue.setHolding(facts, of: server, at: node)
        }
    }

    /// How long the mount is that a server has over a path; the longest wins the name.
    private func reach(of server: UInt16, over path: TreePath) -> Int {
        guard membership.knows(server) else { return 0 }
        return membership[server].mount(over: path)?.bytes.count ?? 0
    }

    private mutating func logConflict(_ path: TreePath, _ owner: UInt16, _ server: UInt16) {
        guard membership.knows(owner) else { return }
        act(
            .log(
                .warning,
                "\(membership[server].id) has \(path) too; \(membership[owner].id) keeps the name"))
    }
}
