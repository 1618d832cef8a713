import DFSProtocol
import NIOCore

extension ServerConnection {
    /// Takes requests from what has arrived until it is used up or the peer has to wait.
    ///
    /// An answer given in another connection's turn may start this one: what that connection has
    /// collected leaves first, and the loop's buffer is ours until we are done.
    func takeRequests() {
        guard !isProcessing else { return }
        let outer = shared.processing
        outer?.flushBatch()
        shared.processing = self
        isProcessing = true
        let isUsedUp = takeFrames()
        flushBatch()
        isProcessing = false
        shared.processing = outer
        if isUsedUp { notePartialInput() }
        setReading(phase == .refused || (phase == .serving && !isWaitingForTurn && mayTakeMore()))
        if isUsedUp, isInputClosed {
            stopInput()
            closeIfFinished()
        }
    }

    /// Takes whole requests; true where what is left of the input is none.
    ///
    /// A peer that sends much of what is answered at once has one turn after another, and the
    /// others have theirs between.
    private func takeFrames() -> Bool {
        var frames = 0
        turnBytes = 0
        while phase == .serving, mayTakeMore() {
            let bytes = pending
            if answerInPlace(bytes) { continue }
            if frames >= ServerShared.turnRequests || turnBytes >= ServerShared.turnBytes {
                waitForTurn()
                return false
            }
            frames += 1
            switch framer.next(bytes.readableBytesUInt8Span) {
            case .incomplete(let consumed, _):
                consume(consumed)
                return true
            case .frame(let frame):
                take(frame, bytes)
                consume(frame.consumed)
                partialSince = nil
            case .tooLarge(let line, let consumed):
                refuse(framer.tooLarge(isFatal: false), line: line, of: bytes)
                consume(consumed)
            case .broken(let error, let line):
                refuse(error, line: line, of: bytes)
                stopInput()
            }
        }
        return false
    }

    /// Goes on after the loop has looked at its sockets and timers.
    ///
    /// Tasks of `execute` would all run before that.
    private func waitForTurn() {
        guard !isWaitingForTurn else { return }
        isWaitingForTurn = true
        eventLoop.assumeIsolated().scheduleTask(in: ServerShared.pauseBetweenTurns) {
            self.isWaitingForTurn = false
            self.resume()
        }
    }

    /// Answers what the role answers at once, many requests in one go; false where it is none.
    private func answerInPlace(_ bytes: ByteBuffer) -> Bool {
        guard order.isEmpty, !order.hasStanding, framer.isBeforeLine else { return false }
        let answered = shared.responder.answerInPlace(
            bytes.readableBytesUInt8Span, lineBytes: shared.limits.lineBytes, into: &shared.batch)
        guard answered > 0 else { return false }
        framer.startOver()
        malformedInARow = 0
        consume(answered)
        partialSince = nil
        return true
    }

    /// Goes on after an answer or after the peer has read, whatever had stopped us.
    func resume() {
        startWaiting()
        if phase == .serving, pending.readableBytes > 0 || !isReading { takeRequests() }
        closeIfFinished()
    }

    /// Notes since when a request that has begun stands still.
    private func notePartialInput() {
        if !framer.isMidFrame(pending: pending.readableBytes) {
            partialSince = nil
        } else if partialSince == nil || framer.isAwaitingPayload {
            partialSince = shared.sweeps
        }
    }

    /// Drops what the framer is done with, and the memory with the last of it.
    private func consume(_ count: Int) {
        // A request that ended the input has dropped everything already.
        guard phase == .serving else { return }
        pending.moveReaderIndex(forwardBy: count)
        if pending.readableBytes == 0 {
            pending = ByteBuffer()
        } else if pending.readerIndex > 65_536, pending.readableBytes < pending.readerIndex {
            pending.discardReadBytes()
        }
    }

