import DFSClient
import DFSProtocol

extension ShellFailure {
    /// Says any failure in a sentence for a person, with what to do where that is known.
    public init(_ error: any Error) {
        switch error {
        case let error as ShellFailure: self = error
        case let error as LocalFailure: self = error.told
        case let error as JobFailure: self = .told(error.code)
        case let error as DFSError:
            self.init(error.exitCode, ErrorSentence.text(error), error)
        case let error as RequestError:
            self.init(.usage, ErrorSentence.safe(error.advice))
        case is CancellationError: self.init(.interrupted, "interrupted")
        default: self.init(.failed, ErrorSentence.safe("\(error)"))
        }
    }
}

extension Error {
    /// Whether it is that no name server answers: nothing more of many things can be done then.
    ///
    /// One that was silent for a whole deadline is none either: each further file would wait anew.
    var meansNoNameServer: Bool {
        guard let error = self as? DFSError else { return false }
        return error.code == "no-name-server"
            || error.code == "unreachable" && error.server == nil
            || error.isUnanswered && error.server == nil
    }
}

extension DFSError {
    /// The code that scripts see.
    var exitCode: ExitCode {
        // The part of a file to come is nobody's but ours: it was lost with its session.
        known == .staleFile && isTargetUntouched ? .temporary : ExitCode(category)
    }
}

extension ExitCode {
    /// The code that scripts see for a failure of the service.
    public init(_ category: DFSError.Category) {
        self =
            switch category {
            case .failed: .failed
            case .notFound: .notFound
            case .denied: .denied
            case .temporary: .temporary
            case .unreachable: .unreachable
            case .integrity: .integrity
            case .conflict: .conflict
            case .interrupted: .interrupted
            }
    }
}

/// The sentences of dfsh's complaints.
enum ErrorSentence {
    /// Why a file server said goodbye.
    enum Goodbye {
        case stopped
        /// Its folders are not there.
        case away
    }

    /// The sentence after `dfsh: `.
    ///
    /// - Parameter goodbye: Why the server that is down said goodbye; nil where it did not.
    static func text(_ error: DFSError, goodbye: Goodbye? = nil) -> String {
        let subject = error.path.map { "\($0): " } ?? ""
        return subject + (goodbye.map { left(error, $0) } ?? predicate(error))
            + doubt(error) + leftover(error) + replaced(error)
    }

    /// That something may have been done, where the rest does not say so.
    private static func doubt(_ error: DFSError) -> String {
        let isSaid =
            switch error.known {
            case .timeout, .serverDown, .staleFile, .corrupt: true
            default: error.code == "connection-lost"
            }
        guard error.isOutcomeUnknown, !error.isTargetUntouched, !error.isTargetReplaced, !isSaid
        else { return "" }
        return "; it may have been done all the same, so look before repeating it"
    }

    /// That a file was stored although this came after; where the rest does not say so.
    private static func replaced(_ error: DFSError) -> String {
        let isSaid = error.known == .corrupt || error.known == .staleFile
        return error.isTargetReplaced && !isSaid
            ? "; what was sent is stored, but could not be verified" : ""
    }

