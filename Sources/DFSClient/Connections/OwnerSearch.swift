import DFSProtocol
import DFSTransport

/// Whether something asked of a file server may be asked again after its answer was lost.
enum Repetition: Sendable {
    /// It would be done twice.
    case never
    /// Doing it twice is doing it once.
    case always
    /// It carries an `op=`, by which the same run of the same server knows the repetition.
    case asOneChange

    /// How long a change is repeated; a server knows an `op=` for 60 s.
    private static let longest = Duration.seconds(55)

    /// Whether a repetition would not be known as one any more.
    static func isTooLate(
        after first: ContinuousClock.Instant?, _ patience: Patience
    ) -> Bool {
        first.map { patience.now - $0 > longest } ?? false
    }
}

extension ConnectionError {
    /// Whether it says nothing of an earlier attempt at the same change, whose answer was lost.
    var leavesOpenWhatWasBefore: Bool {
        guard case .refused(let refusal) = self else { return true }
        return switch refusal.known {
        case .busy, .draining, .timeout, .internal, .tooMany, .serverDown: true
        default: refusal.isFatal
        }
    }

    /// Whether the server answered only that it does nothing now.
    var isBusy: Bool {
        guard case .refused(let refusal) = self else { return false }
        return refusal.known == .busy || refusal.known == .draining
    }

    /// Whether the server can not say what became of a change.
    var isDoubt: Bool {
        guard case .refused(let refusal) = self else { return false }
        return DFSError(refusal, path: nil).isDoubt
    }

    /// Whether this side ended it, after or before the request was sent.
    var isBreach: Bool {
        switch self {
        case .cancelled, .violation: true
        default: false
        }
    }
}

/// What one operation on a file has come to know of the server that has it, over its attempts.
struct OwnerSearch {
    /// A change whose answer was lost, and the run of the server that may have made it.
    struct LostAnswer {
        let run: ServerRun
        let failure: DFSError
        let location: FileLocation
    }

    enum NextStep {
        case giveUp
        case goTo(Endpoint)
        case lookAgain(pause: Duration?)
    }

    let path: TreePath
    let repetition: Repetition
    /// Whether a server that is down is waited for.
    let waits: Bool
    /// Where the next attempt goes; nil where that must be asked first.
    var place: FileLocation?
    /// Whether the place is from an earlier answer.
    var mayBeOutdated: Bool
    var losses: Losses
    var redirects: Int
    var backoff = Backoff()
    /// How long its server may still be away, or silent; nil while nobody has found it so.
    ///
    /// It ends with a connection to the server. No other answer renews it: whoever waits asks the
    /// name server again and again, and is answered each time.
    var outage: Patience?
    var lost: LostAnswer?
    var firstSent: ContinuousClock.Instant?
    /// Where the last attempt went, and how it failed.
    var lastPlace: FileLocation?
    var lastFailure: DFSError?

    /// What to do after an attempt that failed.
    ///
    /// - Parameter wasAsked: Whether it came as far as asking.
    func next(_ error: ConnectionError, wasAsked: Bool) -> NextStep {
        switch error {
        case .unreachable, .notGreeted: return .lookAgain(pause: .milliseconds(50))
        case .closed, .timedOut:
            return repetition == .never ? .giveUp : .lookAgain(pause: .milliseconds(50))
        // Somebody else may have come to the address.
        case .violation where mayBeOutdated && !wasAsked: return .lookAgain(pause: nil)
        case .cancelled, .violation: return .giveUp
        case .refused(let refusal):
            if let address = refusal.redirection { return .goTo(address) }
            switch refusal.known {
            case .busy, .draining:
                let told = refusal.line.value("retry").flatMap { Number.parse($0.span) }
                return .lookAgain(pause: .milliseconds(min(told ?? 100, 60_000)))
            // The repetition waits for the outcome of the first one.
            case .timeout where repetition == .asOneChange:
                return .lookAgain(pause: .milliseconds(50))
            case .notFound where mayBeOutdated: return .lookAgain(pause: nil)
            default: return .giveUp
            }
        }
    }
}
