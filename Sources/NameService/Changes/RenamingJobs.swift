import DFSProtocol

/// Looks whether a path below a directory would grow too long under its new name.
///
/// Its paths are held meanwhile, so that no change of a client adds a longer one.
struct MeasuringJob {
    let request: Request
    let asker: Asker
    let from: TreePath
    let to: TreePath
    let hold: Int64
    /// The path visited last, relative to `from`.
    var cursor: [UInt8] = []
}

/// Gives back what a renamed directory took along although another server has it.
///
/// A report that comes while the owner renames may put another server's file below the old name.
/// The directory moves as one entry all the same; then this job walks it once.
struct ReturningJob {
    /// The directory, under its new name.
    let top: UInt32
    let from: TreePath
    let to: TreePath
    /// Those that have something below it and did not rename it.
    let servers: [UInt16]
    let hold: Int64
    /// The path visited last, relative to `to`.
    var cursor: [UInt8] = []
}

/// What is to be restored when nothing of a server is under a wrong name any more.
struct Returning {
    var jobs = 0
    var generation: Int64?
    var connection: ConnectionID?
}

extension NameAuthority {
    /// Measures what is below a directory, and goes on with its RENAME after that.
    mutating func measure(
        _ request: Request, _ asker: Asker, _ from: TreePath, _ to: TreePath, at now: Moment
    ) {
        let job = MeasuringJob(
            request: request, asker: asker, from: from, to: to, hold: operations.hold([from, to]))
        begin(.measuring(job), at: now)
    }

    /// Does a slice of measuring; true when RENAME was refused or goes on.
    mutating func measure(_ job: inout MeasuringJob, at now: Moment) -> Bool {
        let room = Limits.pathBytes - job.to.bytes.count - 1
        var isTooLong = false
        if let top = catalogue.find(job.from), catalogue.records[Int(top)].isDirectory {
            let next = catalogue.walk(top, after: job.cursor, steps: Job.steps) { _, path in
                isTooLong = path.count > room
                return isTooLong ? .stop : .goOn
            }
            if let next, !isTooLong {
                job.cursor = next
                return false
            }
        }
        operations.release(job.hold)
        do throws(RequestError) {
            if isTooLong {
                throw RequestError(
                    .nameTooLong, path: job.to, "a path below it would grow too long",
                    fields: [.init("max", number: Limits.pathBytes)])
            }
            try rename(job.request, job.asker, isMeasured: true, at: now)
        } catch {
            refuse(job.asker, error, at: now)
        }
        resumeDeferred(at: now)
        return true
    }

    /// Begins to give back what is not the server's that has renamed a directory.
    ///
    /// Until that is over the others are known as to be asked for a whole inventory, in the batch
    /// that holds the new name: so a crash in between is healed.
    mutating func giveBack(
        _ top: UInt32, _ from: TreePath, _ to: TreePath, to servers: [UInt16], at now: Moment
    ) {
        for number in servers {
            var state =
                returning[number]
                ?? Returning(
                    generation: membership[number].generation,
                    connection: membership[number].connection)
            state.jobs += 1
            returning[number] = state
            membership[number].generation = nil
            membership.touch(number)
        }
        let job = ReturningJob(
            top: top, from: from, to: to, servers: servers, hold: operations.hold([from, to]))
        begin(.returning(job), at: now)
    }

    /// Does a slice of giving back; true when it is over.
    mutating func giveBack(_ job: inout ReturningJob, at now: Moment) -> Bool {
        guard catalogue.find(job.to) == job.top else {
            // A report has put something else there: only an inventory can tell what is where.
            for number in job.servers { returning[number]?.generation = nil }
            finish(job, at: now)
            return true
        }
        var nodes: [(node: UInt32, path: [UInt8])] = []
        let next = catalogue.walk(job.top, after: job.cursor, steps: Job.changes) { node, path in
            let record = catalogue.records[Int(node)]
            if job.servers.contains(record.server) || record.flags.contains(.shared) {
                nodes.append((node, [TreePath.slash] + path))
            }
            return .goOn
        }
        if job.cursor.isEmpty { nodes.insert((job.top, []), at: 0) }
        for (node, path) in nodes {
            for server in job.servers { giveBack(node, path, job, server) }
        }
        // Contents before their directory; the top goes last of all.
        for (node, _) in nodes.reversed() where node != job.top { takeAway(node, job.servers) }
        if let next {
            job.cursor = next
            return false
        }
        takeAway(job.top, job.servers)
        finish(job, at: now)
        return true
    }

    /// Puts what a server has at a node back under the old name, unless it is there again.
    private mutating func giveBack(
        _ node: UInt32, _ path: [UInt8], _ job: ReturningJob, _ server: UInt16
    ) {
        do throws(RequestError) {
            let old = try TreePath((job.from.isRoot ? [] : job.from.bytes) + path)
            let isMentioned = catalogue.mentions[server]?.contains(node) ?? true
            if catalogue.isHeld(node, by: server) {
                let place = try directory(
                    old, of: server, time: catalogue.facts(of: node).mtime)
                if !isMentioned { catalogue.mentions[server]?.forget(place) }
            } else if let facts = catalogue.file(at: node, of: server), let above = old.parent {
                if let place = catalogue.find(old), catalogue.file(at: place, of: server) != nil {
                    return
                }
                let parent = try directory(above, of: server, time: facts.mtime)
                try put(facts, old, in: parent, of: server)
                if !isMentioned, let place = catalogue.find(old) {
                    catalogue.mentions[server]?.forget(place)
                }
            }
        } catch {
            // The catalogue is full: the server is asked for everything when it registers next.
            returning[server]?.generation = nil
            act(.log(.error, "what \(membership[server].id) has is not all known: \(error.advice)"))
        }
    }

    private mutating func takeAway(_ node: UInt32, _ servers: [UInt16]) {
        for server in servers where !catalogue.records[Int(node)].isFree {
            let path = catalogue.path(of: node)
            tellDepartures([(path, catalogue.depart(node, server))])
        }
    }

    private mutating func finish(_ job: ReturningJob, at now: Moment) {
        for number in job.servers {
            guard var state = returning[number] else { continue }
            state.jobs -= 1
            returning[number] = state.jobs > 0 ? state : nil
            // A server that has registered anew meanwhile sends everything anyway.
            guard state.jobs == 0, membership[number].connection == state.connection,
                catalogue.mentions[number] == nil, membership[number].generation == nil
            else { continue }
            membership[number].generation = state.generation
            membership.touch(number)
        }
        operations.release(job.hold)
        resumeDeferred(at: now)
    }
}
