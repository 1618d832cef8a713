import Dispatch
import Glibc
import Synchronization

/// SIGTERM, SIGINT and SIGHUP as a planned stop; a second one ends the process at once.
///
/// SIGHUP comes when the terminal is closed, from the kernel and from the shell, so it counts for
/// nothing beside others; under nohup it is none of ours. Made before anything else, so that a
/// signal during a long start is not lost.
final class StopSignals: Sendable {
    /// What has arrived so far.
    struct Arrivals {
        /// The signal that asked for the stop; nil before.
        private(set) var first: String?
        /// Whether one was among them that was sent on purpose.
        private var isOrdered = false

        /// Notes a signal.
        ///
        /// - Returns: Whether it ends the process at once.
        mutating func add(_ name: String) -> Bool {
            first = first ?? name
            if name == "SIGHUP" { return false }
            defer { isOrdered = true }
            return isOrdered
        }
    }

    private struct State {
        var arrivals = Arrivals()
        var waiter: CheckedContinuation<String, Never>?
    }

    private let state = Mutex(State())

    init() {
        for (number, name) in [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT"), (SIGHUP, "SIGHUP")] {
            let before = signal(number, SIG_IGN)
            if number == SIGHUP, StopSignals.isIgnored(before) { continue }
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            // The handler holds its source, which lives as long as the process.
            source.setEventHandler { [source] in
                _ = source
                self.arrived(name)
            }
            source.resume()
        }
    }

    private static func isIgnored(_ handler: __sighandler_t?) -> Bool {
        unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// Waits for the first signal and names it; called once.
    func first() async -> String {
        await withCheckedContinuation { continuation in
            let earlier: String? = state.withLock { state in
                if state.arrivals.first == nil { state.waiter = continuation }
                return state.arrivals.first
            }
            if let earlier { continuation.resume(returning: earlier) }
        }
    }

    private func arrived(_ name: String) {
        let waiting: CheckedContinuation<String, Never>? = state.withLock { state in
            if state.arrivals.add(name) { stopAtOnce(name) }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiting?.resume(returning: name)
    }

    private func stopAtOnce(_ name: String) -> Never {
        LogLines.ofProcess.add("stopped at once by a second \(name)\n", isLast: true)
        LogLines.ofProcess.flush()
        _exit(1)
    }
}
