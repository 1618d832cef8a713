import DFSProtocol
import Dispatch
import Glibc
import Synchronization

/// `wire` with its requests piped in: bytes are sent as they come, and answers are results.
struct WirePipe: Sendable {
    let session: ShellSession
    let endpoint: Endpoint
    /// Where a transcript is written; nil for nowhere.
    let record: [UInt8]?

    /// Speaks until the input and the answers end, on a thread of its own.
    ///
    /// - Throws: `ShellFailure`; `CancellationError`.
    func run() async throws {
        let bell = Bell(try PipeEnds(reads: true))
        let result: Result<Void, any Error> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                DispatchQueue(label: "dfsh.wire.input").async {
                    continuation.resume(returning: Result { try speak(bell) })
                }
            }
        } onCancel: {
            bell.isCancelled.store(true, ordering: .releasing)
            bell.ring()
        }
        try Task.checkCancellation()
        try result.get()
    }

    /// Wakes the thread that waits for input.
    private final class Bell: Sendable {
        let pipe: PipeEnds
        let isCancelled = Atomic(false)

        init(_ pipe: PipeEnds) { self.pipe = pipe }

        func ring() {
            var byte: UInt8 = 0
            // Where it can not be written, so many are there that it wakes all the same.
            _ = Glibc.write(pipe.far, &byte, 1)
        }

        func empty() {
            var buffer = [UInt8](repeating: 0, count: 4096)
            while Glibc.read(pipe.near, &buffer, buffer.count) > 0 {}
        }
    }

    private func speak(_ bell: Bell) throws {
        let record = try record.map { try WireRecord($0) }
        let link = try WireLink(to: endpoint, within: session.client.options.connectTimeout) {
            bell.ring()
        }
        let dialogue = WireDialogue(link, record, show: show)
        var input = WireInput()
        while true {
            dialogue.takeEvents()
            if dialogue.isOver || session.output.isBroken { break }
            if bell.isCancelled.load(ordering: .acquiring) {
                link.end()
                break
            }
            if dialogue.isAnswered {
                if let (request, payload) = input.next() {
                    dialogue.send(request, payload).forEach(show)
                    continue
                }
                if input.isAtEnd {
                    // Half a request is none; the server drops it too.
                    dialogue.endSending()
                    continue
                }
            }
            session.output.flush()
            wait(bell, forInput: dialogue.isAnswered, &input)
        }
        try record?.end()
        try WireCommand.check(dialogue)
    }

    private func show(_ line: WireLine) {
        let mark = line.mark.rawValue.dropLast()
        session.output.line(
            session.hasColours ? line.coloured : line.written,
            as: ["mark": .text(String(mark)), "text": .text(line.text)])
    }

    private func wait(_ bell: Bell, forInput: Bool, _ input: inout WireInput) {
        var polled = [
            pollfd(fd: bell.pipe.near, events: Int16(POLLIN), revents: 0),
            pollfd(fd: forInput ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&polled, 2, -1) > 0 else { return }
        if polled[0].revents != 0 { bell.empty() }
        if polled[1].revents != 0 { input.read(STDIN_FILENO) }
    }
}

/// Cuts requests, and the payloads behind them, out of bytes that are piped in.
struct WireInput {
    private var bytes: [UInt8] = []
    /// Whether nothing more comes.
    private(set) var isAtEnd = false

    /// Takes what can be read now.
    mutating func read(_ descriptor: Int32) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        if count < 0, errno == EINTR || errno == EAGAIN { return }
        take(count > 0 ? buffer[..<count] : nil)
    }

    /// Takes bytes; nil for the end.
    mutating func take(_ more: ArraySlice<UInt8>?) {
        if let more { bytes += more } else { isAtEnd = true }
    }

    /// The next whole request; at the end of the input its last line needs no newline.
    mutating func next() -> (WireRequest, payload: [UInt8]?)? {
        guard let (line, start) = line(from: 0) else { return nil }
        let request = WireRequest(line)
        guard let count = request.payloadBytes else {
            bytes.removeFirst(start)
            return (request, nil)
        }
        let end = start + count
        guard bytes.count >= end, let (rest, next) = self.line(from: end) else { return nil }
        // What stands between payload and newline is the server's to refuse.
        let payload = Array(bytes[start..<end]) + rest
        bytes.removeFirst(next)
        return (request, payload)
    }

    private func line(from start: Int) -> ([UInt8], next: Int)? {
        if let end = bytes[start...].firstIndex(of: 0x0A) {
            let line = bytes[start..<end]
            return (Array(line.last == 0x0D ? line.dropLast() : line), end + 1)
        }
        guard isAtEnd, start < bytes.count || start > 0 else { return nil }
        return (Array(bytes[start...]), bytes.count)
    }
}
