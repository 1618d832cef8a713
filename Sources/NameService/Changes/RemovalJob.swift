import DFSProtocol

/// Removes what owners have removed: whole subtrees, or what some servers had in one.
struct RemovalJob {
    /// The top of a subtree that has left the tree already; its number is freed last.
    var detached: UInt32?
    /// Servers whose things below `top` are to go, one after another.
    var departing: [UInt16] = []
    var top: TreePath
    /// Whether directories at and below `top` go that only MKDIR has made, with names that are
    /// claimed in them.
    var clearsMade = false
    /// The walk's place in the present server's turn.
    var cursor: [UInt8] = []
    /// What is answered when everything is gone.
    var answers: [(Asker, LineWriter)]
}

extension Catalogue {
    /// Frees a node with everything that is known of it, whoever has it; nothing is below it.
    mutating func discard(_ node: UInt32) {
        if records[Int(node)].isFile { orphanFile(node) }
        for holding in holdings[node] ?? [] { removeHolding(of: holding.server, at: node) }
        // What was taken out of the tree stands in no directory any more.
        if records[Int(node)].flags.contains(.detached) { release(node) } else { free(node) }
    }

    /// Frees a detached subtree from its leaves up, for a bounded number of nodes.
    ///
    /// - Returns: Whether the top itself is freed.
    mutating func discard(below top: UInt32, steps: Int) -> Bool {
        var left = steps
        var current = top
        while left > 0 {
            if records[Int(current)].isDirectory,
                let last = orders[Int(records[Int(current)].children)].last
            {
                current = last
                continue
            }
            left -= 1
            let parent = records[Int(current)].parent
            discard(current)
            if current == top { return true }
            current = parent
        }
        return false
    }

    /// Takes what one server has below a node out of the tree, for so many nodes.
    ///
    /// - Parameter after: The relative path where the last slice ended; empty at the start.
    /// - Returns: The path to go on from, or nil where it is over; and what became of names.
    mutating func depart(
        below top: UInt32, _ server: UInt16, after: [UInt8], steps: Int
    ) -> (next: [UInt8]?, gone: [(path: [UInt8], departure: Departure)]) {
        var nodes: [UInt32] = []
        let next = walk(top, after: after, steps: steps) { node, _ in
            let record = records[Int(node)]
            if record.server == server || record.flags.contains(.shared) { nodes.append(node) }
            return .goOn
        }
        var gone: [(path: [UInt8], departure: Departure)] = []
        // Contents before their directory, so that a directory that nobody holds is freed once.
        for node in nodes.reversed() where !records[Int(node)].isFree {
            let path = path(of: node)
            let departure = depart(node, server)
            if departure != .nothing { gone.append((path, departure)) }
        }
        return (next, gone.reversed())
    }
}

extension NameAuthority {
    /// Takes a subtree out of sight at once, to be freed in slices.
    mutating func detach(_ node: UInt32, answering answers: [(Asker, LineWriter)], at now: Moment) {
        // The index holds checked names only, so a path of it is one.
        guard let path = try? TreePath(catalogue.path(of: node)) else {
            // The index holds checked names only; without a path there is nothing to remove.
            return
        }
        let parent = catalogue.records[Int(node)].parent
        catalogue.unlink(node)
        // Its directory may be gone, and its number another's, before all below it is freed.
        catalogue.records[Int(node)].parent = Catalogue.root
        catalogue.records[Int(node)].flags.formUnion([.explicit, .detached])
        catalogue.touch(node)
        catalogue.setTime(now.wall, of: parent)
        tell(.remove, path)
        begin(.removal(RemovalJob(detached: node, top: path, answers: answers)), at: now)
    }

    /// Does a slice of a removal; true when it is over.
    mutating func removal(_ job: inout RemovalJob, at now: Moment) -> Bool {
        if let top = job.detached {
            guard catalogue.discard(below: top, steps: Job.changes) else { return false }
            job.detached = nil
        }
        while let server = job.departing.last {
            if !depart(job.top, server, &job.cursor, at: now) { return false }
            job.departing.removeLast()
        }
        if job.clearsMade, !clearMade(&job) { return false }
        for (asker, line) in job.answers { answerAfterCommit(asker, line) }
        return true
    }

    /// Takes directories and claims that nobody has on disk out of a subtree; true when it is over.
    private mutating func clearMade(_ job: inout RemovalJob) -> Bool {
        guard let top = catalogue.find(job.top), catalogue.records[Int(top)].isDirectory else {
            return true
        }
        var nodes = job.cursor.isEmpty ? [top] : []
        let next = catalogue.walk(top, after: job.cursor, steps: Job.changes) { node, _ in
            let record = catalogue.records[Int(node)]
            if record.flags.contains(.explicit) || record.isClaim { nodes.append(node) }
            return .goOn
        }
        // What is in a directory that stays keeps it; what held one goes before it.
        for node in nodes.reversed() where !catalogue.records[Int(node)].isFree {
            if catalogue.records[Int(node)].isClaim {
                let parent = catalogue.records[Int(node)].parent
                catalogue.free(node)
                _ = catalogue.collect(parent)
                continue
            }
            guard catalogue.records[Int(node)].isDirectory else { continue }
            let path = catalogue.path(of: node)
            catalogue.records[Int(node)].flags.remove(.explicit)
            catalogue.touch(node)
            if catalogue.collect(node) { tellDepartures([(path, .gone)]) }
        }
        job.cursor = next ?? []
        return next == nil
    }

    /// Takes a slice of what one server has at and below a path out; true when it is over.
    mutating func depart(
        _ path: TreePath, _ server: UInt16, _ cursor: inout [UInt8], at now: Moment
    ) -> Bool {
        guard let top = catalogue.find(path) else { return true }
        if catalogue.records[Int(top)].isDirectory {
            let slice = catalogue.depart(below: top, server, after: cursor, steps: Job.changes)
            tellDepartures(slice.gone)
            if let next = slice.next {
                cursor = next
                return false
            }
        }
        cursor = []
        // The walk may have freed the top together with the last of its contents.
        guard let top = catalogue.find(path) else { return true }
        tellDepartures([(path.bytes, catalogue.depart(top, server))])
        return true
    }

    mutating func tellDepartures(
        _ gone: [(path: [UInt8], departure: Catalogue.Departure)]
    ) {
        for (bytes, departure) in gone {
            // The index holds checked names only, so a path of it is one.
            guard departure == .gone || departure == .promoted, let path = try? TreePath(bytes)
            else { continue }
            tell(departure == .gone ? .remove : .write, path)
        }
    }
}
