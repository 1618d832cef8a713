import DFSProtocol

/// LOCATE: who has a file, and is that server alive.
extension NameAuthority {
    /// Answers LOCATE of one plain path without options, the most frequent request by far.
    ///
    /// Answers as many as stand at the front of the bytes, up to a few dozen. Allocates nothing
    /// beyond the reply's room. Everything else, and every error, is left to `receive`, which gives
    /// the same bytes where both answer.
    /// - Parameter lineBytes: A longer line is not answered.
    /// - Returns: How many bytes were answered, whole lines; 0 where the first is another request.
    public mutating func answerLocates(
        _ bytes: Span<UInt8>, lineBytes: Int, at now: MonotonicTime, into reply: inout LineWriter
    ) -> Int {
        var ahead = LocateAhead()
        ahead.read(bytes, upTo: lookAhead, lineBytes: lineBytes)
        let count = ahead.count
        ahead.find(bytes, in: catalogue)
        var answered = 0
        for index in 0..<ahead.count {
            guard answer(ahead.questions[index], of: bytes, at: now, into: &reply) else {
                // What stands behind this one was looked up for nothing: be careful.
                lookAhead = 1
                return answered
            }
            answered = Int(ahead.questions[index].end)
        }
        if ahead.count < count {
            lookAhead = 1
        } else if count == lookAhead {
            lookAhead = min(lookAhead * 2, LocateAhead.most)
        }
        return answered
    }

    @inline(__always)
    private func answer(
        _ question: LocateAhead.Question, of bytes: Span<UInt8>, at now: MonotonicTime,
        into reply: inout LineWriter
    ) -> Bool {
        let name = bytes.extracting(question.part)
        var node = question.node
        if !catalogue.isChild(node, of: question.parent, name) {
            node = catalogue.child(of: question.parent, name)
            guard node != Catalogue.none else { return false }
        }
        let record = catalogue.records[Int(node)]
        guard record.isFile else { return false }
        let index = Int(record.server) - 1
        guard membership.signs[index].isReachable else { return false }
        if question.tagEnd > question.start {
            reply.append(span: bytes, Int(question.start)..<(Int(question.tagEnd) + 1))
        }
        reply.append("OK path=")
        if question.isBare {
            reply.append(span: bytes, Int(question.value)..<Int(question.valueEnd))
        } else {
            reply.appendQuoted(bytes.extracting(Int(question.value)..<Int(question.valueEnd)))
        }
        reply.append(raw: membership.signs[index].suffix)
        reply.append(number: record.size)
        reply.append(" ver=")
        reply.append(number: catalogue.version(of: node))
        reply.append(" seen=")
        reply.append(number: now.milliseconds(since: membership.signs[index].lastSeen))
        reply.end()
        return true
    }

    /// What LOCATE says of one path.
    private func place(
        _ path: TreePath, _ wanted: FileServer?, at now: Moment
    ) throws(RequestError) -> (FileServer, FileFacts) {
        guard let node = catalogue.find(path), !catalogue.records[Int(node)].isClaim else {
            throw missing(path, at: now)
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
