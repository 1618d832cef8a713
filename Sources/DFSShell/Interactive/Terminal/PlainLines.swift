import CEditLine
import Glibc

/// Lines of a terminal that can not be edited on: a prompt, and what the system's own line has.
final class PlainLines: LineSource {
    /// A line longer than this is refused whole; as much as the longest request.
    private static let lineLimitBytes = 64 * 1024

    private let prompt: () -> [UInt8]
    private var buffer: [UInt8] = []
    private var isAtEnd = false
    /// Whether what comes up to the next newline belongs to a line that is refused.
    private var isDropping = false

    /// Takes what writes the prompt; it may not hold terminal sequences.
    init(prompt: @escaping () -> [UInt8]) {
        dfs_terminal_set_locale()
        self.prompt = prompt
    }

    func next() -> LineInput {
        show(prompt())
        while true {
            if let cut = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(buffer[..<cut])
                buffer.removeFirst(cut + 1)
                let isRefused = isDropping || cut > PlainLines.lineLimitBytes
                isDropping = false
                if isRefused {
                    show([UInt8]("dfsh: a line of more than 64 KiB is not run\n".utf8))
                    show(prompt())
                    continue
                }
                return .line(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
            }
            if buffer.count > PlainLines.lineLimitBytes {
                buffer.removeAll()
                isDropping = true
            }
            if dfs_signals_termination() != 0 { return .terminated(dfs_signals_termination()) }
            if dfs_signals_take_interrupts() > 0 {
                buffer.removeAll()
                isDropping = false
                show([UInt8(ascii: "\n")])
                return .interrupted
            }
            if isAtEnd {
                show([UInt8(ascii: "\n")])
                return .end
            }
            fill()
        }
    }

    private func fill() {
        var watched = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard poll(&watched, 1, 0) > 0 else { return dfs_signals_wait(-1, STDIN_FILENO) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(STDIN_FILENO, &bytes, bytes.count)
        if count > 0 { buffer.append(contentsOf: bytes[..<count]) }
        if count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN) { isAtEnd = true }
    }

    private func show(_ text: [UInt8]) {
        // A terminal that is gone is noticed by the next read.
        _ = write(STDOUT_FILENO, text, text.count)
    }

    func remember(_ line: [UInt8]) {}

    func keep(_ limit: Int) {}

    func close() {}
}
