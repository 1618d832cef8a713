import DFSProtocol
import NIOCore
import Synchronization

/// Names one request of a client from before it is sent until it is answered.
final class RequestTicket: Sendable {
    /// Set when the caller's task is cancelled, which may be before the loop has sent the request.
    let isCancelled = Atomic(false)
}

/// When a connection last made progress; written on its loop, read from anywhere.
final class SignsOfLife: Sendable {
    private let instant = Mutex<ContinuousClock.Instant?>(nil)

    var last: ContinuousClock.Instant? { instant.withLock { $0 } }

    func note() { instant.withLock { $0 = .now } }
}

/// Reads the answers of one connection and gives each to who asked; bound to its loop.
final class ReplyReader {
    /// Bytes of a payload that are handed to the system at once; each slice taken is progress.
    static let sliceBytes = 131_072

    /// The most that one answer may hold together, in bytes; an endless answer ends here.
    private static let answerLimitBytes = 268_435_456
    /// What an item, and each operand, key and value of it, keeps in memory beside its text.
    private static let partBytes = 64

    /// Takes the items of an answer as they come; false where no more are wanted.
    typealias Receiver = @Sendable (Reply.Item) -> Bool

    /// A request that was sent and is not answered.
    private final class Waiting {
        let ticket: RequestTicket
        /// Counts the requests of the connection in the order in which they were sent.
        let number: UInt64
        let promise: EventLoopPromise<Reply>
        let maximumPayload: Int
        let verb: Verb
        /// nil for an answer that may last.
        let patience: Patience?
        /// Whether it is our own CANCEL; a server that does not answer it is not there any more.
        let isCancel: Bool
        /// Takes the items where they are not collected.
        let receive: Receiver?
        /// Whether nobody waits any more; only the tag is still taken.
        var isAbandoned = false
        var items: [Reply.Item] = []
        var bytes = 0
        var timer: Scheduled<Void>?

        init(
            _ ticket: RequestTicket, _ number: UInt64, _ promise: EventLoopPromise<Reply>,
            _ request: ClientRequest, _ patience: Patience?, _ receive: Receiver?
        ) {
            self.ticket = ticket
            self.number = number
            verb = request.verb
            isCancel = request.verb == .cancel
            self.patience = patience
            self.promise = promise
            self.receive = receive
            maximumPayload = request.maximumPayload
        }
    }

    private let answerLimitBytes: Int
    private let channel: any Channel
    private let greeted: EventLoopPromise<ReplyLine>
    private let signs: SignsOfLife
    private let trace: (@Sendable (TraceLine) -> Void)?
    private let notices: (@Sendable (ReplyLine) -> Void)?
    private var framer: Framer
    private var parser = LineParser()
    private var pending = ByteBuffer()
    private var isGreeted = false
    private var untagged = CircularBuffer<Waiting>(initialCapacity: 4)
    private var tagged: [Tag: Waiting] = [:]
    private var lastTag: UInt64 = 0
    private var requestsSent: UInt64 = 0
    /// The first request, in the order of sending, that made progress since that was last told.
    private var progressed: UInt64?
    private var ending: ConnectionError?
    private var isFlushScheduled = false

    init(
        channel: any Channel, limits: Limits, greeted: EventLoopPromise<ReplyLine>,
        signs: SignsOfLife, trace: (@Sendable (TraceLine) -> Void)?,
        notices: (@Sendable (ReplyLine) -> Void)?,
        answerLimitBytes: Int = ReplyReader.answerLimitBytes
    ) {
        self.answerLimitBytes = answerLimitBytes
        self.signs = signs
        self.channel = channel
        self.greeted = greeted
        self.trace = trace
        self.notices = notices
        var replies = limits
        // A reply may hold a path, a list and text, each escaped; a request never does.
        replies.lineBytes = limits.lineBytes * 4
        framer = Framer(limits: replies, refusesStrangers: false)
    }
}

extension ReplyReader {
    /// Sends a request and remembers who waits for its answer.
    ///
    /// - Parameter patience: nil for an answer that may last.
    /// - Parameter receive: Takes the items; nil where they are part of the answer.
    func send(
        _ request: ClientRequest, _ ticket: RequestTicket, _ promise: EventLoopPromise<Reply>,
        until patience: Patience?, to receive: Receiver? = nil
    ) {
        if let ending { return promise.fail(ending) }
        if ticket.isCancelled.load(ordering: .relaxed) {
            return promise.fail(ConnectionError.cancelled)
        }
        requestsSent += 1
        let waiting = Waiting(ticket, requestsSent, promise, request, patience, receive)
        var tag: Tag?
        if request.isTagged {
            lastTag += 1
            let next = Tag(number: lastTag)
            tagged[next] = waiting
            tag = next
        } else {
            untagged.append(waiting)
        }
        setTimer(waiting)
        write(request, tag: tag, number: waiting.number)
    }

