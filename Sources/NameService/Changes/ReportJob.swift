import DFSProtocol

/// One REPORT on its way into the tree: read in pieces, checked whole, then applied in slices.
struct ReportJob {
    /// Whether a REPORT stands alone or is part of an inventory.
    enum Inventory: Equatable {
        case none
        case more
        case end
    }

    /// Bytes of data that one slice reads.
    static let pieceBytes = 65_536

    let asker: Asker
    let server: UInt16
    let inventory: Inventory
    let generation: Int64?
    /// The data, of which `position` bytes with `lines` lines have been read.
    var data: [UInt8]
    var position = 0
    var lines = 0
    var entries: [FileReport] = []
    var next = 0
    /// Where the removal of a whole directory stands.
    var cursor: [UInt8] = []
    /// Where the search for paths that were not mentioned stands.
    var sweep = 0

    init(
        asker: Asker, server: UInt16, inventory: Inventory, generation: Int64?, data: [UInt8]
    ) {
        self.asker = asker
        self.server = server
        self.inventory = inventory
        self.generation = generation
        self.data = data
    }

    /// Reads one more piece of whole lines.
    ///
    /// - Throws: `bad-argument line=`, the number counted over all of the data.
    mutating func readPiece(for server: FileServer) throws(RequestError) {
        var end = min(data.count, position + ReportJob.pieceBytes)
        while end < data.count, data[end - 1] != UInt8(ascii: "\n") { end += 1 }
        let piece = Array(data[position..<end])
        let read: [FileReport]
        do throws(RequestError) {
            read = try FileReport.parse(piece)
        } catch {
            throw shifted(error)
        }
        for (index, entry) in read.enumerated() {
            if let reason = refusal(of: entry, server) {
                throw refused(line: lines + ReportJob.line(ofEntry: index, in: piece), reason)
            }
        }
        entries += read
        lines += piece.count { $0 == UInt8(ascii: "\n") }
        position = end
    }

    /// Why a file server may not say this, or nil where it may.
    private func refusal(of entry: FileReport, _ server: FileServer) -> String? {
        guard let mount = server.mount(over: entry.path) else {
            return "\(server.id) has no mount over \(entry.path)"
        }
        if case .file(let path, _) = entry, path == mount {
            return "\(path) is a mount point and so a directory"
        }
        return nil
    }

    /// The line on which an entry stands, counted from 1; empty lines hold none.
    private static func line(ofEntry entry: Int, in piece: [UInt8]) -> Int {
        var left = entry
        var number = 0
        for line in piece.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            if line.isEmpty || line.elementsEqual([UInt8(ascii: "\r")]) { continue }
            if left == 0 { return number }
            left -= 1
        }
        return number
    }

    private func refused(line: Int, _ reason: String) -> RequestError {
        RequestError(
            .badArgument, "line \(line) of the data: \(reason)",
            fields: [.init("line", number: line)])
    }

    /// Counts a line's number from the start of the data and not of a piece.
    private func shifted(_ error: RequestError) -> RequestError {
        guard lines > 0, let text = error.field("line"), let line = Number.parse(text.span) else {
            return error
        }
        let prefix = "line \(line) of the data: "
        return refused(
            line: Int(line) + lines,
            String(error.advice.dropFirst(error.advice.hasPrefix(prefix) ? prefix.count : 0)))
    }
}

extension NameAuthority {
    /// Does a slice of a report; true when it is over.
    mutating func report(_ job: inout ReportJob, at now: Moment) -> Bool {
        // Its lines are about names that not everything of this server stands under yet.
        if !returning.isEmpty, returning[job.server] != nil { return false }
        guard membership.server(on: job.asker.connection) == job.server else {
            fail(job.asker, isElsewhere(membership[job.server]))
            return true
        }
        do throws(RequestError) {
            // An inventory with a hole in it must never end: what stood in the hole would go.
            if job.inventory != .none, brokenInventories.contains(job.server) {
                throw RequestError(
                    .badState, "a part of this inventory was refused; REGISTER and send it anew")
            }
            if job.inventory != .none, catalogue.mentions[job.server] == nil {
                catalogue.mentions[job.server] = InventoryMentions()
            }
            if job.position < job.data.count {
                try job.readPiece(for: membership[job.server])
                if job.position < job.data.count { return false }
                job.data = []
                job.position = 0
            }
            if try !apply(&job, at: now) { return false }
        } catch {
            if job.inventory != .none { brokenInventories.insert(job.server) }
            fail(job.asker, error)
            return finishReport(of: job.server, at: now)
        }
        if job.inventory == .end, !sweep(&job, at: now) { return false }
        acknowledge(job)
        return finishReport(of: job.server, at: now)
    }