    /// Whether the peer is ahead of us by no more than the limits say.
    private func mayTakeMore() -> Bool {
        if shared.batch.bytes.count >= ServerShared.batchBytes { flushBatch() }
        return order.hasRoom && channel.isWritable
    }

    /// Reads no further request; what was read is still answered.
    private func stopInput() {
        if phase == .serving { phase = .finishing }
        pending = ByteBuffer()
        partialSince = nil
    }

    private func take(_ frame: Framer.Frame, _ bytes: ByteBuffer) {
        let line = bytes.readableBytesUInt8Span.extracting(frame.line)
        do throws(RequestError) {
            try shared.parser.parse(line)
        } catch {
            return add(.refusal(error), tag: shared.parser.tag)
        }
        let tag = shared.parser.tag
        do throws(RequestError) {
            let request = try Request(
                shared.parser, line: line, literal: frame.payload?.count,
                role: shared.responder.role)
            var payload: ByteBuffer?
            if let range = frame.payload {
                payload = ServerConnection.payload(range, of: bytes)
            }
            take(request, payload)
        } catch {
            add(.refusal(error), tag: tag)
            if error.isFatal { stopInput() }
        }
    }

    /// A payload without much memory around it: its request may wait or run for long.
    private static func payload(_ range: Range<Int>, of bytes: ByteBuffer) -> ByteBuffer? {
        let start = bytes.readerIndex + range.lowerBound
        guard let slice = bytes.getSlice(at: start, length: range.count),
            range.count < bytes.storageCapacity / 4
        else { return bytes.getSlice(at: start, length: range.count) }
        return ByteBuffer(bytes: slice.readableBytesView)
    }

    private func take(_ request: Request, _ payload: ByteBuffer?) {
        switch request.verb {
        case .cancel: cancel(request)
        case .quit: add(.quit, tag: request.tag)
        default:
            if let tag = request.tag, order.isInUse(tag) {
                return answer(
                    RequestError(.badTag, "a request with this tag is still in flight"), tag: tag)
            }
            add(.request(request, payload), tag: request.tag)
        }
    }

    private func refuse(_ error: RequestError, line: Range<Int>, of bytes: ByteBuffer) {
        let span = bytes.readableBytesUInt8Span.extracting(line)
        var tag: Tag?
        do throws(RequestError) {
            try shared.parser.parse(span)
            tag = shared.parser.tag
        } catch {
            // The line is refused anyway; all that is wanted of it is its tag.
            tag = shared.parser.tag
        }
        add(.refusal(error), tag: tag)
    }

    /// Starts what may start and lines up the rest.
    private func add(_ work: Work, tag: Tag?) {
        // QUIT stands in line behind untagged requests but waits for no tagged one.
        var place = tag
        if case .quit = work { place = nil }
        if order.mayStart(place, passes: needsNoRoom(work)) && mayAnswer(work)
            || isQuitBehindTaggedOnly(work)
        {
            return start(work, tag: tag)
        }
        order.wait(place, work, bytes: ServerConnection.memory(of: work))
    }

    /// What a request keeps in memory while it waits, in bytes: its parts and what is around each.
    private static func memory(of work: Work) -> Int {
        let part = 64
        guard case .request(let request, let payload) = work else { return 4 * part }
        var bytes = 4 * part + (payload?.readableBytes ?? 0) + request.content.count
        for operand in request.operands { bytes += part + operand.count }
        for option in request.options { bytes += part + option.key.count + option.value.count }
        return bytes
    }

    private func isQuitBehindTaggedOnly(_ work: Work) -> Bool {
        if case .quit = work { return !order.hasUntagged }
        return false
    }

    /// Starts requests that waited, as far as the order allows and the peer takes its answers.
    func startWaiting() {
        while phase == .serving || phase == .finishing, channel.isWritable,
            let index = order.startable(where: mayAnswer, orWhere: needsNoRoom)
        {
            let next = order.take(at: index)
            start(next.work, tag: next.tag)
        }
    }

