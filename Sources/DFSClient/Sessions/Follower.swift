import DFSProtocol
import DFSTransport
import NIOCore

/// Runs FOLLOW for one reader, and again after every loss, from where the bytes so far end.
///
/// When the reader's queue is full the request is cancelled, and asked anew once it is empty: other
/// requests of the connection never wait for a slow reader.
final class Follower: Sendable {
    private let queue: FollowQueue
    private let task: Task<Void, Never>
    private let ownSession: OwnSession?

    /// Starts to follow; ends when it is forgotten.
    ///
    /// - Parameter own: Keeps the session, where it is not the caller's.
    init(_ session: HeldSession, from offset: Int64, own: OwnSession?) {
        ownSession = own
        let queue = FollowQueue(session.opening.path, from: offset)
        self.queue = queue
        task = Task {
            do throws(DFSError) {
                try await Follower.run(session, queue)
            } catch {
                queue.fail(error)
            }
        }
    }

    deinit {
        task.cancel()
        queue.fail(DFSError(.cancelled, "nobody reads on"))
    }

    /// The next event; waits for it.
    func next() async throws(DFSError) -> FollowEvent { try await queue.next() }

    /// Asks until the file's end or an error, which is told through the queue.
    private static func run(_ session: HeldSession, _ queue: FollowQueue) async throws(DFSError) {
        var backoff = Backoff()
        var patience: Patience?
        var loss: DFSError?
        while await queue.isWantedWhenEmpty(), !Task.isCancelled {
            let (offset, start) = (queue.offset, ContinuousClock.now)
            let seat: Seat
            do throws(DFSError) {
                seat = try await session.seat(until: patience ?? session.client.patience())
            } catch {
                // What ends with the patience says less than what began it.
                let isLate = patience?.isOver ?? false
                throw isLate && session.lastSeat != nil ? loss ?? error : error
            }
            // A file that is shorter by now is told as cut by the server.
            let ending = await follow(seat, session, queue)
            switch ending {
            case .end:
                queue.put(.end)
                return
            case .full: break
            case .failed(let error): throw error
            case .lost(let error), .away(let error):
                if case .lost = ending { session.isLost(seat) }
                // With bytes in between, or where it stood for so long, the next loss has all the
                // time again.
                let hasStood = .now - start >= session.client.options.deadline
                if queue.offset != offset || hasStood { (patience, backoff) = (nil, Backoff()) }
                let limit = patience ?? session.client.patience()
                (patience, loss) = (limit, error)
                if limit.isOver { throw error }
                try await limit.pause(backoff.pause())
            }
        }
    }

    private enum Ending: Sendable {
        /// The file was replaced or removed.
        case end
        /// The reader has enough for now, or is gone.
        case full
        /// The connection or the lease has ended.
        case lost(DFSError)
        /// The server can not do it just now.
        case away(DFSError)
        case failed(DFSError)
    }

    private static func follow(
        _ seat: Seat, _ session: HeldSession, _ queue: FollowQueue
    ) async -> Ending {
        await withTaskGroup(of: Ending?.self) { group in
            group.addTask { await ask(seat, session, queue) }
            group.addTask {
                await watch(seat, session)
                return nil
            }
            var ending: Ending?
            while ending == nil, let next = await group.next() { ending = next }
            group.cancelAll()
            return ending ?? .full
        }
    }

    private static func ask(
        _ seat: Seat, _ session: HeldSession, _ queue: FollowQueue
    ) async -> Ending {
        var request = ClientRequest(.follow, tagged: true)
        request.operand(seat.handle)
        request.operand(queue.offset)
        request.maximumPayload = seat.link.payloadBytes
        do throws(ConnectionError) {
            _ = try await seat.link.stream(request) { queue.take($0) }
            return .failed(.violation("an end of FOLLOW", path: session.opening.path))
        } catch {
            let failure = DFSError(
                error, path: session.opening.path, server: session.server, over: seat.link)
            switch error {
            case .cancelled: return .full
            case .closed, .timedOut, .unreachable, .notGreeted: return .lost(failure)
            case .violation: return .failed(failure)
            case .refused(let refusal):
                switch refusal.known {
                case .staleFile: return .end
                case .leaseExpired: return .lost(failure)
                case .busy, .draining: return .away(failure)
                case .staleHandle:
                    session.isOver(failure)
                    return .failed(failure)
                default: return .failed(failure)
                }
            }
        }
    }

    /// Asks for a sign of life now and then: a file that does not grow looks like a dead server.
    private static func watch(_ seat: Seat, _ session: HeldSession) async {
        let client = session.client
        while !Task.isCancelled {
            // A cancelled sleep ends the loop.
            try? await Task.sleep(for: client.options.deadline / 2)
            if Task.isCancelled { return }
            do throws(ConnectionError) {
                _ = try await client.send(
                    client.request(.ping), to: seat.link, until: client.patience())
            } catch {
                if case .cancelled = error { return }
                return await client.pool.discard(seat.link)
            }
        }
    }
}

/// A session that was opened to follow a file; ended when nobody can follow by it any more.
final class OwnSession: Sendable {
    private let session: HeldSession

    init(_ session: HeldSession) { self.session = session }

    deinit {
        Task { [session] in
            // It only read: where it can not be closed now, it ends with its connection.
            _ = try? await session.close(session.client.patience())
        }
    }
}
