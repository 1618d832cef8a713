import DFSProtocol

/// FIND on its way through a subtree.
struct FindJob {
    let asker: Asker
    let top: TreePath
    let glob: Glob?
    let patternBytes: Int
    /// True for directories, false for files, nil for both.
    let wantsDirectories: Bool?
    let limit: Int
    /// The path visited last, relative to `top`.
    var cursor: [UInt8]
    var reply = LineWriter()
    var count = 0
    /// The whole path of the last item.
    var last: [UInt8] = []
}

/// DU on its way through a subtree.
struct UsageJob {
    let asker: Asker
    let top: TreePath
    var cursor: [UInt8] = []
    var files: Int64 = 0
    var directories: Int64 = 0
    var bytes: Int64 = 0
}

/// FIND and DU: everything below a path, in slices.
extension NameAuthority {
    mutating func find(_ request: Request, _ asker: Asker, at now: Moment) throws(RequestError) {
        let limit = try NameAuthority.limit(request)
        let top = try request.path()
        _ = try directory(at: top, now: now)
        var cursor: [UInt8] = []
        if let value = request.option("after") {
            let after = try TreePath(value)
            if let relative = after.relative(to: top) {
                cursor = Array(relative)
            } else if top < after {
                var reply = LineWriter()
                return finishPage(&reply, asker, 0, after: nil)
            }
        }
        let type = request.option("type").map { $0.elementsEqual("dir".utf8) }
        let job = FindJob(
            asker: asker, top: top, glob: request.option("name").map { Glob($0) },
            patternBytes: request.option("name")?.count ?? 0,
            wantsDirectories: type, limit: limit, cursor: cursor)
        search(.find(job), asker, at: now)
    }

    /// Does a slice of a FIND; true when it was answered.
    mutating func find(_ job: inout FindJob, at now: Moment) -> Bool {
        guard let top = catalogue.find(job.top), catalogue.records[Int(top)].isDirectory else {
            fail(job.asker, .isMissing(job.top))
            return true
        }
        let prefix = job.top.isRoot ? [TreePath.slash] : job.top.bytes + [TreePath.slash]
        var isFull = false
        var (reply, count, last) = (job.reply, job.count, job.last)
        job.reply = LineWriter()
        let (limit, tag) = (job.limit, job.asker.tag)
        let wanted = job
        // A long pattern may cost its length at each byte of a name.
        let steps = max(1, Job.steps / (1 + job.patternBytes / 8))
        let next = catalogue.walk(top, after: job.cursor, steps: steps) { node, path in
            guard isWanted(node, wanted) else { return .goOn }
            if count == limit || reply.bytes.count >= Limits.listBytes {
                isFull = true
                return .stop
            }
            last = prefix + path
            writeItem(node, named: "path", last.span, tag, into: &reply)
            count += 1
            return .goOn
        }
        (job.reply, job.count, job.last) = (reply, count, last)
        if let next, !isFull {
            job.cursor = next
            return false
        }
        finishPage(&job.reply, job.asker, job.count, after: isFull ? job.last : nil)
        return true
    }

    private func isWanted(_ node: UInt32, _ job: FindJob) -> Bool {
        let record = catalogue.records[Int(node)]
        if record.isClaim { return false }
        if let wantsDirectories = job.wantsDirectories, wantsDirectories != record.isDirectory {
            return false
        }
        guard let glob = job.glob else { return true }
        return glob.matches(catalogue.name(of: node))
    }

    mutating func usage(_ request: Request, _ asker: Asker, at now: Moment) throws(RequestError) {
        let path = try request.path()
        guard let node = catalogue.find(path), !catalogue.records[Int(node)].isClaim else {
            throw missing(path, at: now)
        }
        var job = UsageJob(asker: asker, top: path)
        if catalogue.records[Int(node)].isFile {
            job.files = 1
            job.bytes = catalogue.records[Int(node)].size
            return finish(job)
        }
        search(.usage(job), asker, at: now)
    }

    /// Does a slice of a DU; true when it was answered.
    mutating func usage(_ job: inout UsageJob) -> Bool {
        guard let top = catalogue.find(job.top), catalogue.records[Int(top)].isDirectory else {
            fail(job.asker, .isMissing(job.top))
            return true
        }
        var sums = job
        let next = catalogue.walk(top, after: job.cursor, steps: Job.steps) { node, _ in
            let record = catalogue.records[Int(node)]
            if record.isDirectory { sums.directories += 1 }
            if record.isFile {
                sums.files += 1
                // Sizes come from peers: their sum stops at the largest number there is.
                let (sum, overflow) = sums.bytes.addingReportingOverflow(record.size)
                sums.bytes = overflow ? .max : sum
            }
            return .goOn
        }
        job = sums
        if let next {
            job.cursor = next
            return false
        }
        finish(job)
        return true
    }

    private mutating func finish(_ job: UsageJob) {
        var reply = LineWriter()
        reply.begin(tag: job.asker.tag)
        reply.append("OK")
        reply.pair("files", job.files)
        reply.pair("dirs", job.directories)
        reply.pair("bytes", job.bytes)
        reply.end()
        answer(job.asker, reply)
    }
}
