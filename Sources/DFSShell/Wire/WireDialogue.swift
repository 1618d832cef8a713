import DFSProtocol

/// What was asked on a connection and is not answered yet, and what to show of it.
///
/// Belongs to one thread.
final class WireDialogue {
    /// The server's role, from its greeting; nil before it.
    private(set) var role: Role?
    /// Whether the server has closed, or what it says can not be followed any more.
    private(set) var isOver = false
    /// Whether somebody wanted the end: QUIT, the end of the input, or a fatal mistake.
    private(set) var isEndExpected = false
    /// What the server did wrong, where it did.
    private(set) var violation: String?

    private let link: WireLink
    private let record: WireRecord?
    private let show: (WireLine) -> Void
    /// Answers that are awaited before the next request: one for each without a tag.
    private var outstanding = 1
    private var parser = LineParser()
    /// Whether QUIT or a mistake ends it, and not the end of what is sent.
    private var endsByAnswer = false

    /// - Parameter show: Writes a line that came from the server.
    init(_ link: WireLink, _ record: WireRecord?, show: @escaping (WireLine) -> Void) {
        self.link = link
        self.record = record
        self.show = show
    }

    /// Whether nothing is to be waited for before the next request.
    var isAnswered: Bool { isOver || outstanding == 0 && !isEndExpected }

    /// Sends a request, and what it announced.
    ///
    /// - Returns: The lines that a transcript has for it.
    @discardableResult
    func send(_ request: WireRequest, _ payload: [UInt8]?) -> [WireLine] {
        let lines = request.isAnswered ? WireLine.sent(request.line, payload) : []
        for line in lines { record?.add(line) }
        if request.isAnswered, !request.isTagged { outstanding += 1 }
        if request.isLast { (isEndExpected, endsByAnswer) = (true, true) }
        // That nobody takes it is told by the end, which comes then.
        _ = link.send(request.line + [0x0A] + (payload.map { $0 + [0x0A] } ?? []))
        // A server that does not close by itself sees that nothing more comes.
        if request.isLast { link.halfClose() }
        return lines
    }

    /// Says that this was all; answers are still wanted.
    func endSending() {
        isEndExpected = true
        link.halfClose()
    }

    /// Waits for no answer any more: they are shown when they come.
    func stopWaiting() { outstanding = 0 }

    /// Takes what came.
    func takeEvents() {
        for event in link.take() where !isOver { take(event) }
    }

    private func take(_ event: WireLink.Event) {
        switch event {
        case .said(let line, let payload):
            let isGreeting = role == nil
            note(line)
            for line in WireLine.said(line, payload) {
                show(line)
                // A block that begins with a request has the greeting read for it.
                if !isGreeting { record?.add(line) }
            }
        case .closed:
            isOver = true
            let line = WireLine(mark: .end, text: "closed")
            show(line)
            // Behind the end of what is sent a transcript has nothing to say.
            if endsByAnswer { record?.add(line) }
        case .broken(let text):
            isOver = true
            violation = text
        }
    }

    private func note(_ bytes: [UInt8]) {
        // What is no reply is shown all the same; a person sees what is wrong with it.
        let line = try? ReplyLine(bytes.span, parser: &parser)
        if role == nil {
            guard let line, WireDialogue.isGreeting(line) else {
                (isOver, violation) = (true, "it is no DFS/1 server")
                return link.end()
            }
            role = line.text("role").flatMap { Role(rawValue: $0) } ?? .name
            record?.begin(line.text("id") ?? "ns1")
        }
        guard let line else { return outstanding = max(0, outstanding - 1) }
        switch line.kind {
        case .item, .notice: return
        case .error(_, isFatal: true):
            (isEndExpected, endsByAnswer) = (true, true)
        case .ok, .error: break
        }
        if line.tag == nil { outstanding = max(0, outstanding - 1) }
    }

    /// A server that is full refuses in the place of its greeting.
    private static func isGreeting(_ line: ReplyLine) -> Bool {
        if case .error = line.kind { return true }
        return line.kind == .ok && line.operands.first == [UInt8]("DFS/1".utf8)
    }
}
