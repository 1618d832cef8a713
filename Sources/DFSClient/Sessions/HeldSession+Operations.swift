import DFSProtocol
import DFSTransport
import NIOCore

extension HeldSession {
    /// One request of a session, as it is sent and, where its answer was lost, sent again.
    struct Operation: Sendable {
        /// What the verb does to the file, for what may follow a lost answer.
        enum Effect: Sendable {
            case reads
            case changes
            /// Brings the changes before it to the disk.
            case syncs
        }

        /// Adds operands, options and payload behind the handle; told whether an earlier attempt
        /// may have been done.
        typealias Arguments = @Sendable (_ request: inout ClientRequest, _ isRepeated: Bool) -> Void

        let verb: Verb
        let effect: Effect
        var arguments: Arguments = { _, _ in }
        /// Bytes that travel, there or back.
        var bytes = 0

        init(_ verb: Verb, _ effect: Effect = .reads) {
            self.verb = verb
            self.effect = effect
        }

        func request(_ handle: [UInt8], tagged: Bool, isRepeated: Bool) -> ClientRequest {
            var request = ClientRequest(verb, tagged: tagged)
            request.operand(handle)
            arguments(&request, isRepeated)
            return request
        }
    }

    /// Sends a request of the session, and again to the same session where its answer was lost.
    ///
    /// - Throws: What the server refused; why the session can not be had. `isOutcomeUnknown` where
    ///   a change may have been made.
    func perform(_ operation: Operation, _ patience: Patience) async throws(DFSError) -> Reply {
        var ticket: SessionChanges.Ticket?
        do throws(DFSError) {
            let reply = try await attempts(operation, patience, &ticket)
            noteAnswer(reply.final, to: operation, ticket)
            return reply
        } catch {
            if let ticket {
                state.withLock { state in
                    state.changes.end(
                        ticket, mayBeThere: error.isOutcomeUnknown, bytes: operation.bytes)
                }
            }
            throw error
        }
    }

    /// - Parameter ticket: Of a change, from the first time that it may have been made.
    private func attempts(
        _ operation: Operation, _ patience: Patience, _ ticket: inout SessionChanges.Ticket?
    ) async throws(DFSError) -> Reply {
        var losses = Losses(patience)
        var sentIn: Int?
        var firstSent: ContinuousClock.Instant?
        while true {
            let seat = try await seat(for: operation, sentIn, patience)
            let request = operation.request(
                seat.handle, tagged: client.options.tagsEveryRequest, isRepeated: sentIn != nil)
            if sentIn != nil, request.isOperationNamed,
                Repetition.isTooLate(after: firstSent, patience)
            {
                throw tooLateToRepeat(operation)
            }
            firstSent = firstSent ?? patience.now
            let (mark, sending) = (noteSending(operation, &ticket), ContinuousClock.now)
            do throws(ConnectionError) {
                let reply = try await client.send(request, to: seat.link, until: patience)
                if operation.effect == .syncs { noteSynced(reply.final, mark) }
                noteHeard(sending)
                return reply
            } catch {
                if case .refused = error, !error.isBusy { noteHeard(sending) }
                if case .refused(let refusal) = error {
                    sentIn = try refused(
                        refusal, operation, seat, isRepetition: sentIn != nil, &ticket)
                    continue
                }
                sentIn = seat.generation
                var failure = DFSError(error, path: opening.path, server: server, over: seat.link)
                failure.isOutcomeUnknown = true
                if operation.effect == .reads { failure.changedNothing() }
                guard case .closed = error else { throw failure }
                isLost(seat)
                // The name server says that it is down: waiting for it is the caller's decision.
                let isDown = seat.link.outage != nil && !opening.waitsForServer
                if isDown || patience.isOver || losses.isEnough(patience) {
                    throw failure
                }
            }
        }
    }

    private func seat(
        for operation: Operation, _ sentIn: Int?, _ patience: Patience
    ) async throws(DFSError) -> Seat {
        let isUnknown = sentIn != nil && operation.effect != .reads
        do throws(DFSError) {
            let seat = try await seat(until: patience)
            if isUnknown, operation.effect == .changes, sentIn != seat.generation {
                throw DFSError(
                    .staleFile, path: opening.path,
                    "the session was lost while something was written: look what the file holds")
            }
            return seat
        } catch {
            var failure = error
            failure.isOutcomeUnknown = isUnknown
            throw failure
        }
    }