    /// Whether what a request may answer fits beside what others may and what is not sent yet.
    ///
    /// One that would run alone always may: the next one starts when it is answered. The lines of
    /// the answers, which the peer has not taken either, are not to cost a place.
    private func mayAnswer(_ work: Work) -> Bool {
        guard order.answerBytes > 0, case .request(let request, _) = work else { return true }
        let most = mostAnswered(request)
        if most == 0 { return true }
        let room = shared.limits.unsentBytes + shared.limits.lineBytes
        return order.answerBytes + most + unsentBytes <= room
    }

    /// Whether a request answers no bytes of a file, such as RENEW: it need not wait for reads.
    private func needsNoRoom(_ work: Work) -> Bool {
        guard case .request(let request, _) = work else { return false }
        return mostAnswered(request) == 0
    }

    /// The bytes of a file that a request asks for; 0 for everything else.
    private func mostAnswered(_ request: Request) -> Int {
        let operand: Int
        switch request.verb {
        case .read: operand = request.operands.count - 1
        case .fetch where request.operands.count == 1: return shared.limits.payloadBytes
        case .fetch: operand = 2
        default: return 0
        }
        // What is no number is refused, and a refusal is short.
        let count = (try? request.number(at: operand)) ?? 0
        return Int(min(count, Int64(shared.limits.payloadBytes)))
    }

    private func start(_ work: Work, tag: Tag?) {
        switch work {
        case .refusal(let error): answer(error, tag: tag)
        case .quit: quit(tag: tag)
        case .request(let request, let payload):
            let serial = order.start(tag, answer: mostAnswered(request))
            let exchange = Exchange(
                connection: self, id: RequestID(connection: id, serial: serial), tag: tag)
            dispatch(request, payload, exchange)
        }
    }

    private func dispatch(_ request: Request, _ payload: ByteBuffer?, _ exchange: Exchange) {
        do throws(RequestError) {
            switch request.verb {
            case .hello:
                let (reply, takesNotices) = try shared.common.hello(request)
                self.takesNotices = takesNotices
                clientName = request.option("client") ?? []
                exchange.finish(reply)
            case .help: exchange.finish(try shared.common.help(request))
            case .ping: exchange.finish(try shared.common.ping(request))
            default: shared.responder.receive(request, payload: payload, exchange)
            }
        } catch {
            exchange.fail(error)
        }
    }

    /// Ends a tagged request at once: first its own answer, then that of CANCEL.
    private func cancel(_ request: Request) {
        guard let tag = Tag(text: request.operands[0]) else {
            return answer(
                RequestError(.badTag, "a tag is @ and 1 to 16 letters or digits"), tag: request.tag)
        }
        let (found, serial) = order.cancel(tag)
        guard found else {
            return answer(
                RequestError(
                    .notFound, "no request with this tag is in flight",
                    fields: [.init("tag", tag.bytes)]), tag: request.tag)
        }
        ended(tag, serial)
        var reply = LineWriter()
        reply.begin(tag: request.tag)
        reply.append("OK\n")
        malformedInARow = 0
        append(reply)
        if !isProcessing { resume() } else { startWaiting() }
    }

    /// Ends a tagged request with an error that its client or its connection is the reason of.
    func ended(
        _ tag: Tag, _ serial: UInt64?,
        _ reason: RequestError = RequestError(.cancelled, "cancelled as asked")
    ) {
        var lines = LineWriter()
        lines.error(reason, tag: tag)
        append(lines)
        guard let serial else { return }
        let exchange = Exchange(
            connection: self, id: RequestID(connection: id, serial: serial), tag: tag)
        if openAnswers.remove(exchange.id) != nil { sendHeldNotices() }
        shared.responder.cancelled(exchange)
    }

    private func quit(tag: Tag?) {
        for (tag, serial) in order.cancelAll() { ended(tag, serial) }
        var reply = LineWriter()
        reply.begin(tag: tag)
        reply.append("OK bye\n")
        append(reply)
        leave()
    }
}