    /// Looks whether somebody's patience is over when it seems so: progress may have renewed it.
    private func setTimer(_ waiting: Waiting) {
        guard let patience = waiting.patience else { return }
        waiting.timer = channel.eventLoop.assumeIsolated().scheduleTask(
            in: TimeAmount(patience.remaining)
        ) {
            if patience.isOver {
                self.abandon(waiting.ticket, because: .timedOut(waiting.verb))
            } else {
                self.setTimer(waiting)
            }
        }
    }

    private func write(_ request: ClientRequest, tag: Tag?, number: UInt64) {
        let line = request.line(tag: tag)
        trace?(
            TraceLine(
                sender: .client, line: Array(line.bytes.dropLast()),
                payloadBytes: request.payload?.readableBytes))
        var head = channel.allocator.buffer(capacity: line.bytes.count)
        head.writeBytes(line.bytes)
        channel.write(head, promise: nil)
        if var payload = request.payload {
            while let slice = payload.readSlice(
                length: min(payload.readableBytes, ReplyReader.sliceBytes)),
                slice.readableBytes > 0
            {
                let taken = channel.eventLoop.makePromise(of: Void.self)
                // Where it fails, the connection's end is what is told.
                taken.futureResult.assumeIsolated().whenSuccess {
                    self.noteProgress(of: number)
                    self.tellProgress()
                }
                channel.write(slice, promise: taken)
            }
            channel.write(ByteBuffer(string: "\n"), promise: nil)
        }
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        channel.eventLoop.assumeIsolated().execute {
            self.isFlushScheduled = false
            self.channel.flush()
        }
    }

    /// Gives a request up: its answer is dropped when it comes.
    func abandon(_ ticket: RequestTicket, because error: ConnectionError) {
        if let (tag, waiting) = tagged.first(where: { $0.value.ticket === ticket }) {
            if waiting.isCancel {
                return end(with: .closed("the server did not answer CANCEL"))
            }
            if waiting.isAbandoned { return }
            waiting.isAbandoned = true
            (waiting.items, waiting.bytes) = ([], 0)
            // Its place is kept until the server's last word on it, so that the tag is not used
            // again.
            waiting.timer?.cancel()
            waiting.promise.fail(error)
            var cancel = ClientRequest(.cancel, tagged: true)
            cancel.operand(tag.bytes)
            let patience = waiting.patience?.anew(.seconds(10)) ?? Patience(.seconds(10))
            send(cancel, RequestTicket(), channel.eventLoop.makePromise(), until: patience)
        } else if let waiting = untagged.first(where: { $0.ticket === ticket }) {
            waiting.promise.fail(error)
            // The others did not give up: what they asked may be asked again elsewhere.
            end(with: .closed("the connection was closed, since a request before was given up"))
        }
    }

    // MARK: Progress

    private func noteProgress(of number: UInt64) {
        progressed = min(progressed ?? number, number)
    }

    /// Renews the patience of whoever waits for what moved, or for something sent after it.
    private func tellProgress() {
        guard let first = progressed else { return }
        progressed = nil
        signs.note()
        for waiting in untagged where waiting.number >= first { waiting.patience?.renew() }
        for waiting in tagged.values where waiting.number >= first { waiting.patience?.renew() }
    }

    /// Notes that a part of a payload came, for the request that it is the answer to.
    private func notePartOfPayload() {
        var tag: Tag?
        if pending.getInteger(at: pending.readerIndex) == UInt8(ascii: "@") {
            let head = pending.readableBytesView.prefix(18)
            guard let end = head.firstIndex(of: UInt8(ascii: " ")) else { return }
            tag = Tag(text: Array(head[..<end]))
        }
        guard let waiting = tag.map({ tagged[$0] }) ?? untagged.first, waiting.receive == nil,
            waiting.maximumPayload > 0
        else { return }
        noteProgress(of: waiting.number)
    }

    /// Closes and tells everybody who waits.
    private func end(with error: ConnectionError) {
        guard ending == nil else { return }
        ending = error
        pending = ByteBuffer()
        if !isGreeted { greeted.fail(error) }
        let all = Array(untagged) + tagged.values
        untagged.removeAll()
        tagged = [:]
        for waiting in all {
            waiting.timer?.cancel()
            waiting.promise.fail(error)
        }
        channel.close(promise: nil)
    }
}