    /// - Returns: What the request covers if it is a SYNC.
    private func noteSending(
        _ operation: Operation, _ ticket: inout SessionChanges.Ticket?
    ) -> SessionChanges.Mark {
        let known = ticket
        let (mark, new) = state.withLock { state in
            let mark = state.changes.mark
            guard operation.effect == .changes, known == nil else { return (mark, known) }
            return (mark, state.changes.begin())
        }
        ticket = new
        return mark
    }

    /// Notes that the server took a request of the session, which starts its lease anew.
    ///
    /// One that is busy has not looked at the session.
    private func noteHeard(_ instant: ContinuousClock.Instant) {
        state.withLock { $0.lastRequest = max($0.lastRequest, instant) }
    }

    private func noteSynced(_ line: ReplyLine, _ mark: SessionChanges.Mark) {
        // An answer without a version is the caller's to refuse.
        guard let version = try? line.number("ver") else { return }
        state.withLock { state in
            state.changes.sync(mark)
            // Answers to two SYNCs may be handled in any order.
            state.expected.version = max(state.expected.version, version)
        }
    }

    /// Notes a change that was made, and the size that its answer told.
    private func noteAnswer(
        _ line: ReplyLine, to operation: Operation, _ ticket: SessionChanges.Ticket?
    ) {
        guard let ticket else { return }
        // SETATTR tells none; of other answers that lack it the caller makes a violation.
        let size = try? line.number("size")
        state.withLock { state in
            if let size {
                // Answers to changes that overlap come in any order; what they wrote only adds.
                let isLatest = state.changes.isAlone(ticket) || operation.verb == .truncate
                state.expected.size = isLatest ? size : max(state.expected.size, size)
            }
            state.changes.end(ticket, mayBeThere: true, bytes: operation.bytes)
        }
    }

    /// Decides what an ERR means for the session.
    ///
    /// - Returns: Where the request may have been done, for another attempt; nil for nowhere.
    private func refused(
        _ refusal: ServerRefusal, _ operation: Operation, _ seat: Seat, isRepetition: Bool,
        _ ticket: inout SessionChanges.Ticket?
    ) throws(DFSError) -> Int? {
        var failure = DFSError(refusal, path: opening.path)
        failure.server = failure.server ?? server
        switch refusal.known {
        case .leaseExpired:
            if !isRepetition { takeBack(&ticket) }
            isLost(seat)
            return isRepetition ? seat.generation : nil
        case .staleHandle:
            // Killed, or resumed by somebody who has the token: it is not taken back.
            failure.isOutcomeUnknown = isRepetition && operation.effect == .changes
            failure.earlierChanges = earlierChanges(standFirmly: true)
            isOver(failure)
        case _ where operation.effect == .changes && failure.mayBeHalfDone:
            // A part of it may be in the file.
            failure.isOutcomeUnknown = true
        case .conflict:
            // The first attempt may have been what changed the version.
            failure.isOutcomeUnknown = isRepetition
        default:
            // Said without a look at the first attempt, whose answer was lost.
            failure.isOutcomeUnknown =
                failure.isOutcomeUnknown
                || isRepetition && operation.effect != .reads
                    && ConnectionError.refused(refusal).leavesOpenWhatWasBefore
        }
        throw failure
    }

    /// That a change whose answer was lost is not sent again, since it could be done twice.
    private func tooLateToRepeat(_ operation: Operation) -> DFSError {
        var failure = DFSError(
            .timeout, path: opening.path,
            "the answer to \(operation.verb.rawValue) was lost, and it is too late to ask for it; "
                + "whether it happened is not known: look what the file holds")
        failure.server = server
        failure.isOutcomeUnknown = true
        return failure
    }

    /// A change that was refused for its session's sake was not made.
    private func takeBack(_ ticket: inout SessionChanges.Ticket?) {
        guard let taken = ticket else { return }
        state.withLock { $0.changes.end(taken, mayBeThere: false, bytes: 0) }
        ticket = nil
    }

    /// What is to be said of changes that were answered and not synced; nil where there are none.
    ///
    /// - Parameter standFirmly: Whether the server has run on since they were answered.
    func earlierChanges(standFirmly: Bool) -> EarlierChanges? {
        guard state.withLock({ $0.changes.hasUnsynced }) else { return nil }
        return standFirmly ? .stand : .standUnlessPowerFailed
    }
}
