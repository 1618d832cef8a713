import DFSClient
import DFSProtocol

/// What is no result, as `--json` prints it on standard error.
enum FailureObject {
    /// Something worth knowing that ends nothing.
    static func note(_ sentence: String) -> JSONObject { ["note": .text(sentence)] }

    /// A failure: the wire's word for it where it has one, else that of the exit code.
    ///
    /// - Parameter sentence: What a person would read; programs decide by the other keys.
    static func failure(_ sentence: String, _ code: ExitCode, _ error: DFSError?) -> JSONObject {
        var object: JSONObject = [
            "error": .text(error?.code ?? code.word), "exit": .number(Int64(code.rawValue)),
            "message": .text(sentence),
        ]
        guard let error else { return object }
        if let path = error.path { object["path"] = .path(path) }
        if let server = error.server { object["server"] = .text(server.text) }
        if let endpoint = error.endpoint { object["address"] = .text("\(endpoint)") }
        if let silent = error.seenMilliseconds { object["silent"] = .number(silent) }
        if let retry = error.retryMilliseconds { object["retry"] = .number(retry) }
        if let version = error.currentVersion { object["version"] = .number(version) }
        if let holder = error.holder { object["holder"] = .bytes(holder.handle) }
        if let leftover = error.leftover { object["leftover"] = .path(leftover) }
        if error.isOutcomeUnknown, !error.isTargetUntouched { object["unknown"] = true }
        return object
    }
}

extension ExitCode {
    /// One word for it, in the manner of the wire's codes.
    var word: String {
        switch self {
        case .ok: "ok"
        case .failed: "failed"
        case .usage: "usage"
        case .notFound: "not-found"
        case .denied: "denied"
        case .temporary: "temporary"
        case .unreachable: "unreachable"
        case .integrity: "integrity"
        case .conflict: "conflict"
        case .interrupted: "interrupted"
        }
    }
}
