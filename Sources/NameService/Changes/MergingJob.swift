import DFSProtocol

/// Has what is left under a directory's old name follow, where a report was faster than DONE.
///
/// The report has put everything that is on the owner's disk under the new name. Left are
/// directories that only the catalogue knows, which MKDIR made, and what other servers have there.
struct MergingJob {
    let from: TreePath
    let to: TreePath
    /// Whose things under the old name go; 0 where its report has taken them away.
    let server: UInt16
    let hold: Int64
    /// The path visited last, relative to `from`.
    var cursor: [UInt8] = []
}

extension NameAuthority {
    mutating func merge(
        _ from: TreePath, _ to: TreePath, of server: UInt16, at now: Moment
    ) {
        let job = MergingJob(
            from: from, to: to, server: server, hold: operations.hold([from, to]))
        begin(.merging(job), at: now)
    }

    /// Does a slice of it; true when it is over.
    mutating func merge(_ job: inout MergingJob, at now: Moment) -> Bool {
        var next: [UInt8]?
        if let top = catalogue.find(job.from), catalogue.records[Int(top)].isDirectory {
            var nodes: [(node: UInt32, path: [UInt8])] = []
            next = catalogue.walk(top, after: job.cursor, steps: Job.changes) { node, path in
                nodes.append((node, [TreePath.slash] + path))
                return .goOn
            }
            if job.cursor.isEmpty { carry(top, [], job) }
            for (node, path) in nodes { carry(node, path, job) }
            for (node, _) in nodes.reversed() { letGo(node, of: job.server) }
            // What waits below keeps the top until the last slice.
            if next == nil { letGo(top, of: job.server) }
        }
        if let next {
            job.cursor = next
            return false
        }
        operations.release(job.hold)
        resumeDeferred(at: now)
        return true
    }

    /// Makes a directory that MKDIR has made under the old name one under the new name.
    private mutating func carry(_ node: UInt32, _ path: [UInt8], _ job: MergingJob) {
        let record = catalogue.records[Int(node)]
        guard record.isDirectory, record.flags.contains(.explicit) else { return }
        let facts = catalogue.facts(of: node)
        do throws(RequestError) {
            let target = try TreePath(job.to.bytes + path)
            let old = catalogue.find(target)
            if let old, !catalogue.records[Int(old)].isDirectory { return }
            let place = try directory(target, of: 0, time: facts.mtime)
            catalogue.records[Int(place)].flags.insert(.explicit)
            if old == nil { catalogue.setFacts(facts, of: place) }
            catalogue.touch(place)
        } catch {
            // The catalogue is full: the directory stays where it was.
            return act(.log(.error, "a renamed directory is not whole: \(error.advice)"))
        }
        catalogue.records[Int(node)].flags.remove(.explicit)
        catalogue.touch(node)
    }

    /// Takes what the server has at a node out of the tree, and the node if nobody has it then.
    private mutating func letGo(_ node: UInt32, of server: UInt16) {
        let record = catalogue.records[Int(node)]
        if record.isFree || record.isClaim { return }
        let path = catalogue.path(of: node)
        var departure = catalogue.depart(node, server)
        if departure == .nothing, record.isDirectory, catalogue.collect(node) { departure = .gone }
        tellDepartures([(path, departure)])
    }
}
