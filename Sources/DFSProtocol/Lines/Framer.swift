/// Finds where requests and replies begin and end in a stream of bytes.
///
/// Gives the same frames however the bytes are cut. The owner keeps the bytes, hands in all that
/// it has not yet consumed, and drops what each step says; the framer remembers how far it looked.
/// After `broken` it is not asked again.
/// - Source: Protocol.md, "Framing".
public struct Framer: Sendable {
    /// One line, with its payload where it announced one; positions count from the bytes handed in.
    public struct Frame: Equatable, Sendable {
        /// The line without its end and without its literal mark.
        public var line: Range<Int>
        /// The payload; nil where the line announced none.
        public var payload: Range<Int>?
        /// How many bytes to drop after this frame has been looked at.
        public var consumed: Int
    }

    /// What the framer found.
    public enum Step: Equatable, Sendable {
        /// Drop `consumed` bytes and come again when more have arrived.
        ///
        /// `wanted` is the fewest bytes, counted after the drop, with which a next step can differ.
        case incomplete(consumed: Int, wanted: Int)
        /// A whole line, and its payload if it has one.
        case frame(Frame)
        /// A line whose payload is over the limit; the payload is dropped by the steps that follow.
        case tooLarge(line: Range<Int>, consumed: Int)
        /// The stream can not be followed any further; `line` begins with its tag, if any.
        case broken(RequestError, line: Range<Int>)
    }

    private let lineLimitBytes: Int
    private let payloadLimitBytes: Int
    private let droppedLimitBytes: Int
    private let refusesStrangers: Bool
    /// Bytes of the current line that were already searched for its end.
    private var searched = 0
    /// The line whose payload is awaited: its text, its end, and the payload's length.
    private var awaiting: (line: Range<Int>, lineEnd: Int, count: Int)?
    /// Bytes of an oversized payload that are still to be dropped, with its newline not counted.
    private var dropping: Int?
    private var isAtStart = true

    /// Frames for one direction of one connection.
    ///
    /// - Parameter refusesStrangers: Whether a first byte of TLS is told apart, as servers do.
    public init(limits: Limits, refusesStrangers: Bool = true) {
        lineLimitBytes = min(max(limits.lineBytes, 0), Framer.mostBytes)
        payloadLimitBytes = min(max(limits.payloadBytes, 0), Framer.mostBytes)
        let (product, overflow) =
            payloadLimitBytes
            .multipliedReportingOverflow(by: max(limits.droppedPayloadFactor, 0))
        droppedLimitBytes = overflow ? .max : product
        self.refusesStrangers = refusesStrangers
    }

    /// No limit is taken to be higher, so that positions can be added without a check.
    private static let mostBytes = 1 << 48

    /// Whether bytes of an unfinished frame have been seen, so that silence now is a stall.
    ///
    /// - Parameter pending: How many bytes the owner still holds for the framer.
    public func isMidFrame(pending: Int) -> Bool {
        pending > 0 || awaiting != nil || dropping != nil
    }

    /// Whether a payload has been announced and is not whole yet.
    public var isAwaitingPayload: Bool { awaiting != nil || dropping != nil }

    /// Whether the bytes that are handed in next begin with a line and not with a payload.
    public var isBeforeLine: Bool { awaiting == nil && dropping == nil }

    /// Forgets how far it looked: whole lines were taken from the front without it.
    public mutating func startOver() {
        searched = 0
        isAtStart = false
    }

    /// Looks for the next frame in all bytes that have not been consumed.
    public mutating func next(_ bytes: Span<UInt8>) -> Step {
        if isAtStart, !bytes.isEmpty {
            isAtStart = false
            if refusesStrangers, bytes[0] == 0x16 {
                return .broken(
                    RequestError(
                        .tlsOnPlain, "this port speaks DFS/1 in plain text, not TLS", isFatal: true),
                    line: 0..<0)
            }
        }
        if dropping != nil { return drop(bytes) }
        if let awaiting { return payload(bytes, awaiting) }
        return line(bytes, from: 0)
    }

