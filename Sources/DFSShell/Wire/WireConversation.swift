import CEditLine
import DFSProtocol
import Dispatch
import Glibc
import Synchronization

/// `wire` with a person at a terminal: the screen reads like a transcript.
///
/// Belongs to the main thread. A request waits for its answer; what comes by itself, such as what a
/// FOLLOW tells, is shown above the line that is being typed.
final class WireConversation {
    private let session: ShellSession
    private let link: WireLink
    private let record: WireRecord?
    private let history: HistoryRecord
    private let hasColours: Bool
    private var dialogue: WireDialogue?
    private var edited: EditedLines?
    /// What came and is not shown yet.
    private var news: [WireLine] = []
    /// A request that is not sent before its payload is whole.
    private var begun: (request: WireRequest, payload: [UInt8])?

    /// Talks until the person or the server leaves; blocks the calling thread, the main one.
    ///
    /// - Parameter words: What stands behind `wire`.
    /// - Throws: `ShellFailure`.
    static func hold(_ words: [[UInt8]], with session: ShellSession) throws -> ExitCode {
        let call = try Invocation(WireCommand.row, words: words.map(Word.init(argument:)))
        let endpoint = try WireConversation.address(call, session)
        let record = try call.value("record").map { try WireRecord($0.bytes) }
        let conversation = try WireConversation(session, endpoint, record)
        let code = conversation.run()
        try record?.end()
        guard let dialogue = conversation.dialogue, code == .ok else { return code }
        try WireCommand.check(dialogue)
        return .ok
    }

    private static func address(_ call: Invocation, _ session: ShellSession) throws -> Endpoint {
        let answer = Answer()
        Task {
            let found: Result<Endpoint, any Error>
            do {
                found = .success(try await WireCommand.address(call, session))
            } catch {
                found = .failure(error)
            }
            answer.endpoint.withLock { $0 = found }
            answer.isThere.signal()
        }
        answer.isThere.wait()
        guard let found = answer.endpoint.withLock({ $0 }) else { throw CancellationError() }
        return try found.get()
    }

    private final class Answer: Sendable {
        let endpoint = Mutex<Result<Endpoint, any Error>?>(nil)
        let isThere = DispatchSemaphore(value: 0)
    }

    private init(_ session: ShellSession, _ endpoint: Endpoint, _ record: WireRecord?) throws {
        self.session = session
        self.record = record
        hasColours = session.hasColours
        link = try WireLink(to: endpoint, within: session.client.options.connectTimeout) {
            dfs_signals_wake()
        }
        let variable = { (name: String) in getenv(name).map { String(cString: $0) } }
        let file = HistoryFile.usual(variable).map { HistoryFile(path: $0.path + "-wire") }
        history = HistoryRecord(file: file)
    }

    private func run() -> ExitCode {
        guard dfs_signals_install() == 0 else { return .failed }
        defer { dfs_signals_restore() }
        let dialogue = WireDialogue(link, record) { [unowned self] in self.news.append($0) }
        self.dialogue = dialogue
        let lines = openLines()
        defer { lines.close() }
        while true {
            if !awaitAnswers(dialogue, lines) { dialogue.stopWaiting() }
            if dialogue.isOver { return .ok }
            switch lines.next() {
            case .end:
                begun = nil
                dialogue.endSending()
                if awaitAnswers(dialogue, lines) { return .ok }
                link.end()
                return .interrupted
            case .interrupted: begun = nil
            case .terminated(let signal): end(by: signal, lines)
            case .line(let line): take(line, dialogue, lines)
            }
        }
    }

    private func end(by signal: Int32, _ lines: any LineSource) -> Never {
        lines.close()
        // The process ends by the signal, whatever can not be written any more.
        try? record?.end()
        dfs_signals_end(signal)
    }

    // MARK: What is typed

    private func take(_ typed: [UInt8], _ dialogue: WireDialogue, _ lines: any LineSource) {
        let mark = (begun == nil ? WireLine.Mark.request : .sent).rawValue
        // A line of a transcript may be pasted.
        let line = typed.starts(with: mark.utf8) ? Array(typed.dropFirst(mark.utf8.count)) : typed
        guard begun == nil else { return takePayload(line, dialogue) }
        if history.add(line) { lines.remember(line) }
        let request = WireRequest(line)
        if request.payloadBytes != nil {
            begun = (request, [])
            sendIfWhole(dialogue)
        } else {
            dialogue.send(request, nil)
        }
    }

    private func takePayload(_ text: [UInt8], _ dialogue: WireDialogue) {
        guard let (request, payload) = begun, let count = request.payloadBytes else { return }
        do throws(RequestError) {
            let more = try WireLine.unescaped(text)
            guard payload.count + more.count <= count else {
                let left = Amounts.sentence(Int64(count - payload.count))
                return complain("\(left) are left, and this is \(more.count)")
            }
            begun = (request, payload + more)
        } catch {
            return complain("the escapes are \\n \\r \\t \\\\ and \\xhh")
        }
        sendIfWhole(dialogue)
    }

    private func sendIfWhole(_ dialogue: WireDialogue) {
        guard let (request, payload) = begun, payload.count == request.payloadBytes else { return }
        begun = nil
        dialogue.send(request, payload)
    }

    private func complain(_ text: String) {
        session.output.complain(text)
        session.output.settleBlocking()
    }

    // MARK: What comes

    /// Shows what comes until nothing is awaited; false after a Ctrl-C.
    private func awaitAnswers(_ dialogue: WireDialogue, _ lines: any LineSource) -> Bool {
        while true {
            dialogue.takeEvents()
            for text in takeNews() {
                session.output.collect([UInt8](text.utf8) + [UInt8(ascii: "\n")])
            }
            session.output.settleBlocking()
            if dialogue.isAnswered { return true }
            if dfs_signals_termination() != 0 { end(by: dfs_signals_termination(), lines) }
            if dfs_signals_take_interrupts() > 0 {
                session.output.collect([UInt8(ascii: "\n")])
                session.output.settleBlocking()
                return dialogue.isOver
            }
            dfs_signals_wait(-1, -1)
        }
    }

    private func takeNews() -> [String] {
        defer { news = [] }
        return news.map { hasColours ? $0.coloured : $0.written }
    }

    // MARK: The terminal

    private func openLines() -> any LineSource {
        edited = EditedLines(
            recalling: history.lines, prompt: { [unowned self] in self.prompt() },
            isPromptStale: { [unowned self] in self.link.hasEvents },
            tab: { [unowned self] line, cursor in
                guard self.begun == nil, let role = self.dialogue?.role else { return .beep }
                return WireCompletion.action(line, cursor: cursor, role: role)
            })
        if let edited { return edited }
        return PlainLines { [unowned self] in
            self.dialogue?.takeEvents()
            return Array((self.takeNews().map { $0 + "\n" }.joined() + self.mark).utf8)
        }
    }

    private var mark: String { (begun == nil ? WireLine.Mark.request : .sent).rawValue }

    /// The prompt; what has come since the last one is written above it.
    private func prompt() -> [UInt8] {
        dialogue?.takeEvents()
        for text in takeNews() { edited?.write(text + "\n") }
        guard hasColours else { return Array(mark.utf8) }
        return Array("\u{1}\u{1B}[34m\u{1}\(mark.dropLast())\u{1}\u{1B}[0m\u{1} ".utf8)
    }
}