    private static func predicate(_ error: DFSError) -> String {
        switch error.known {
        case .notFound: "not found"
        case .exists: "exists already"
        case .isDirectory: "is a directory"
        case .notDirectory: "is not a directory"
        case .notEmpty: "the directory is not empty; rm -r removes it with everything in it"
        case .serverDown: serverDown(error)
        case .noReplica:
            "no file server exports a folder there; \"servers\" shows which mounts there are"
        case .timeout: late(error)
        case .crossServer: "the two names are on different file servers"
        case .staleFile where error.isTargetReplaced:
            "it was stored, and then changed or replaced; look what it holds now" + detail(error)
        case .staleFile where error.isTargetUntouched:
            "what had been sent was lost with its session; nothing was put under its name, try again"
                + detail(error)
        case .staleFile where error.isOutcomeUnknown:
            "the session was lost before this was answered, and whether it was done is not known"
                + earlier(error) + "; look what the file holds" + detail(error)
        case .staleFile where error.earlierChanges != nil:
            "the session was lost, and this was not done" + earlier(error)
                + "; look what the file holds" + detail(error)
        case .staleFile:
            "the file was changed or replaced meanwhile; look what it holds now" + detail(error)
        case .staleHandle where error.missingSession != nil: safe(error.advice)
        case .staleHandle:
            "the session is over\(earlier(error)); open the file again" + detail(error)
        case .leaseExpired:
            "the session's lease has ended\(earlier(error)); open the file again" + detail(error)
        case .locked: locked(error)
        case .conflict where error.currentVersion != nil:
            "the file is at version \(error.currentVersion ?? 0) now; look at it before changing it"
        case .tooMany:
            "\(error.code)\(server(error)): \(safe(error.advice)); \"handles\" shows what is open"
        case .busy, .draining: "\(error.code)\(server(error)): \(safe(error.advice)); try again"
        case .cancelled: "interrupted"
        case .corrupt where error.isOutcomeUnknown:
            "damaged on the way: \(safe(error.advice)); what has the name there now is not what "
                + "was sent, so put it again"
        case .corrupt: "damaged on the way: \(safe(error.advice)); nothing was kept"
        case .denied, .readOnly, .noSpace, .io:
            "\(error.code)\(server(error)): \(safe(error.advice))"
        default: ofConnections(error)
        }
    }

    /// What became of what the session had been answered before.
    private static func earlier(_ error: DFSError) -> String {
        switch error.earlierChanges {
        case nil: ""
        case .stand: "; what was written before stands, but is not synced"
        case .standUnlessPowerFailed:
            "; what was written before stands unless its machine lost power"
        }
    }

    /// Who did not answer, what may have happened, and what to do.
    private static func late(_ error: DFSError) -> String {
        if isToldByNameServer(error), !error.isOutcomeUnknown, !error.advice.isEmpty {
            return safe(error.advice)
        }
        let end =
            if error.isTargetUntouched {
                "nothing was put under its name, try again"
            } else if error.isOutcomeUnknown {
                "a change may have been made all the same, so look before repeating one"
            } else {
                "try again"
            }
        // What it advises is for programs: who types can not repeat a change with its op=.
        let silent =
            isToldByNameServer(error)
            ? "the file server did not answer the name server"
            : respondent(error) + " did not answer"
        return "\(silent) in time; \(end)"
    }

    /// Whether the name server answered, and said that somebody else did not.
    private static func isToldByNameServer(_ error: DFSError) -> Bool {
        error.known == .timeout && !error.isUnanswered && error.endpoint != nil
            && error.server == nil
    }

    /// The server that a failure is about, as a sentence names it.
    private static func respondent(_ error: DFSError) -> String {
        if let server = error.server { return "file server \(server)" }
        return error.endpoint.map { "the name server at \(safe("\($0)"))" } ?? "the server"
    }

    private static func detail(_ error: DFSError) -> String {
        error.advice.isEmpty ? "" : " (\(safe(error.advice)))"
    }

    /// Who has the lock and for how long, and what to do.
    private static func locked(_ error: DFSError) -> String {
        guard let holder = error.holder else { return "locked: \(safe(error.advice))" }
        let name = Quoting.text(holder.handle)
        let client = holder.clientName.map { " of \(safe($0))" } ?? ""
        let time =
            holder.leaseMilliseconds.map { ", whose lease has \(Amounts.seconds($0)) left" } ?? ""
        let kind = holder.lock.map { " \($0.rawValue)" } ?? ""
        let server = error.server.map { " \($0)" } ?? ""
        return
            "session \(name)\(client) has the\(kind) lock\(time); wait for it with --wait, or end "
            + "that session with \"kill \(name)\(server)\""
    }