    private mutating func line(_ bytes: Span<UInt8>, from first: Int) -> Step {
        var start = first
        while true {
            guard let newline = ByteScan.newline(bytes, from: start + searched) else {
                searched = bytes.count - start
                if searched > lineLimitBytes + 1
                    || (searched == lineLimitBytes + 1 && bytes[bytes.count - 1] != 0x0D)
                {
                    return tooLong(start)
                }
                return .incomplete(consumed: start, wanted: searched + 1)
            }
            searched = 0
            var end = newline
            if end > start, bytes[end - 1] == 0x0D { end -= 1 }
            if end - start > lineLimitBytes { return tooLong(start) }
            if Framer.isDropped(bytes, start..<end) {
                start = newline + 1
                continue
            }
            return judge(bytes, start..<end, next: newline + 1)
        }
    }

    private func tooLong(_ start: Int) -> Step {
        .broken(
            RequestError(
                .lineTooLong, "a line has at most \(lineLimitBytes) bytes; send data as {n}",
                fields: [.init("max", number: lineLimitBytes)], isFatal: true),
            line: start..<(start + min(lineLimitBytes, Framer.longestTag)))
    }

    /// `@`, 16 characters and a space: as much of a line as tells its tag.
    private static let longestTag = 18

    /// Looks at the end of a complete line for a literal mark.
    private mutating func judge(_ bytes: Span<UInt8>, _ line: Range<Int>, next: Int) -> Step {
        let token = Framer.lastToken(bytes, line)
        guard bytes[token.lowerBound] == UInt8(ascii: "{"),
            !Framer.isQuoteOpen(bytes, line.lowerBound..<token.lowerBound)
        else {
            if refusesStrangers, Framer.isHTTP(bytes, line, token) {
                return .broken(Framer.notHTTP, line: line.lowerBound..<line.lowerBound)
            }
            return .frame(Frame(line: line, payload: nil, consumed: next))
        }
        let mark = token.lowerBound
        guard let count = Framer.markLength(bytes, token) else {
            return .broken(
                RequestError(
                    .badFraming, "a line ends in {n} only where n payload bytes follow",
                    isFatal: true), line: line.lowerBound..<mark)
        }
        let text = line.lowerBound..<mark
        if count > payloadLimitBytes {
            guard count <= droppedLimitBytes else {
                return .broken(tooLarge(isFatal: true), line: text)
            }
            dropping = count
            return .tooLarge(line: text, consumed: next)
        }
        awaiting = (text, next, count)
        return payload(bytes, (text, next, count))
    }

    /// What is answered to a payload over the limit.
    public func tooLarge(isFatal: Bool) -> RequestError {
        RequestError(
            .tooLarge, "a payload has at most \(payloadLimitBytes) bytes",
            fields: [.init("max", number: payloadLimitBytes)], isFatal: isFatal)
    }

    private mutating func payload(
        _ bytes: Span<UInt8>, _ awaited: (line: Range<Int>, lineEnd: Int, count: Int)
    ) -> Step {
        let end = awaited.lineEnd + awaited.count
        guard let ending = Framer.payloadEnding(bytes, at: end) else {
            return Framer.isBadEnding(bytes, at: end)
                ? .broken(Framer.badEnding, line: awaited.line)
                : .incomplete(consumed: 0, wanted: max(end, bytes.count) + 1)
        }
        awaiting = nil
        return .frame(
            Frame(line: awaited.line, payload: awaited.lineEnd..<end, consumed: end + ending))
    }

    private mutating func drop(_ bytes: Span<UInt8>) -> Step {
        guard let rest = dropping else { return .incomplete(consumed: 0, wanted: 1) }
        if bytes.count < rest {
            dropping = rest - bytes.count
            return .incomplete(consumed: bytes.count, wanted: 1)
        }
        if let ending = Framer.payloadEnding(bytes, at: rest) {
            dropping = nil
            return line(bytes, from: rest + ending)
        }
        dropping = 0
        if Framer.isBadEnding(bytes, at: rest) { return .broken(Framer.badEnding, line: 0..<0) }
        return .incomplete(consumed: rest, wanted: bytes.count - rest + 1)
    }

