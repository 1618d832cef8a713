import Foundation
import Synchronization
import Testing

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

/// Something that runs on a thread of its own: tests that block do not share a pool of two.
final class Background: Sendable {
    private let ended = Flag()
    private let signal = ChangeSignal()

    init(_ body: @escaping @Sendable () throws -> Void) {
        Thread { [self] in
            do { try body() } catch { Issue.record(error) }
            ended.raise()
            signal.signal()
        }.start()
    }

    var isRunning: Bool { !ended.isRaised }

    /// Waits for its end, up to a minute.
    func wait() {
        for _ in 0..<6 where isRunning { _ = signal.wait { !isRunning } }
        #expect(!isRunning)
    }
}
