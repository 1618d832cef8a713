import DFSClient
import Synchronization

/// What a shell remembers between its commands; any thread may change it.
final class SessionState: Sendable {
    struct Values: Sendable {
        /// Opened by hand, by the names that this shell gave them.
        var sessions: [String: RemoteFile] = [:]
        var sessionsOpened = 0
        var wantsToQuit = false
        var history: @Sendable () -> [[UInt8]] = { [] }
        var settings = Settings()
        var aliases = Aliases()
        /// Scripts that run now, one inside the other.
        var openScripts = 0
        /// Whether it was told that leaving ends jobs.
        var hasWarned = false
    }

    private let values = Mutex(Values())

    /// Reads or changes it in one step.
    func withLock<Result: Sendable, Failure: Error>(
        _ body: (inout Values) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try values.withLock { (values: inout sending Values) throws(Failure) -> Result in
            try body(&values)
        }
    }
}