    private mutating func finishReport(of server: UInt16, at now: Moment) -> Bool {
        guard var queue = reports[server], !queue.isEmpty else {
            reports[server] = nil
            return true
        }
        jobs.append(.report(queue.removeFirst()))
        reports[server] = queue
        return true
    }

    private mutating func acknowledge(_ job: ReportJob) {
        if job.inventory == .end {
            catalogue.mentions[job.server] = nil
            membership[job.server].awaited = nil
            if membership[job.server].generation != job.generation {
                membership[job.server].generation = job.generation
                membership.touch(job.server)
            }
            act(.log(.info, "the inventory of \(membership[job.server].id) is complete"))
        } else if job.inventory == .none, let generation = job.generation,
            membership[job.server].generation != nil
        {
            membership[job.server].generation = generation
            membership.touch(job.server)
        }
        var line = LineWriter()
        line.begin(tag: job.asker.tag)
        line.append("OK")
        line.pair("files", catalogue.holdingsOfServers[job.server]?.files ?? 0)
        line.end()
        answerAfterCommit(job.asker, line, isRepeatable: true)
    }

    private mutating func apply(_ job: inout ReportJob, at now: Moment) throws(RequestError) -> Bool
    {
        var left = Job.changes
        while job.next < job.entries.count {
            if left == 0 { return false }
            left -= 1
            let entry = job.entries[job.next]
            if replacesDirectory(entry, job.server) {
                if !depart(entry.path, job.server, &job.cursor, at: now) { return false }
                if case .gone(let path) = entry {
                    operations.tell(path, isGoneFrom: job.server)
                }
                left = max(0, left - Job.changes / 4)
            }
            try apply(entry, of: job.server, at: now)
            job.next += 1
        }
        return true
    }

    /// Whether what the server had below the path has to go first, which may take slices.
    private func replacesDirectory(_ entry: FileReport, _ server: UInt16) -> Bool {
        switch entry {
        case .gone: return true
        case .directory: return false
        case .file(let path, _):
            guard let node = catalogue.find(path) else { return false }
            return catalogue.records[Int(node)].isDirectory && catalogue.isHeld(node, by: server)
        }
    }

    /// Removes what a complete inventory did not mention; true when all nodes have been looked at.
    private mutating func sweep(_ job: inout ReportJob, at now: Moment) -> Bool {
        guard let mentions = catalogue.mentions[job.server] else { return true }
        let end = min(catalogue.records.count, job.sweep + Job.steps * 4)
        var left = Job.changes
        while job.sweep < end, left > 0 {
            let number = job.sweep
            job.sweep += 1
            let record = catalogue.records[number]
            guard number > 0, record.server == job.server || record.flags.contains(.shared),
                !record.isFree, !record.isClaim, !mentions.contains(UInt32(number)),
                !isSpared(UInt32(number), mentions), !catalogue.isDetached(UInt32(number))
            else { continue }
            left -= 1
            let path = catalogue.path(of: UInt32(number))
            switch catalogue.depart(UInt32(number), job.server) {
            // The index holds checked names only, so a path of it is one.
            case .gone: if let path = try? TreePath(path) { tell(.remove, path) }
            case .promoted: if let path = try? TreePath(path) { tell(.write, path) }
            case .nothing, .hidden: continue
            }
        }
        return job.sweep == catalogue.records.count
    }

    private func isSpared(_ node: UInt32, _ mentions: InventoryMentions) -> Bool {
        guard !mentions.moved.isEmpty else { return false }
        var current = node
        while current != Catalogue.root {
            if mentions.moved.contains(current) { return true }
            current = catalogue.records[Int(current)].parent
        }
        return false
    }
}
