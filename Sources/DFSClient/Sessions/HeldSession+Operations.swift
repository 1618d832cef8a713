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
    func perform(_ operation: Operation, _ deadline: Deadline) async throws(DFSError) -> Reply {
        let inFlight = Int64(operation.bytes) * Int64(client.options.piecesInFlight)
        var sentIn: Int?
        while true {
            let seat = try await seat(for: operation, sentIn, deadline)
            let request = operation.request(
                seat.handle, tagged: client.options.tagsEveryRequest, isRepeated: sentIn != nil)
            let before = noteSending(operation, isRepeated: sentIn != nil)
            do throws(ConnectionError) {
                let timeout = deadline.remaining(forBytes: inFlight)
                let reply = try await client.send(request, to: seat.link, timeout: timeout)
                if operation.effect == .syncs { noteSynced(reply.final, upTo: before) }
                return reply
            } catch {
                if case .refused(let refusal) = error {
                    sentIn = try refused(refusal, operation, seat, isRepetition: sentIn != nil)
                    continue
                }
                sentIn = seat.generation
                var failure = DFSError(error, path: opening.path, server: server, over: seat.link)
                if operation.effect == .reads { failure.isOutcomeUnknown = false }
                guard case .closed = error else { throw failure }
                isLost(seat)
                // The name server says that it is down: waiting for it is the caller's decision.
                if seat.link.outage != nil || deadline.isOver { throw failure }
            }
        }
    }

    private func seat(
        for operation: Operation, _ sentIn: Int?, _ deadline: Deadline
    ) async throws(DFSError) -> Seat {
        let isUnknown = sentIn != nil && operation.effect != .reads
        do throws(DFSError) {
            let seat = try await seat(until: deadline)
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

    /// - Returns: The changes that were sent before this request.
    private func noteSending(_ operation: Operation, isRepeated: Bool) -> Int {
        state.withLock { state in
            defer { if operation.effect == .changes, !isRepeated { state.changes += 1 } }
            state.lastRequest = .now
            return state.changes
        }
    }

    private func noteSynced(_ line: ReplyLine, upTo changes: Int) {
        // An answer without a version is the caller's to refuse.
        guard let version = try? line.number("ver") else { return }
        state.withLock { state in
            state.syncedChanges = max(state.syncedChanges, changes)
            state.expected.version = version
        }
    }

    /// Notes the size that an answer to a change told.
    func noteSize(_ size: Int64) { state.withLock { $0.expected.size = size } }

    /// Decides what an ERR means for the session.
    ///
    /// - Returns: Where the request may have been done, for another attempt; nil for nowhere.
    private func refused(
        _ refusal: ServerRefusal, _ operation: Operation, _ seat: Seat, isRepetition: Bool
    ) throws(DFSError) -> Int? {
        var failure = DFSError(refusal, path: opening.path)
        failure.server = failure.server ?? server
        switch refusal.known {
        case .leaseExpired:
            takeBack(operation, isRepetition)
            isLost(seat)
            return isRepetition ? seat.generation : nil
        case .staleHandle:
            // Killed, or resumed by somebody who has the token: it is not taken back.
            takeBack(operation, isRepetition)
            isOver(failure)
            failure.isOutcomeUnknown = isRepetition && operation.effect == .changes
        case .conflict:
            // The first attempt may have been what changed the version.
            failure.isOutcomeUnknown = isRepetition
        default: break
        }
        throw failure
    }

    /// A change that was refused for its session's sake was not made.
    private func takeBack(_ operation: Operation, _ isRepetition: Bool) {
        guard operation.effect == .changes, !isRepetition else { return }
        state.withLock { $0.changes -= 1 }
    }
}
