import DFSProtocol
import Testing

/// The bytes of a text.
func bytes(_ text: String) -> [UInt8] { [UInt8](text.utf8) }

/// The text of bytes that are known to be text.
func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// Looks a verb up, as the request does.
func verb(_ word: [UInt8]) -> Verb? { Verb(word.span) }

/// Checks a line against the table of verbs, as the transport does.
func request(
    _ line: String, literal: Int? = nil, role: Role = .name
) throws(RequestError) -> Request {
    let line = bytes(line)
    var parser = LineParser()
    try parser.parse(line.span)
    return try Request(parser, line: line.span, literal: literal, role: role)
}

/// Reads a reply line, as a client does.
func reply(_ line: String) throws(RequestError) -> ReplyLine {
    let line = bytes(line)
    var parser = LineParser()
    return try ReplyLine(line.span, parser: &parser)
}

/// The error that a piece of code throws, or nil where it throws none.
func refusal(_ body: () throws(RequestError) -> Void) -> RequestError? {
    do throws(RequestError) {
        try body()
        return nil
    } catch {
        return error
    }
}
