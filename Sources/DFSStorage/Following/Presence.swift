import Synchronization

/// Tells somebody that the folder of an export has gone or is back.
final class Presence: Sendable {
    private let handler = Mutex<(@Sendable () -> Void)?>(nil)

    /// Sets who is told; there is one.
    func whenChanged(_ new: @escaping @Sendable () -> Void) { handler.withLock { $0 = new } }

    /// Tells.
    func tell() {
        let current = handler.withLock { $0 }
        current?()
    }
}

extension DiskStore {
    /// Whether the folder of every export is gone.
    public var isAway: Bool { table.exports.allSatisfy(\.isGone) }

    /// Calls back when a folder has gone or is back.
    public func whenAwayChanged(_ handler: @escaping @Sendable () -> Void) {
        presence.whenChanged(handler)
    }
}
