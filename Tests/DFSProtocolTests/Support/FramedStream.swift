import DFSProtocol

/// Plays the owner of a framer: keeps the bytes, drops what is consumed, writes down what happened.
struct FramedStream {
    /// What a stream turned out to hold, with the bytes instead of positions.
    enum Event: Equatable {
        case frame(line: [UInt8], payload: [UInt8]?)
        case tooLarge(line: [UInt8])
        case broken(ErrorCode, line: [UInt8])
    }

    private var framer: Framer
    private var pending: [UInt8] = []
    private(set) var events: [Event] = []
    private(set) var isBroken = false
    /// Where a step asked for no more than it already had, which would be a busy loop.
    private(set) var hasAskedForNothing = false

    init(limits: Limits = Limits(), refusesStrangers: Bool = true) {
        framer = Framer(limits: limits, refusesStrangers: refusesStrangers)
    }

    /// Whether an unfinished frame has begun.
    var isMidFrame: Bool { framer.isMidFrame(pending: pending.count) }
    /// How many bytes wait for more.
    var pendingCount: Int { pending.count }

    /// Hands in what arrived next.
    mutating func receive(_ bytes: some Collection<UInt8>) {
        pending.append(contentsOf: bytes)
        while !isBroken {
            let bytes = pending
            switch framer.next(bytes.span) {
            case .incomplete(let consumed, let wanted):
                pending.removeFirst(consumed)
                if wanted <= pending.count { hasAskedForNothing = true }
                return
            case .frame(let frame):
                let payload = frame.payload.map { Array(pending[$0]) }
                events.append(.frame(line: Array(pending[frame.line]), payload: payload))
                pending.removeFirst(frame.consumed)
            case .tooLarge(let line, let consumed):
                events.append(.tooLarge(line: Array(pending[line])))
                pending.removeFirst(consumed)
            case .broken(let error, let line):
                events.append(.broken(error.code, line: Array(pending[line])))
                isBroken = true
            }
        }
    }

    /// What a stream holds if it arrives in these pieces.
    static func events(
        of pieces: [[UInt8]], limits: Limits = Limits(), refusesStrangers: Bool = true
    ) -> [Event] {
        var stream = FramedStream(limits: limits, refusesStrangers: refusesStrangers)
        for piece in pieces { stream.receive(piece) }
        return stream.events
    }

    /// What a stream holds if it arrives as a whole.
    static func events(of text: String, limits: Limits = Limits()) -> [Event] {
        events(of: [bytes(text)], limits: limits)
    }
}

extension FramedStream.Event {
    /// A line without a payload.
    static func line(_ text: String) -> Self { .frame(line: bytes(text), payload: nil) }
    /// A line with a payload.
    static func line(_ text: String, payload: String) -> Self {
        .frame(line: bytes(text), payload: bytes(payload))
    }
    /// The end of a stream, with what is known of the line's beginning.
    static func broken(_ code: ErrorCode, _ text: String = "") -> Self {
        .broken(code, line: bytes(text))
    }
}
