import DFSProtocol
import TestCluster

/// How a server's answer is written down.
enum HistoryAnswer {
    /// An operation with what was answered.
    ///
    /// - Returns: Nil where the answer says that nothing was done, and tells nothing of the file.
    /// - Throws: `TestFailure` for an answer that no client should get.
    static func settled(
        _ sent: FileOperation, _ final: WireConnection.Answer
    ) throws -> FileOperation? {
        var operation = sent
        operation.told = facts(final)
        switch final.line.kind {
        case .ok: operation.answer = try answer(final, sent.action)
        case .error("stale-file", _): operation.answer = .stale
        case .error("conflict", _): operation.answer = .conflict
        case .error("exists", _) where !sent.action.isOfNames: operation.answer = .exists
        case .error("not-found", _) where !sent.action.isOfNames: operation.answer = .absent
        case .error("locked", _):
            // The file may have been made all the same.
            guard case .open(_, let making, _) = sent.action, making != .nothing else { return nil }
            operation.answer = .none(.connection)
        case .error("timeout", _) where sent.action.isOfNames:
            operation.answer = .none(.connection)
            operation.returned = .max
        case .error("not-found", _), .error("exists", _), .error("server-down", _),
            .error("busy", _), .error("stale-handle", _), .error("lease-expired", _):
            return nil
        default: throw TestFailure("\(sent.action) was answered: \(final.text)")
        }
        return operation
    }

    private static func facts(_ final: WireConnection.Answer) -> FileOperation.Facts {
        FileOperation.Facts(
            fid: final.line.text("fid").flatMap { Int64($0) },
            ver: final.line.text("ver").flatMap { Int64($0) })
    }

    /// What an OK tells, in words.
    private static func answer(
        _ final: WireConnection.Answer, _ action: FileOperation.Action
    ) throws -> FileOperation.Answer {
        switch action {
        case .read, .readOn, .fetch:
            guard let payload = final.payload, let eof = final.line.text("eof") else {
                throw TestFailure("no bytes: \(final.text)")
            }
            var size: Int?
            if case .fetch = action { size = try words("size", final) }
            return .content(FileContent(payload), isEnd: eof == "yes", size: size)
        case .sync, .kill, .remove, .putAside, .bringBack, .make, .find, .restart, .end:
            return .done
        case .write(_, _, let count), .append(_, let count):
            guard try words("bytes", final) == count else {
                throw TestFailure("not all bytes: \(final.text)")
            }
            return .size(try words("size", final))
        case .open, .truncate, .stat, .close, .store, .look:
            return .size(try words("size", final))
        }
    }

    /// A number of bytes in words; what is no whole number of words is no size that a file has.
    private static func words(_ key: StaticKey, _ final: WireConnection.Answer) throws -> Int {
        let bytes = Int(try final.line.number(key))
        return bytes % FileContent.wordBytes == 0 ? bytes / FileContent.wordBytes : -bytes
    }
}

extension FileOperation.Action {
    /// Whether the name server is asked for it, whose catalogue may be behind the file server.
    var isOfNames: Bool { self == .remove || self == .putAside || self == .bringBack }
}
