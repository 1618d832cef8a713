import DFSProtocol

/// The verbs that every role has and that need to know nothing but the connection.
struct CommonVerbs {
    let role: Role
    let limits: Limits

    /// Answers HELLO: version 1 is the only one; unknown capabilities are ignored.
    func hello(_ request: Request) throws(RequestError) -> (reply: LineWriter, takesNotices: Bool) {
        guard try request.number(at: 0) == 1 else {
            throw RequestError(
                .unsupportedVersion, "this server speaks version 1",
                fields: [.init("versions", number: 1)])
        }
        guard request.option("client")?.count ?? 0 <= Limits.clientNameBytes else {
            throw RequestError(
                .badArgument, "client= has at most \(Limits.clientNameBytes) bytes",
                fields: [.init("argument", [UInt8]("client".utf8))])
        }
        let asked = (request.option("caps") ?? []).split(separator: UInt8(ascii: ","))
        let takesNotices = asked.contains { $0.elementsEqual("push".utf8) }
        var reply = LineWriter()
        reply.begin(tag: request.tag)
        reply.append("OK")
        reply.pair("version", 1)
        reply.pair("caps", takesNotices ? "push" : "")
        reply.end()
        return (reply, takesNotices)
    }

    /// Answers HELP: one item for each verb of this role, and the limits.
    func help(_ request: Request) throws(RequestError) -> LineWriter {
        var verbs = Verb.all(for: role)
        if let name = request.operands.first {
            verbs = verbs.filter { $0 == Verb(name.span) }
            guard !verbs.isEmpty else {
                throw RequestError(
                    .badArgument, "HELP without a verb lists those of this server",
                    fields: [.init("argument", name)])
            }
        }
        var reply = LineWriter()
        for verb in verbs {
            guard let row = verb.specification(for: role) else { continue }
            reply.begin(tag: request.tag)
            reply.append("* ")
            reply.append(raw: [UInt8](verb.rawValue.utf8))
            if !row.syntax.isEmpty {
                reply.append(byte: UInt8(ascii: " "))
                reply.append(raw: [UInt8](row.syntax.utf8))
            }
            reply.append(byte: UInt8(ascii: " "))
            reply.appendQuoted([UInt8](row.summary.utf8).span, always: true)
            reply.end()
        }
        reply.begin(tag: request.tag)
        reply.append("OK")
        reply.pair("count", Int64(verbs.count))
        reply.pair("max-line", Int64(limits.lineBytes))
        reply.pair("max-data", Int64(limits.payloadBytes))
        reply.pair("max-tagged", Int64(limits.taggedRequests))
        reply.pair("max-handles", Int64(limits.handlesPerConnection))
        reply.end()
        return reply
    }

    /// Answers PING: the operands come back as one argument with spaces between.
    ///
    /// - Throws: `too-large` where escapes would make the answer longer than a line may be.
    func ping(_ request: Request) throws(RequestError) -> LineWriter {
        var reply = LineWriter()
        reply.begin(tag: request.tag)
        reply.append("OK")
        if !request.operands.isEmpty {
            reply.operand(Array(request.operands.joined(separator: [UInt8(ascii: " ")])))
            guard reply.bytes.count <= limits.lineBytes else {
                throw RequestError(
                    .tooLarge, "the answer would be longer than a line",
                    fields: [.init("max", number: limits.lineBytes)])
            }
        }
        reply.end()
        return reply
    }
}