    private static let badEnding = RequestError(
        .badFraming, "a newline follows the payload, and it does not count as data", isFatal: true)

    /// Length of the line end after a payload, 1 or 2; nil where it is not there (yet).
    private static func payloadEnding(_ bytes: Span<UInt8>, at index: Int) -> Int? {
        guard index < bytes.count else { return nil }
        if bytes[index] == 0x0A { return 1 }
        guard bytes[index] == 0x0D, index + 1 < bytes.count else { return nil }
        return bytes[index + 1] == 0x0A ? 2 : nil
    }

    private static func isBadEnding(_ bytes: Span<UInt8>, at index: Int) -> Bool {
        guard index < bytes.count else { return false }
        if bytes[index] == 0x0D { return index + 1 < bytes.count }
        return true
    }

    /// Whether a line is blank or a comment.
    private static func isDropped(_ bytes: Span<UInt8>, _ line: Range<Int>) -> Bool {
        if line.isEmpty || bytes[line.lowerBound] == UInt8(ascii: "#") { return true }
        guard bytes[line.lowerBound] == UInt8(ascii: " ") else { return false }
        for index in line where bytes[index] != UInt8(ascii: " ") { return false }
        return true
    }

    /// The last token of a line that has one; spaces behind it do not count.
    private static func lastToken(_ bytes: Span<UInt8>, _ line: Range<Int>) -> Range<Int> {
        var end = line.upperBound
        while end > line.lowerBound + 1, bytes[end - 1] == UInt8(ascii: " ") { end -= 1 }
        var start = end - 1
        while start > line.lowerBound, bytes[start - 1] != UInt8(ascii: " ") { start -= 1 }
        return start..<end
    }

    /// Whether a quotation mark before the last token is still open, so that the token is text.
    private static func isQuoteOpen(_ bytes: Span<UInt8>, _ text: Range<Int>) -> Bool {
        var isInside = false
        var index = text.lowerBound
        while index < text.upperBound {
            if isInside, bytes[index] == UInt8(ascii: "\\") {
                index += 1
            } else if bytes[index] == UInt8(ascii: "\"") {
                isInside.toggle()
            }
            index += 1
        }
        return isInside
    }

    /// Whether a line is `METHOD target HTTP/...`, after which nothing can be trusted.
    ///
    /// Looked for here and not after parsing: a target need not look like an argument.
    private static func isHTTP(
        _ bytes: Span<UInt8>, _ line: Range<Int>, _ token: Range<Int>
    ) -> Bool {
        // What starts with a tag or a space was typed for us: no method starts like that.
        guard token.count >= nameOfHTTP.count, bytes[line.lowerBound].isASCIILetter else {
            return false
        }
        for offset in nameOfHTTP.indices
        where bytes[token.lowerBound + offset] != nameOfHTTP[offset] { return false }
        var end = line.lowerBound
        while end < token.lowerBound, bytes[end] != UInt8(ascii: " ") { end += 1 }
        guard Verb(bytes.extracting(line.lowerBound..<end)) == nil else { return false }
        for index in end..<token.lowerBound where bytes[index] != UInt8(ascii: " ") { return true }
        return false
    }

    private static let nameOfHTTP = [UInt8]("HTTP/".utf8)
    private static let notHTTP = RequestError(
        .notHTTP, "this port speaks DFS/1, not HTTP", isFatal: true)

    /// The number in a mark; nil where it is not `{` number `}`.
    private static func markLength(_ bytes: Span<UInt8>, _ mark: Range<Int>) -> Int? {
        guard mark.count >= 3, bytes[mark.upperBound - 1] == UInt8(ascii: "}") else { return nil }
        return Number.parse(bytes.extracting((mark.lowerBound + 1)..<(mark.upperBound - 1)))
            .flatMap { Int(exactly: $0) }
    }
}