extension ReplyReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if pending.readableBytes == 0 { pending = bytes } else { pending.writeBuffer(&bytes) }
        defer { tellProgress() }
        while ending == nil {
            let bytes = pending
            switch framer.next(bytes.readableBytesUInt8Span) {
            case .incomplete(let consumed, _):
                consume(consumed)
                if framer.isAwaitingPayload { notePartOfPayload() }
                return
            case .frame(let frame):
                take(frame, bytes)
                if ending == nil { consume(frame.consumed) }
            case .tooLarge: end(with: .violation("a payload over the limit"))
            case .broken(let error, _): end(with: .violation(error.advice))
            }
        }
    }

    private func consume(_ count: Int) {
        pending.moveReaderIndex(forwardBy: count)
        if pending.readableBytes == 0 {
            pending = ByteBuffer()
        } else if pending.readerIndex > 65_536, pending.readableBytes < pending.readerIndex {
            pending.discardReadBytes()
        }
    }

    private func take(_ frame: Framer.Frame, _ bytes: ByteBuffer) {
        let span = bytes.readableBytesUInt8Span.extracting(frame.line)
        let line: ReplyLine
        do throws(RequestError) {
            line = try ReplyLine(span, parser: &parser)
        } catch {
            return end(with: .violation("a line that is no reply: \(error.advice)"))
        }
        var payload: ByteBuffer?
        if let range = frame.payload {
            payload = bytes.getSlice(at: bytes.readerIndex + range.lowerBound, length: range.count)
        }
        if let trace {
            var text = Array(copying: span)
            if let payload { text += [UInt8]("{\(payload.readableBytes)}".utf8) }
            trace(TraceLine(sender: .server, line: text, payloadBytes: payload?.readableBytes))
        }
        take(line, payload, cost: frame.consumed)
    }

    private func take(_ line: ReplyLine, _ payload: ByteBuffer?, cost: Int) {
        if !isGreeted { return greet(line) }
        if line.kind == .notice {
            notices?(line)
            return
        }
        guard let waiting = line.tag.map({ tagged[$0] }) ?? untagged.first else {
            return takeUnasked(line)
        }
        guard (payload?.readableBytes ?? 0) <= waiting.maximumPayload else {
            return end(with: .violation("a payload that is larger than what was asked for"))
        }
        guard line.kind == .item else { return finish(waiting, line, payload) }
        if waiting.receive == nil || waiting.isAbandoned {
            // Many short lines cost more than their bytes.
            let parts = 1 + line.operands.count + 2 * line.pairs.count
            let (sum, isTooMuch) = waiting.bytes.addingReportingOverflow(
                cost + parts * ReplyReader.partBytes)
            waiting.bytes = isTooMuch ? .max : sum
        }
        guard waiting.bytes <= answerLimitBytes else {
            return end(with: .violation("an answer without end"))
        }
        // What nobody waits for any more is not kept.
        if waiting.isAbandoned { return }
        let item = Reply.Item(line: line, payload: payload)
        if let receive = waiting.receive {
            if !receive(item) { abandon(waiting.ticket, because: .cancelled) }
            return
        }
        noteProgress(of: waiting.number)
        waiting.items.append(item)
    }

    /// A server says a fatal ERR by itself; anything else that nobody asked for is a violation.
    private func takeUnasked(_ line: ReplyLine) {
        if case .error(let code, true) = line.kind {
            end(with: .refused(ServerRefusal(code: code, isFatal: true, line: line)))
        } else {
            end(with: .violation("an answer that nobody asked for"))
        }
    }

    private func finish(_ waiting: Waiting, _ line: ReplyLine, _ payload: ByteBuffer?) {
        waiting.timer?.cancel()
        if let tag = line.tag { tagged[tag] = nil } else { untagged.removeFirst() }
        noteProgress(of: waiting.number)
        if case .error(let code, let isFatal) = line.kind {
            let refusal = ServerRefusal(code: code, isFatal: isFatal, line: line)
            waiting.promise.fail(ConnectionError.refused(refusal))
            if isFatal { end(with: .refused(refusal)) }
        } else {
            waiting.promise.succeed(Reply(items: waiting.items, final: line, payload: payload))
        }
    }

    private func greet(_ line: ReplyLine) {
        if case .error(let code, let isFatal) = line.kind {
            return end(with: .refused(ServerRefusal(code: code, isFatal: isFatal, line: line)))
        }
        guard line.kind == .ok, let version = line.operands.first,
            version.elementsEqual("DFS/1".utf8)
        else { return end(with: .violation("no DFS/1 server")) }
        isGreeted = true
        greeted.succeed(line)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(with: .closed("the server closed the connection"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(with: .closed(describe(error)))
    }
}
