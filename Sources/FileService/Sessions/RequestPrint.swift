import DFSProtocol

/// What tells a request with `op=` from another one that came with the same `op=`.
///
/// A handle is compared by what it means: who repeats a change on another connection has another
/// handle of the same file there, and the same text may name another file.
struct RequestPrint: Sendable {
    /// Verb, data, options but `op=`, and operands but the handle; the tag does not count.
    private let shape: Int
    /// The handle as it was written; the hashes of no handle are all the same.
    private let text: Int
    /// The session that the handle means, or meant while there was one.
    private let session: Int
    /// The file of that session; nil where there is none.
    private let file: Int?
    /// Whether the handle is of a session that the connection has had.
    private let hasEnded: Bool

    /// Reads a request, and looks up what its handle means at this moment.
    init(_ attempt: OperationMemory.Attempt, _ sessions: SessionTable) {
        let (request, caller) = (attempt.request, attempt.caller)
        let hasHandle = request.verb == .append
        shape = request.shape(withoutHandle: hasHandle, caller.payloadPrint)
        let handle = hasHandle ? request.operands[0] : []
        text = handle.hashValue
        let key = SessionKey(handle, on: caller.id.connection)
        session = key.hashValue
        let mark = key.flatMap { sessions[$0]?.fileMark }
        file = mark
        hasEnded = key.map { mark == nil && sessions.hadSession($0) } ?? false
    }

    /// Whether a later request asks for the change of this one.
    func isRepeated(by other: RequestPrint) -> Bool {
        guard shape == other.shape else { return false }
        if session == other.session { return true }
        if let file, let again = other.file { return file == again }
        // A handle that never meant anything where it came from is taken by its name.
        return other.file == nil && !other.hasEnded && text == other.text
    }
}

extension Request {
    fileprivate func shape(withoutHandle: Bool, _ payload: UInt64) -> Int {
        var hasher = Hasher()
        hasher.combine(verb)
        hasher.combine(operands.dropFirst(withoutHandle ? 1 : 0))
        hasher.combine(content.count)
        switch content {
        case .none: break
        case .inline(let bytes): hasher.combine(bytes.withUnsafeBytes(DataPrint.of))
        case .literal: hasher.combine(payload)
        }
        let counted = options.filter { !$0.key.elementsEqual("op".utf8) }
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }
        for (key, value) in counted {
            hasher.combine(key)
            hasher.combine(value)
        }
        return hasher.finalize()
    }
}

extension FileSession {
    /// Tells its file from others, also behind a STORE that has replaced it.
    fileprivate var fileMark: Int { fid > 0 ? fid.hashValue : file.identity.hashValue }
}
