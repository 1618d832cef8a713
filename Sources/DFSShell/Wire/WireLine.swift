import DFSProtocol

/// One line of a transcript: who says it, and what.
///
/// - Source: Tests/Transcripts/README.md, "On the wire".
struct WireLine: Equatable, Sendable {
    /// What stands before the text.
    enum Mark: String, Sendable {
        case request = "C: "
        case sent = "C| "
        case action = "C! "
        case reply = "S: "
        case received = "S| "
        case end = "S! "
    }

    let mark: Mark
    /// Safe to print.
    let text: String

    /// As it stands in a transcript.
    var written: String { mark.rawValue + text }

    /// As it stands on a terminal with colours: who speaks, and whether it went well.
    var coloured: String {
        let colour =
            switch mark {
            case .request, .sent, .action: "34"
            case .reply: isRefusal ? "31" : text.hasPrefix("!") ? "33" : "32"
            case .received: "36"
            case .end: "33"
            }
        return "\u{1B}[\(colour)m\(mark.rawValue)\u{1B}[0m\(text)"
    }

    private var isRefusal: Bool {
        let words = text.split(separator: " ", maxSplits: 2)
        return (words.first?.hasPrefix("@") == true ? words.dropFirst().first : words.first)
            == "ERR"
    }

    /// What was sent, as lines.
    static func sent(_ line: [UInt8], _ payload: [UInt8]?) -> [WireLine] {
        let text = TraceWriter.shown(line)
        guard text.utf8.elementsEqual(line) else {
            // What can not stand in a document is written as bytes, the end of the line with it.
            let bytes = Quoting.quoteAlways(
                line + [0x0A] + (payload.map { $0 + [0x0A] } ?? []))
            return [
                WireLine(mark: .action, text: "send " + String(decoding: bytes, as: UTF8.self))
            ]
        }
        let first = WireLine(mark: .request, text: text)
        return payload.map { [first, WireLine(mark: .sent, text: escaped($0))] } ?? [first]
    }

    /// What the server said, as lines: of a payload one for each of its own.
    static func said(_ line: [UInt8], _ payload: [UInt8]?) -> [WireLine] {
        let mark = payload.map { "{\($0.count)}" } ?? ""
        var lines = [WireLine(mark: .reply, text: TraceWriter.shown(line) + mark)]
        guard let payload else { return lines }
        let parts = payload.split(separator: 0x0A, omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            let isLast = index == parts.count - 1
            if isLast, part.isEmpty { break }
            lines.append(
                WireLine(mark: .received, text: escaped(Array(part)) + (isLast ? "" : "\\n")))
        }
        return lines
    }

    /// Bytes of a payload with the escapes of a transcript.
    static func escaped(_ bytes: [UInt8]) -> String {
        let quoted = Quoting.quoteAlways(bytes).dropFirst().dropLast()
        var result: [UInt8] = []
        var isEscaped = false
        for byte in quoted {
            if byte == UInt8(ascii: "\""), isEscaped { result.removeLast() }
            isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
            result.append(byte)
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// The bytes that a payload's text with escapes stands for.
    ///
    /// - Throws: `RequestError` where an escape is none.
    static func unescaped(_ text: [UInt8]) throws(RequestError) -> [UInt8] {
        var quoted: [UInt8] = [UInt8(ascii: "\"")]
        var isEscaped = false
        for byte in text {
            if byte == UInt8(ascii: "\""), !isEscaped { quoted.append(UInt8(ascii: "\\")) }
            isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
            quoted.append(byte)
        }
        return try Quoting.unquote(quoted + [UInt8(ascii: "\"")])
    }
}

/// A line that was typed for a server: what has to be known of it before it is sent.
struct WireRequest: Equatable, Sendable {
    /// The line without its end.
    let line: [UInt8]
    /// How many bytes of payload it announces; nil for none.
    private(set) var payloadBytes: Int?
    /// Whether the server answers it; blank lines and comments are dropped there.
    private(set) var isAnswered = true
    /// Whether it has a tag, so that others may be asked meanwhile.
    let isTagged: Bool
    /// Whether the connection ends with its answer.
    let isLast: Bool

    init(_ line: [UInt8]) {
        self.line = line
        let words = line.split(separator: UInt8(ascii: " "))
        isTagged = words.first?.first == UInt8(ascii: "@")
        let verb = isTagged ? words.dropFirst().first : words.first
        isLast = verb.map { Verb(Array($0).span) == .quit } ?? false
        var limits = Limits()
        limits.lineBytes = line.count
        limits.payloadBytes = WireRequest.mostBytes
        var framer = Framer(limits: limits, refusesStrangers: false)
        let end = line.count + 1
        switch framer.next((line + [0x0A]).span) {
        case .incomplete(_, let wanted):
            // Of what is not awaited nothing is left: it was dropped.
            if framer.isAwaitingPayload {
                payloadBytes = wanted - 1 - end
            } else {
                isAnswered = false
            }
        case .frame, .tooLarge, .broken: break
        }
    }

    /// More is not typed or piped in for one request: the server would refuse it.
    private static let mostBytes = 64 * 1_048_576
}
