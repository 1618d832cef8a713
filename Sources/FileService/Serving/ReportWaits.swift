import DFSProtocol

/// Answers that wait until the name server knows what they tell of.
///
/// So that LOCATE anywhere finds what a client was told is done. Patience ends after one second:
/// a lost name server stops nothing.
struct ReportWaits: Sendable {
    private struct Held: Sendable {
        let generation: Int64
        let deadline: MonotonicTime
        let action: FileAction
        let request: RequestID
        /// The session that the answer tells of, where it is an OPEN's.
        let opened: SessionKey?
    }

    /// In the order of arrival, which is the order of deadlines too.
    private var held: [Held] = []
    /// Up to which generation the name server has acknowledged.
    private(set) var acknowledged: Int64 = 0

    /// When the next answer runs out of patience.
    var deadline: MonotonicTime? { held.first?.deadline }
    var isEmpty: Bool { held.isEmpty }

    mutating func hold(
        _ action: FileAction, of request: RequestID, opened: SessionKey?, for generation: Int64,
        until deadline: MonotonicTime
    ) {
        held.append(
            Held(
                generation: generation, deadline: deadline, action: action, request: request,
                opened: opened))
    }

    /// Drops the answer of a request that its client took back.
    ///
    /// - Returns: The session that nobody will be told of, if it was an OPEN's.
    mutating func drop(_ request: RequestID) -> SessionKey? {
        guard let index = held.firstIndex(where: { $0.request == request }) else { return nil }
        return held.remove(at: index).opened
    }

    /// The name server knows everything up to a generation.
    mutating func acknowledge(_ generation: Int64) -> [FileAction] {
        acknowledged = generation
        return release { $0.generation <= generation }
    }

    mutating func expire(at now: MonotonicTime) -> [FileAction] { release { $0.deadline <= now } }

    mutating func releaseAll() -> [FileAction] { release { _ in true } }

    private mutating func release(_ isDue: (Held) -> Bool) -> [FileAction] {
        var due: [FileAction] = []
        var kept: [Held] = []
        for entry in held {
            if isDue(entry) { due.append(entry.action) } else { kept.append(entry) }
        }
        held = kept
        return due
    }
}
