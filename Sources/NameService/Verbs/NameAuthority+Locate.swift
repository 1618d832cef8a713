import DFSProtocol

/// LOCATE: who has a file, and is that server alive.
extension NameAuthority {
    /// Answers LOCATE of one plain path without options, the most frequent request by far.
    ///
    /// Allocates nothing beyond the reply's room. Everything else, and every error, is left to
    /// `receive`, which gives the same bytes where both answer. Mutating only so that the core is
    /// never copied.
    /// - Returns: Whether the reply was written.
    @inline(__always)
    public mutating func answerLocate(
        _ parser: borrowing LineParser, _ line: Span<UInt8>, at now: MonotonicTime,
        into reply: inout LineWriter
    ) -> Bool {
        guard parser.argumentCount == 1 else { return false }
        let argument = parser[0]
        guard !argument.isPair, !argument.isEscaped, argument.value.count <= Limits.pathBytes,
            NameAuthority.isLocate(line.extracting(parser.head))
        else { return false }
        let path = line.extracting(argument.value)
        let node = catalogue.node(at: path)
        guard node != Catalogue.none else { return false }
        let record = catalogue.records[Int(node)]
        guard record.isFile, membership.signs[Int(record.server) - 1].isReachable else {
            return false
        }
        if let tag = parser.tag { reply.begin(tag: tag) }
        reply.append("OK")
        write(path, node, into: &reply, at: now)
        return true
    }

    @inline(__always)
    private static func isLocate(_ head: Span<UInt8>) -> Bool {
        guard head.count == 6 else { return false }
        var packed: UInt64 = 0
        for index in 0..<6 { packed = packed << 8 | UInt64(head[index] & 0xDF) }
        return packed == 0x4C4F_4341_5445
    }

    /// Writes ` path= server= addr= state= size= ver= seen=` and ends the line.
    @inline(__always)
    private func write(
        _ path: Span<UInt8>, _ node: UInt32, into reply: inout LineWriter, at now: MonotonicTime
    ) {
        let record = catalogue.records[Int(node)]
        let index = Int(record.server) - 1
        reply.append(" path=")
        reply.appendQuoted(path)
        reply.append(raw: membership.signs[index].suffix)
        reply.append(number: record.size)
        reply.append(" ver=")
        reply.append(number: catalogue.version(of: node))
        reply.append(" seen=")
        reply.append(number: now.milliseconds(since: membership.signs[index].lastSeen))
        reply.end()
    }

    /// What LOCATE says of one path.
    private func place(
        _ path: TreePath, _ wanted: FileServer?, at now: Moment
    ) throws(RequestError) -> (FileServer, FileFacts) {
        guard let node = catalogue.find(path), !catalogue.records[Int(node)].isClaim else {
            throw .isMissing(path)
        }
        let record = catalogue.records[Int(node)]
        let number = wanted?.number ?? record.server
        guard let facts = number == 0 ? nil : catalogue.file(at: node, of: number) else {
            throw record.isDirectory ? .isDirectory(path) : .isMissing(path)
        }
        let server = membership[number]
        guard server.isReachable else { throw server.isDown(path, at: now, pace: pace) }
        return (server, facts)
    }

    private func write(
        _ path: TreePath, _ server: FileServer, _ facts: FileFacts, into reply: inout LineWriter,
        at now: Moment
    ) {
        reply.pair("path", path.bytes)
        reply.append(raw: server.suffix)
        reply.append(number: facts.size)
        reply.pair("ver", facts.ver)
        reply.pair("seen", now.monotonic.milliseconds(since: server.lastSeen))
        reply.end()
    }

    mutating func locate(_ request: Request, _ asker: Asker, at now: Moment) throws(RequestError) {
        let wanted = try request.server(in: membership)
        var reply = LineWriter()
        if request.operands.count == 1 {
            let path = try request.path()
            let (server, facts) = try place(path, wanted, at: now)
            reply.begin(tag: asker.tag)
            reply.append("OK")
            write(path, server, facts, into: &reply, at: now)
            return answer(asker, reply)
        }
        for index in request.operands.indices {
            reply.begin(tag: asker.tag)
            reply.append("*")
            do throws(RequestError) {
                let path = try request.path(at: index)
                let (server, facts) = try place(path, wanted, at: now)
                write(path, server, facts, into: &reply, at: now)
            } catch {
                writeItem(error, request.operands[index], into: &reply)
            }
        }
        reply.begin(tag: asker.tag)
        reply.append("OK")
        reply.pair("count", Int64(request.operands.count))
        reply.end()
        answer(asker, reply)
    }

    /// Writes ` path= error= [server= seen= retry=]`, so that one bad path voids no other.
    private func writeItem(
        _ error: RequestError, _ path: [UInt8], into reply: inout LineWriter
    ) {
        reply.pair("path", path)
        reply.pair("error", error.code.rawValue)
        for key: StaticKey in ["server", "seen", "retry"] {
            guard let value = error.field(key) else { continue }
            reply.append(byte: UInt8(ascii: " "))
            reply.append(raw: [UInt8](key.text.utf8))
            reply.append(byte: UInt8(ascii: "="))
            reply.appendQuoted(value)
        }
        reply.end()
    }
}
