/// What a command or the whole of dfsh ended with; scripts branch on it.
///
/// - Source: README.md, "dfsh".
public enum ExitCode: Int32, CaseIterable, Sendable {
    /// Everything asked for was done.
    case ok = 0
    /// Failed for a reason that has no code of its own.
    case failed = 1
    /// The command line was not understood; nothing was done.
    case usage = 2
    /// A name is not there.
    case notFound = 3
    /// The server or the local system refuses.
    case denied = 4
    /// Trying again later can work: a server is down, busy or did not answer in time.
    case temporary = 5
    /// No server could be reached.
    case unreachable = 6
    /// What arrived is not what was sent, or a peer broke the protocol.
    case integrity = 7
    /// Something is there already, or changed meanwhile.
    case conflict = 8
    /// Ctrl-C.
    case interrupted = 130

    /// What the code means, as `help` shows it.
    public var meaning: String {
        switch self {
        case .ok: "done"
        case .failed: "failed"
        case .usage: "not understood, nothing done"
        case .notFound: "not found"
        case .denied: "denied"
        case .temporary: "temporary, try again later"
        case .unreachable: "no server reached"
        case .integrity: "what arrived is not what was sent"
        case .conflict: "exists already, or changed meanwhile"
        case .interrupted: "interrupted"
        }
    }
}
