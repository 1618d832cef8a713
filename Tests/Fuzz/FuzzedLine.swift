/// A line is refused with an error line, or it is accepted and can be written again.
enum FuzzedLine {
    static func checkRequest(_ line: [UInt8], role: Role, literal: Int? = nil) {
        var parser = LineParser()
        do throws(RequestError) {
            try parser.parse(line.span)
            let request = try Request(parser, line: line.span, literal: literal, role: role)
            checkAgain(request, role: role)
            _ = try request.path()
            _ = try request.mode()
        } catch {
            checkError(error, tag: parser.tag)
        }
    }

    /// What was accepted is accepted again in its canonical spelling, with the same values.
    private static func checkAgain(_ request: Request, role: Role) {
        var writer = LineWriter()
        writer.begin(tag: request.tag)
        writer.append(raw: [UInt8](request.verb.rawValue.utf8))
        for operand in request.operands { writer.operand(operand) }
        var literal: Int?
        switch request.content {
        case .none: break
        case .inline(let data): writer.operand(data)
        case .literal(let count): literal = count
        }
        for (key, value) in request.options {
            writer.append(byte: UInt8(ascii: " "))
            writer.append(raw: key)
            writer.append(byte: UInt8(ascii: "="))
            writer.appendQuoted(value)
        }
        let line = writer.bytes
        var parser = LineParser()
        do throws(RequestError) {
            try parser.parse(line.span)
            let again = try Request(parser, line: line.span, literal: literal, role: role)
            promise(again.verb == request.verb && again.tag == request.tag, "verb and tag stay")
            promise(again.operands == request.operands, "operands stay")
            promise(again.content == request.content, "data stays")
            promise(
                again.options.elementsEqual(request.options) {
                    $0.key == $1.key && $0.value == $1.value
                }, "options stay")
        } catch {
            promise(false, "an accepted request is accepted in its canonical spelling")
        }
    }

    /// Whatever a refusal carries, its line is one safe line that a client can read.
    static func checkError(_ error: RequestError, tag: Tag?) {
        var writer = LineWriter()
        writer.error(error, tag: tag)
        promise(writer.bytes.last == 0x0A, "an error line ends")
        let line = Array(writer.bytes.dropLast())
        promise(line.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "an error line has no control byte")
        var parser = LineParser()
        do throws(RequestError) {
            let reply = try ReplyLine(line.span, parser: &parser)
            promise(
                reply.kind == .error(code: error.code.rawValue, isFatal: error.isFatal),
                "an error line says its code")
            promise(reply.tag == tag, "an error line carries the tag")
            promise(reply.operands == [[UInt8](error.advice.utf8)], "the text stands alone")
            promise(reply.pairs.map(\.value) == error.fields.map(\.value), "the fields stay")
        } catch {
            promise(false, "an error line can be read")
        }
    }

    /// A reply that can be read is read the same from its canonical spelling.
    static func checkReply(_ line: [UInt8]) {
        var parser = LineParser()
        // A line that is no reply promises nothing but that reading it ends in an error.
        guard let reply = try? ReplyLine(line.span, parser: &parser) else { return }
        var writer = LineWriter()
        writer.begin(tag: reply.tag)
        switch reply.kind {
        case .item: writer.append("*")
        case .notice: writer.append("!")
        case .ok: writer.append("OK")
        case .error(let code, let isFatal):
            writer.append("ERR ")
            writer.append(raw: [UInt8](code.utf8))
            if isFatal { writer.append(" fatal") }
        }
        for operand in reply.operands {
            writer.append(byte: UInt8(ascii: " "))
            writer.appendQuoted(operand.span, always: true)
        }
        for (key, value) in reply.pairs {
            writer.append(byte: UInt8(ascii: " "))
            writer.append(raw: key)
            writer.append(byte: UInt8(ascii: "="))
            writer.appendQuoted(value)
        }
        let text = writer.bytes
        do throws(RequestError) {
            let again = try ReplyLine(text.span, parser: &parser)
            promise(again.kind == reply.kind && again.tag == reply.tag, "kind and tag stay")
            promise(again.operands == reply.operands, "operands stay")
            promise(again.pairs.map(\.key) == reply.pairs.map(\.key), "keys stay")
            promise(again.pairs.map(\.value) == reply.pairs.map(\.value), "values stay")
        } catch {
            promise(false, "a reply can be read in its canonical spelling")
        }
    }
}