    private static func ofConnections(_ error: DFSError) -> String {
        switch error.code {
        case "unreachable":
            if let server = error.server {
                return "file server \(server) can not be reached: \(safe(error.advice)); try again"
            }
            return "no name server can be reached: \(safe(error.advice)); is dfs-nameserver "
                + "running? -n or DFSH_NAMESERVER names another one"
        case "no-name-server":
            return "\(safe(error.advice)); name the name server with -n"
        case "connection-lost":
            return "the connection\(server(error)) was lost: \(safe(error.advice)); "
                + (error.isTargetUntouched
                    ? "nothing was put under its name"
                    : error.isOutcomeUnknown
                        ? "what was asked may have been done all the same; look before repeating it"
                        : "nothing was changed")
        case "protocol-violation":
            return "the server\(server(error)) broke the protocol: \(safe(error.advice))"
        default:
            let text = error.advice.isEmpty ? "refused" : safe(error.advice)
            return "\(safe(error.code))\(server(error)): \(text)"
        }
    }

    private static func server(_ error: DFSError) -> String {
        error.server.map { " (file server \($0))" } ?? ""
    }

    /// Who is down and since when, without what to do; nil for other failures.
    static func outage(_ error: DFSError) -> String? {
        guard error.known == .serverDown, let server = error.server else { return nil }
        let silence = error.seenMilliseconds.map { ", silent for \(Amounts.seconds($0))" } ?? ""
        let subject = error.path.map { "\($0): " } ?? ""
        return "\(subject)file server \(server) is down\(silence)\(leftover(error))"
    }

    /// Who can not be had just now, and since when, for those who wait for it.
    static func absence(_ error: DFSError, of path: TreePath) -> String {
        if let outage = outage(error) { return outage }
        let name = error.server.map { "file server \($0)" } ?? "the name server"
        let isSilent =
            error.category == .unreachable
            || error.known == .timeout && !isToldByNameServer(error)
        return "\(path): \(name) "
            + (isSilent ? "does not answer" : "can not serve it now: \(safe(error.advice))")
    }

    private static func leftover(_ error: DFSError) -> String {
        guard let part = error.leftover else { return "" }
        return error.isPartKept
            ? "; what was sent is kept as \(part), which rm removes and put -c goes on with"
            : "; the part that was sent may be left as \(part), which rm removes"
    }

    /// How the file fares meanwhile, and what to do.
    private static func remedy(_ error: DFSError) -> String {
        if error.isOutcomeUnknown, !error.isTargetUntouched {
            return "what was asked may have been done all the same: look when it is back "
                + "(\"servers\" shows it)"
        }
        let fate =
            error.isTargetUntouched ? "nothing was put under its name" : "the file is safe there"
        return "\(fate), try again when it is back (\"servers\" shows it)"
    }

    private static func serverDown(_ error: DFSError) -> String {
        guard let server = error.server else {
            return "no file server for it is up; try again when one is (\"servers\" shows them)"
        }
        let silence = error.seenMilliseconds.map { ", silent for \(Amounts.seconds($0))" } ?? ""
        return "file server \(server) is down\(silence); \(remedy(error))"
    }

    private static func left(_ error: DFSError, _ goodbye: Goodbye) -> String {
        guard let server = error.server else { return serverDown(error) }
        let since = error.seenMilliseconds.map { " \(Amounts.seconds($0)) ago" } ?? ""
        return switch goodbye {
        case .stopped:
            "file server \(server) was stopped as planned\(since); \(remedy(error))"
        case .away:
            "file server \(server) runs, but its folders went away\(since) (is the disk mounted?); "
                + "\(fate(error))try again when they are back (\"servers\" shows it)"
        }
    }

    /// What became of a change that was asked for; nothing where only something was to be read.
    private static func fate(_ error: DFSError) -> String {
        if error.isTargetUntouched { return "nothing was put under its name; " }
        return error.isOutcomeUnknown ? "what was asked may have been done all the same; " : ""
    }

    /// Text of a peer or of the system, with control bytes as escapes.
    static func safe(_ text: String) -> String {
        let quoted = Quoting.quoteAlways([UInt8](text.utf8)).dropFirst().dropLast()
        var result: [UInt8] = []
        var isEscaped = false
        for byte in quoted {
            if !isEscaped, byte == UInt8(ascii: "\\") {
                isEscaped = true
                continue
            }
            // A sentence keeps its quotation marks; everything else stays escaped.
            if isEscaped, byte != UInt8(ascii: "\"") { result.append(UInt8(ascii: "\\")) }
            result.append(byte)
            isEscaped = false
        }
        return String(decoding: result, as: UTF8.self)
    }
}
