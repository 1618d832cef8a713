import DFSProtocol
import NIOCore

extension ServerConnection {
    /// Sends whole `!` lines between answers, if the peer asked for them with `caps=push`.
    ///
    /// A peer that is behind by the limit of unsent bytes is cut off with the next notice, so who
    /// can do without looks at `hasRoom` first.
    public func notify(_ lines: LineWriter) {
        guard takesNotices, phase == .serving || phase == .finishing else { return }
        if !hasRoom { return close() }
        if openAnswers.isEmpty { return append(lines) }
        heldNotices.append(lines)
        heldNoticeBytes += lines.bytes.count
        if !hasRoom { shared.responder.connectionRoomChanged(self) }
    }

    /// Whether the peer keeps up with what it is sent; `connectionRoomChanged` tells of a change.
    public var hasRoom: Bool {
        channel.isWritable && heldNoticeBytes < ServerShared.heldNoticeBytes
    }

    /// Sends items of an answer that is not over.
    func send(_ items: LineWriter, of exchange: Exchange) {
        guard order.isRunning(exchange.tag, serial: exchange.id.serial) else { return }
        noteOpen(exchange)
        append(items)
    }

    /// Sends items of an answer that is not over, and tells when the system has taken them.
    func send(
        _ items: LineWriter, _ payload: ByteBuffer?, of exchange: Exchange,
        whenTaken: @escaping () -> Void
    ) {
        guard order.isRunning(exchange.tag, serial: exchange.id.serial) else { return }
        noteOpen(exchange)
        flushBatch()
        let taken = eventLoop.makePromise(of: Void.self)
        taken.futureResult.assumeIsolated().whenSuccess {
            if self.order.isRunning(exchange.tag, serial: exchange.id.serial) { whenTaken() }
        }
        var buffer = channel.allocator.buffer(capacity: items.bytes.count)
        buffer.writeBytes(items.bytes)
        if let payload {
            channel.write(buffer, promise: nil)
            channel.write(payload, promise: nil)
            buffer = ByteBuffer(bytes: ServerShared.newline.bytes)
        }
        channel.write(buffer, promise: taken)
        scheduleFlush()
    }

    /// Notes that notices wait for an answer; for one that stands they would wait for ever.
    private func noteOpen(_ exchange: Exchange) {
        if order.isStanding(exchange.tag, serial: exchange.id.serial) { return }
        openAnswers.insert(exchange.id)
    }

    /// Lets a request hold no place, and starts what waited for it.
    func stand(_ exchange: Exchange) {
        guard let tag = exchange.tag, phase != .closed else { return }
        order.stand(tag, serial: exchange.id.serial)
        if openAnswers.remove(exchange.id) != nil { sendHeldNotices() }
        if !isProcessing { resume() } else { startWaiting() }
    }

    /// Sends the end of an answer and starts what waited for it.
    func finish(
        _ exchange: Exchange, _ lines: LineWriter, payload: ByteBuffer?, failure: RequestError?
    ) {
        guard phase != .closed, order.isRunning(exchange.tag, serial: exchange.id.serial) else {
            return
        }
        order.finish(exchange.tag)
        openAnswers.remove(exchange.id)
        append(lines)
        if let payload {
            write(payload)
            append(ServerShared.newline)
        }
        count(failure)
        sendHeldNotices()
        if !isProcessing { resume() } else { startWaiting() }
    }

    /// Answers a request that never started.
    func answer(_ error: RequestError, tag: Tag?) {
        if error.isFatal { return refuse(error, tag: tag) }
        var lines = LineWriter()
        lines.error(error, tag: tag)
        append(lines)
        count(error)
    }

    /// Counts what only a stranger sends; the tenth in a row is the last.
    private func count(_ failure: RequestError?) {
        switch failure?.code {
        case .badSyntax, .badTag, .unknownVerb: malformedInARow += 1
        default: malformedInARow = 0
        }
        if failure?.isFatal == true {
            leave()
        } else if malformedInARow >= shared.limits.malformedInARow {
            refuse(
                RequestError(
                    .tooMany,
                    "\(malformedInARow) malformed requests in a row; HELP lists the verbs",
                    isFatal: true), tag: nil)
        }
    }

    func sendHeldNotices() {
        guard openAnswers.isEmpty, !heldNotices.isEmpty else { return }
        let notices = heldNotices
        heldNotices = []
        heldNoticeBytes = 0
        for lines in notices { append(lines) }
        shared.responder.connectionRoomChanged(self)
    }

