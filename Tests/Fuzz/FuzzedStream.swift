/// A stream gives the same frames however it is cut, and every frame stays within the limits.
enum FuzzedStream {
    private enum Event: Equatable {
        case frame(line: [UInt8], payload: [UInt8]?)
        case tooLarge(line: [UInt8])
        case broken(ErrorCode, line: [UInt8])
    }

    /// The first two bytes choose limits and cuts; the rest is the stream.
    static func check(_ input: [UInt8], isServer: Bool) {
        guard input.count > 2 else { return }
        var limits = Limits()
        if input[0] & 1 == 0 {
            limits.lineBytes = 16 + Int(input[0] >> 1)
            limits.payloadBytes = Int(input[0] >> 3)
            limits.droppedPayloadFactor = 3
        }
        let stream = Array(input[2...])
        let whole = events(stream, limits, isServer) { _ in stream.count }
        var state = UInt32(input[1]) | 1
        let cut = events(stream, limits, isServer) { _ in
            state = state &* 1_664_525 &+ 1_013_904_223
            return 1 + Int(state >> 24) % 24
        }
        if input[1] & 3 == 0 {
            let single = events(stream, limits, isServer) { _ in 1 }
            promise(whole == single, "frames are the same byte by byte")
        }
        promise(whole == cut, "frames are the same in random pieces")
        for case .frame(let line, let payload) in whole {
            promise(line.count <= limits.lineBytes, "a line is within its limit")
            promise((payload?.count ?? 0) <= limits.payloadBytes, "a payload is within its limit")
            promise(!line.contains(0x0A), "a line holds no newline")
            if isServer {
                FuzzedLine.checkRequest(line, role: .name, literal: payload?.count)
                FuzzedLine.checkRequest(line, role: .file, literal: payload?.count)
            } else {
                FuzzedLine.checkReply(line)
            }
        }
    }

    private static func events(
        _ stream: [UInt8], _ limits: Limits, _ isServer: Bool, _ length: (Int) -> Int
    ) -> [Event] {
        var framer = Framer(limits: limits, refusesStrangers: isServer)
        var events: [Event] = []
        var (taken, consumed) = (0, 0)
        while taken < stream.count {
            taken = min(stream.count, taken + length(taken))
            steps: while true {
                let bytes = stream.span.extracting(consumed..<taken)
                let before = consumed
                switch framer.next(bytes) {
                case .incomplete(let count, let wanted):
                    consumed += count
                    promise(consumed <= taken, "no more is consumed than there is")
                    promise(wanted > taken - consumed, "an incomplete frame wants more")
                    break steps
                case .frame(let frame):
                    let payload = frame.payload.map { Array(stream[shifted($0, before)]) }
                    events.append(
                        .frame(line: Array(stream[shifted(frame.line, before)]), payload: payload))
                    consumed += frame.consumed
                    promise(consumed > before, "a frame consumes something")
                case .tooLarge(let line, let count):
                    events.append(.tooLarge(line: Array(stream[shifted(line, before)])))
                    consumed += count
                case .broken(let error, let line):
                    events.append(.broken(error.code, line: Array(stream[shifted(line, before)])))
                    promise(error.isFatal, "what breaks a stream is fatal")
                    return events
                }
            }
        }
        return events
    }

    private static func shifted(_ range: Range<Int>, _ by: Int) -> Range<Int> {
        (range.lowerBound + by)..<(range.upperBound + by)
    }
}
