import Dispatch
import Glibc
import Synchronization

/// SIGTERM, SIGINT and SIGHUP as a planned stop; a second one ends the process at once.
///
/// SIGHUP comes when the terminal is closed, from the kernel and from the shell, so it hastens
/// nothing, and one signal after it does not either; under nohup it is none of ours. Made before
/// anything else, so that a signal during a long start is not lost.
final class StopSignals: Sendable {
    private enum State {
        case none
        case awaited(CheckedContinuation<String, Never>)
        case arrived(String)
    }

    private let state = Mutex(State.none)

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
                if case .arrived(let name) = state { return name }
                state = .awaited(continuation)
                return nil
            }
            if let earlier { continuation.resume(returning: earlier) }
        }
    }

    private func arrived(_ name: String) {
        let waiting: CheckedContinuation<String, Never>? = state.withLock { state in
            defer { state = .arrived(name) }
            switch state {
            case .arrived(let earlier) where [earlier, name].contains("SIGHUP"): return nil
            case .none: return nil
            case .awaited(let continuation): return continuation
            case .arrived: stopAtOnce(name)
            }
        }
        waiting?.resume(returning: name)
    }

    private func stopAtOnce(_ name: String) -> Never {
        LogLines.ofProcess.add("stopped at once by a second \(name)\n", isLast: true)
        LogLines.ofProcess.flush()
        _exit(1)
    }
}
