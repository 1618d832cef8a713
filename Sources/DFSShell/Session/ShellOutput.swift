import DFSProtocol
import Glibc
import Synchronization

/// Where a shell's results and complaints go; results are collected and written in one piece.
public final class ShellOutput: Sendable {
    /// Takes bytes; false once nobody reads them any more.
    public typealias Sink = @Sendable ([UInt8]) -> Bool

    /// Whether results go to a terminal: columns, and marks in colour later.
    public let isTerminal: Bool
    /// Whether complaints go to a terminal: progress is shown there only.
    public let isErrorTerminal: Bool
    private let results: Sink
    private let complaints: Sink
    private let state = Mutex((collected: [UInt8](), isBroken: false))

    /// Takes two sinks, such as buffers of a test.
    public init(
        results: @escaping Sink, complaints: @escaping Sink, isTerminal: Bool = false,
        isErrorTerminal: Bool = false
    ) {
        self.results = results
        self.complaints = complaints
        self.isTerminal = isTerminal
        self.isErrorTerminal = isErrorTerminal
    }

    /// Standard output and standard error of this process.
    public static func ofProcess() -> ShellOutput {
        ShellOutput(
            results: { writeAll($0, to: STDOUT_FILENO) },
            complaints: { writeAll($0, to: STDERR_FILENO) },
            isTerminal: isatty(STDOUT_FILENO) == 1, isErrorTerminal: isatty(STDERR_FILENO) == 1)
    }

    /// Whether a reader of the results went away, as `head` does: nothing more needs to be made.
    public var isBroken: Bool { state.withLock { $0.isBroken } }

    /// Adds a line to the results; names in it have passed through `Quoting`.
    public func line(_ text: String) { write([UInt8](text.utf8) + [UInt8(ascii: "\n")]) }

    /// Adds bytes to the results as they are: the content of a file.
    public func write(_ bytes: [UInt8]) {
        let isFull = state.withLock { state in
            state.collected += bytes
            return state.collected.count >= 65_536
        }
        if isFull { flush() }
    }

    /// Writes the results collected so far.
    public func flush() {
        let bytes = state.withLock { state in
            defer { state.collected = [] }
            return state.isBroken ? [] : state.collected
        }
        if bytes.isEmpty || results(bytes) { return }
        state.withLock { $0.isBroken = true }
    }

    /// Writes `dfsh: sentence` to standard error, after the results that came before it.
    public func complain(_ sentence: String) { tell("dfsh: " + sentence + "\n") }

    /// Writes text to standard error as it is, after the results that came before it.
    public func tell(_ text: String) {
        flush()
        // With standard error gone there is nobody left to tell.
        _ = complaints([UInt8](text.utf8))
    }
}

/// Writes all bytes to a descriptor; false where that fails, as with a pipe that nobody reads.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    bytes.withUnsafeBytes { raw in
        var done = 0
        while done < raw.count {
            let count = Glibc.write(
                descriptor, raw.baseAddress?.advanced(by: done), raw.count - done)
            if count > 0 {
                done += count
            } else if errno == EAGAIN {
                var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = Glibc.poll(&poll, 1, 1000)
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }
}
