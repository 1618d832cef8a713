import DFSProtocol

extension WireConnection {
    /// One line of an answer and the payload that it announced.
    public struct Answer {
        /// The line, read by the project's own grammar.
        public let line: ReplyLine
        /// The line as it came, without its end.
        public let text: String
        /// nil where the line announced none.
        public let payload: [UInt8]?
    }

    /// Reads one line with its payload.
    ///
    /// - Throws: `TestFailure` when the peer closed, says nothing, or says what is no reply.
    public func readAnswer() throws -> Answer {
        guard let bytes = try nextLine() else { throw TestFailure("\(endpoint) closed") }
        var framer = Framer(limits: Limits(), refusesStrangers: false)
        var (end, payload): (Int, [UInt8]?) = (bytes.count, nil)
        if let mark = WireConnection.literal(bytes) {
            payload = try read(mark.count)
            end = mark.start
            guard try read(1) == [0x0A] else { throw TestFailure("no newline after a payload") }
        } else if case .broken(let error, _) = framer.next((bytes + [0x0A]).span) {
            throw TestFailure("\(endpoint) broke the framing: \(error.advice)")
        }
        var parser = LineParser()
        do {
            let line = try ReplyLine(bytes.span.extracting(0..<end), parser: &parser)
            return Answer(
                line: line, text: String(decoding: bytes, as: UTF8.self), payload: payload)
        } catch {
            throw TestFailure("\(endpoint) said what is no reply: \(FileSystem.shown(bytes))")
        }
    }

    /// Sends a request line and reads all of its answer: the items, then the final line.
    public func request(_ line: String, payload: [UInt8]? = nil) throws -> [Answer] {
        if let payload {
            try send([UInt8]("\(line) {\(payload.count)}\n".utf8) + payload + [0x0A])
        } else {
            try send(line + "\n")
        }
        var answers: [Answer] = []
        while true {
            let answer = try readAnswer()
            if answer.line.kind == .notice { continue }
            answers.append(answer)
            if answer.line.kind != .item { return answers }
        }
    }

    /// Sends a request and returns its final line.
    ///
    /// - Throws: `TestFailure` where it was not OK.
    @discardableResult
    public func expectOK(_ line: String, payload: [UInt8]? = nil) throws -> Answer {
        guard let final = try request(line, payload: payload).last, final.line.kind == .ok else {
            throw TestFailure("\(endpoint) did not answer OK to: \(line)")
        }
        return final
    }

    /// Where a literal mark stands at the end of a line, and what it announces.
    public static func literal(_ line: [UInt8]) -> (start: Int, count: Int)? {
        var framer = Framer(limits: Limits(), refusesStrangers: false)
        // The framer finds the mark; the payload is not there, so it asks for what it lacks.
        let bytes = line + [0x0A]
        guard line.last == UInt8(ascii: "}"),
            let open = line.lastIndex(of: UInt8(ascii: "{")),
            let count = Number.parse(line.span.extracting((open + 1)..<(line.count - 1)))
        else { return nil }
        switch framer.next(bytes.span) {
        case .incomplete(_, let wanted) where wanted == bytes.count + Int(count) + 1: break
        default: return nil
        }
        return (open, Int(count))
    }
}
