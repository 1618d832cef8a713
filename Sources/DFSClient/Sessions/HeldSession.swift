import DFSProtocol
import DFSTransport
import Synchronization

/// What a client does to keep one session for its caller, and what it knows of it.
///
/// A session is attached to a connection, or lost and on the way back, or over for good. It comes
/// back by RESUME, as the same session; or as a new one on the same file, but only where nothing
/// hangs on the old one: no lock, and no change that is not known to be on the disk.
final class HeldSession: Sendable {
    enum Standing {
        case attached(Seat)
        /// The connection is gone; at most one task is under way to get the session back.
        case lost(Seat, Recovery?)
        case over(DFSError)
    }

    typealias Recovery = Task<Result<Seat, DFSError>, Never>

    struct State {
        var standing: Standing
        /// What the file was when the session was opened, or last synced by it.
        var expected: FileFacts
        var changes = SessionChanges()
        /// When the server last heard of the session.
        var lastRequest = ContinuousClock.now
        /// Where the next `readNext` reads, as far as is known here.
        var cursor: Int64 = 0
        /// Whether the server's cursor may be elsewhere, because an answer was lost.
        var ownsCursor = false
        var keeper: Task<Void, Never>?
    }

    let client: DFSClient
    let server: ServerID
    let opening: Opening
    let state: Mutex<State>

    init(
        _ client: DFSClient, server: ServerID, _ opening: Opening, _ seat: Seat, _ facts: FileFacts
    ) {
        self.client = client
        self.server = server
        self.opening = opening
        state = Mutex(State(standing: .attached(seat), expected: facts))
        seat.link.holdsHandle(1)
        watch(seat)
    }

    deinit {
        state.withLock { state in
            state.keeper?.cancel()
            leave(state.standing)
        }
    }

    /// The session's last known place; nil once it is over.
    var lastSeat: Seat? {
        state.withLock { state in
            switch state.standing {
            case .attached(let seat), .lost(let seat, _): seat
            case .over: nil
            }
        }
    }

    /// The place where requests go now; a lost session is brought back first.
    ///
    /// - Throws: Why it can not be had; after `stale-file`, `stale-handle` and `lease-expired` it
    ///   never will be.
    func seat(until patience: Patience) async throws(DFSError) -> Seat {
        while true {
            switch step(until: patience) {
            case .use(let seat): return seat
            case .fail(let error): throw error
            case .wait(let recovery, let isOwn):
                guard let result = await recovery.valueUnlessCancelled() else {
                    throw DFSError(.cancelled, path: opening.path, "given up by the caller")
                }
                guard case .failure(let error) = result else { continue }
                // Another caller's deadline may have ended that attempt; this one's has not.
                if isOwn || patience.isOver { throw error }
            }
        }
    }

    private enum Step {
        case use(Seat)
        case wait(Recovery, isOwn: Bool)
        case fail(DFSError)
    }

    private func step(until patience: Patience) -> Step {
        state.withLock { state in
            switch state.standing {
            case .over(let error): return .fail(error)
            case .attached(let seat) where seat.link.isOpen: return .use(seat)
            case .lost(_, let recovery?): return .wait(recovery, isOwn: false)
            case .attached(let seat), .lost(let seat, nil):
                let recovery = Recovery { await self.comeBack(from: seat, patience) }
                state.standing = .lost(seat, recovery)
                return .wait(recovery, isOwn: true)
            }
        }
    }

    /// Notes that a connection ended under the session, or that its lease has.
    func isLost(_ seat: Seat) {
        state.withLock { state in
            guard case .attached(let current) = state.standing, current.link === seat.link,
                current.generation == seat.generation
            else { return }
            state.standing = .lost(seat, nil)
        }
    }

    /// Notes that the server has the session under another connection: it is resumed first.
    func belongsElsewhere() {
        state.withLock { state in
            if case .attached(let seat) = state.standing { state.standing = .lost(seat, nil) }
        }
    }

    /// Ends the session here, for good; every later call is told the same.
    func isOver(_ error: DFSError) {
        let keeper = state.withLock { state -> Task<Void, Never>? in
            leave(state.standing)
            state.standing = .over(error)
            defer { state.keeper = nil }
            return state.keeper
        }
        keeper?.cancel()
    }

    /// Takes the session off its connection, which must not keep what is over.
    private func leave(_ standing: Standing) {
        switch standing {
        case .attached(let seat), .lost(let seat, _):
            seat.link.forget(self)
            seat.link.holdsHandle(-1)
        case .over: break
        }
    }
}