    /// Says the last word and closes so that it arrives.
    func refuse(_ error: RequestError, tag: Tag?) {
        guard phase != .closed, phase != .refused else { return }
        var lines = LineWriter()
        lines.error(error, tag: tag)
        append(lines)
        leave()
    }

    /// Takes no further request, and closes once the system has every answer for the peer.
    ///
    /// A peer that is slow to take them loses none; one that takes nothing at all is closed by the
    /// sweep.
    func leave() {
        guard phase != .closed, phase != .refused else { return }
        phase = .refused
        pending = ByteBuffer()
        flushBatch()
        setReading(true)
        channel.writeAndFlush(ByteBuffer()).assumeIsolated().whenComplete { _ in self.left() }
    }

    /// Reads and drops for a while, then closes: else TCP's reset could swallow the last answer.
    ///
    /// A peer that half-closed sends nothing that could bring forth a reset.
    private func left() {
        isAllSent = true
        if isInputClosed { return close() }
        channel.close(mode: .output, promise: nil)
        let linger = TimeAmount.milliseconds(shared.limits.lingerMilliseconds)
        eventLoop.assumeIsolated().scheduleTask(in: linger) { self.close() }
    }

    /// Bytes that were sent and that the system has not taken.
    var unsentBytes: Int {
        // A channel that does not tell, as one that is closed, is taken for one that has sent all.
        (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    /// Whether the system has taken nothing for this peer in more than `patience` sweeps.
    ///
    /// A peer that may ask for more and holds a session or a registration may take its time.
    func hasStalled(for patience: UInt64) -> Bool {
        guard phase == .refused || isInputClosed || !channel.isWritable else {
            lastUnsent = 0
            return false
        }
        let unsent = unsentBytes
        if unsent == 0 || unsent != lastUnsent {
            lastUnsent = unsent
            lastProgress = shared.sweeps
            return false
        }
        if staysOpen, phase == .serving, !isInputClosed { return false }
        return shared.sweeps - lastProgress > patience
    }

    /// Closes after the last answer to a peer that half-closed.
    func closeIfFinished() {
        guard phase == .finishing, order.isEmpty else { return }
        let reason =
            isInputClosed
            ? RequestError(.cancelled, "the connection was half-closed, which ends this")
            : RequestError(.draining, "this server is stopping; follow again when it is back")
        for (tag, serial) in order.cancelStanding() { ended(tag, serial, reason) }
        leave()
    }

    /// Adds whole lines to what leaves with the next flush.
    func append(_ lines: LineWriter) {
        guard phase != .closed else { return }
        turnBytes += lines.bytes.count
        if ownsBatch, lines.bytes.count <= ServerShared.copiedBytes {
            shared.batch.append(raw: lines.bytes)
        } else {
            write(lines)
            scheduleFlush()
        }
    }

    /// Whether the loop's buffer collects the answers of this connection now.
    private var ownsBatch: Bool { shared.processing === self }

    /// Hands the loop's buffer to the channel, unless it collects for another connection.
    func flushBatch() {
        guard ownsBatch, !shared.batch.bytes.isEmpty else { return }
        var buffer = channel.allocator.buffer(capacity: shared.batch.bytes.count)
        buffer.writeBytes(shared.batch.bytes)
        shared.batch.removeAll()
        channel.write(buffer, promise: nil)
        scheduleFlush()
    }

    func write(_ lines: LineWriter) {
        var buffer = channel.allocator.buffer(capacity: lines.bytes.count)
        buffer.writeBytes(lines.bytes)
        write(buffer)
    }

    private func write(_ buffer: ByteBuffer) {
        flushBatch()
        channel.write(buffer, promise: nil)
        scheduleFlush()
    }

    /// Flushes once a turn of the loop, whatever finished in it.
    private func scheduleFlush() {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        eventLoop.assumeIsolated().execute {
            self.isFlushScheduled = false
            self.channel.flush()
        }
    }

    /// Lets the peer wait, or not, by reading from its socket or not.
    func setReading(_ reads: Bool) {
        guard reads != isReading, phase != .closed else { return }
        isReading = reads
        channel.setOption(.autoRead, value: reads).whenFailure { _ in
            // The channel has closed meanwhile, and there is nothing left to read.
        }
    }
}
