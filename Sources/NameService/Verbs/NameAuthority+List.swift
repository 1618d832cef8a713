import DFSProtocol

/// LIST and STAT: what is known of a directory's entries and of one path.
extension NameAuthority {
    /// How many items LIST and FIND may give.
    static func limit(_ request: Request) throws(RequestError) -> Int {
        guard let asked = try request.number("limit") else { return Limits.listItems }
        guard asked >= 1, asked <= Int64(Limits.listItems) else {
            throw RequestError(
                .badArgument, "limit is 1 to \(Limits.listItems)",
                fields: [.init("argument", [UInt8]("limit".utf8))])
        }
        return Int(asked)
    }

    /// The directory that an operand names.
    func directory(at path: TreePath, now: Moment) throws(RequestError) -> UInt32 {
        guard let node = catalogue.find(path), !catalogue.records[Int(node)].isClaim else {
            throw missing(path, at: now)
        }
        guard catalogue.records[Int(node)].isDirectory else { throw .isNoDirectory(path) }
        return node
    }

    mutating func list(
        _ request: Request, _ asker: Asker, at now: Moment
    ) throws(RequestError) {
        let limit = try NameAuthority.limit(request)
        let directory = try directory(at: try request.path(), now: now)
        let order = Int(catalogue.records[Int(directory)].children)
        var position = CatalogueChildren.Position(chunk: 0, index: 0)
        if let after = request.option("after") {
            position = catalogue.position(of: after.span, in: order)
            if let node = catalogue.orders[order].node(at: position),
                catalogue.compare(node, after.span) == 0
            {
                catalogue.orders[order].advance(&position)
            }
        }
        var reply = LineWriter()
        var count = 0
        var last: UInt32?
        var hasMore = false
        while let node = catalogue.orders[order].node(at: position) {
            catalogue.orders[order].advance(&position)
            if catalogue.records[Int(node)].isClaim { continue }
            if count == limit || reply.bytes.count >= Limits.listBytes {
                hasMore = true
                break
            }
            let range = catalogue.nameRange(of: node)
            writeItem(
                node, named: "name", catalogue.names.bytes.span.extracting(range), asker.tag,
                into: &reply)
            count += 1
            last = node
        }
        finishPage(&reply, asker, count, after: hasMore ? last.map { catalogue.name(of: $0) } : nil)
    }

    /// Ends a page of LIST or FIND and answers it.
    mutating func finishPage(
        _ reply: inout LineWriter, _ asker: Asker, _ count: Int, after: [UInt8]?
    ) {
        reply.begin(tag: asker.tag)
        reply.append("OK")
        reply.pair("count", Int64(count))
        if let after {
            reply.append(" more=yes")
            reply.pair("after", after)
        }
        reply.end()
        answer(asker, reply)
    }

    /// Writes an item of LIST (`name=`) or FIND (`path=`).
    func writeItem(
        _ node: UInt32, named key: StaticString, _ name: Span<UInt8>, _ tag: Tag?,
        into reply: inout LineWriter
    ) {
        reply.begin(tag: tag)
        let record = catalogue.records[Int(node)]
        if record.isDirectory {
            reply.append("* dir")
            reply.pair(key, name)
        } else {
            reply.append("* file")
            reply.pair(key, name)
            let facts = catalogue.facts(of: node)
            reply.pair("size", facts.size)
            reply.pair("mtime", facts.mtime.text)
            let server = membership[record.server]
            reply.pair("server", server.id.bytes)
            reply.pair("state", server.state.rawValue)
        }
        writeRivals(node, into: &reply)
        reply.end()
    }

    /// Writes `conflict=` with the other servers that have a file of this name, if any.
    private func writeRivals(_ node: UInt32, of shown: UInt16 = 0, into reply: inout LineWriter) {
        let rivals = catalogue.rivals(at: node, of: shown)
        if rivals.isEmpty { return }
        reply.pair("conflict", list: rivals.map { membership[$0].id }.sorted().map(\.bytes))
    }

    mutating func stat(
        _ request: Request, _ asker: Asker, at now: Moment
    ) throws(RequestError) {
        let wanted = try request.server(in: membership)
        let path = try request.path()
        guard let node = catalogue.find(path), !catalogue.records[Int(node)].isClaim else {
            throw missing(path, at: now)
        }
        let record = catalogue.records[Int(node)]
        var reply = LineWriter()
        reply.begin(tag: asker.tag)
        let number = wanted?.number ?? (record.isFile ? record.server : 0)
        if number != 0, let facts = catalogue.file(at: node, of: number) {
            writeFile(facts, membership[number], into: &reply)
        } else if record.isDirectory, wanted.map({ catalogue.isHeld(node, by: $0.number) }) ?? true
        {
            writeDirectory(node, into: &reply)
        } else {
            throw .isMissing(path)
        }
        writeRivals(node, of: number, into: &reply)
        reply.end()
        answer(asker, reply)
    }

    private func writeFile(
        _ facts: FileFacts, _ server: FileServer, into reply: inout LineWriter
    ) {
        reply.append("OK type=file")
        reply.pair("size", facts.size)
        reply.pair("mtime", facts.mtime.text)
        if let mode = facts.mode { reply.pair("mode", mode.text) }
        reply.pair("ver", facts.ver)
        if facts.fid > 0 { reply.pair("fid", facts.fid) }
        reply.pair("server", server.id.bytes)
        reply.pair("state", server.state.rawValue)
    }

    private func writeDirectory(_ node: UInt32, into reply: inout LineWriter) {
        let facts = catalogue.facts(of: node)
        reply.append("OK type=dir")
        reply.pair("mtime", facts.mtime.text)
        reply.pair("mode", (facts.mode ?? FileMode(bits: 0o755)).text)
        let holders = catalogue.holders(of: node).map { membership[$0].id }.sorted()
        reply.pair("servers", list: holders.map(\.bytes))
    }
}
