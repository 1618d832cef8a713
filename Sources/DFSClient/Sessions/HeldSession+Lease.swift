import DFSProtocol
import DFSTransport

extension HeldSession {
    /// Keeps a leased session alive while somebody holds it, also one whose connection ends.
    func watch(_ seat: Seat) {
        guard seat.renewal != nil else { return }
        seat.link.whenEnded(tell: self) { [weak self] in
            // At once, and not at the next call: the lease runs.
            guard let self, self.isAttached(to: seat) else { return }
            Task { await self.comeBackUnasked() }
        }
        state.withLock { state in
            guard state.keeper == nil else { return }
            state.keeper = Task { [weak self] in
                var pause = self?.pauseUntilRenewal
                while let length = pause, !Task.isCancelled {
                    // A cancelled sleep ends the loop in the line above.
                    if length > .zero { try? await Task.sleep(for: length) }
                    guard !Task.isCancelled else { return }
                    pause = await self?.renewWhereDue()
                }
            }
        }
    }

    private func isAttached(to seat: Seat) -> Bool {
        state.withLock { state in
            guard case .attached(let current) = state.standing else { return false }
            return current.link === seat.link
        }
    }

    private func comeBackUnasked() async {
        // Whoever uses the session next is told why it could not be had.
        _ = try? await seat(until: client.patience())
    }

    /// How long until a third of the lease has passed without a request; nil where nothing is left
    /// to be kept.
    private var pauseUntilRenewal: Duration? {
        state.withLock { state in
            let seat: Seat
            switch state.standing {
            case .attached(let current), .lost(let current, _): seat = current
            case .over: return nil
            }
            guard let renewal = seat.renewal else {
                // A new session that was granted no lease needs no keeper.
                state.keeper = nil
                return nil
            }
            // Six thirds after the last answer nothing is left to be kept: the next call decides.
            if case .lost = state.standing, .now - state.lastRequest > renewal * 6 {
                state.keeper = nil
                return nil
            }
            return max(.zero, state.lastRequest + renewal - .now)
        }
    }

    private func renewWhereDue() async -> Duration? {
        guard let pause = pauseUntilRenewal else { return nil }
        if pause > .zero { return pause }
        do throws(DFSError) {
            _ = try await perform(HeldSession.renewal, client.patience())
            return pauseUntilRenewal
        } catch {
            // Away for now or over: the next look decides, and does not press.
            guard let renewal = lastSeat?.renewal else { return nil }
            return max(.milliseconds(25), renewal / 4)
        }
    }

    private static let renewal = Operation(.renew)
}
