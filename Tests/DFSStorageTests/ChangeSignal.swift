import Foundation
import Synchronization

/// Wakes a test when something has changed, with a deadline and without guessing how long it takes.
final class ChangeSignal: Sendable {
    private let condition = NSCondition()

    func signal() {
        condition.lock()
        condition.broadcast()
        condition.unlock()
    }

    /// Looks after each signal, and every 50 ms for what is told without one.
    func wait(until isTrue: () -> Bool) -> Bool {
        let deadline = Date(timeIntervalSinceNow: 10)
        // Looked at without the lock: what is waited for may itself wait for who signals.
        while !isTrue() {
            if Date() > deadline { return false }
            condition.lock()
            _ = condition.wait(until: Date(timeIntervalSinceNow: 0.05))
            condition.unlock()
        }
        return true
    }
}

/// Says once, from any thread, that something is over.
final class Flag: Sendable {
    private let value = Atomic(false)

    var isRaised: Bool { value.load(ordering: .acquiring) }

    func raise() { value.store(true, ordering: .releasing) }
}
