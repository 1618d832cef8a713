import DFSClient
import DFSProtocol
import Glibc
import Synchronization

/// Where a shell's results and complaints go, in their order; written on a thread of its own.
public final class ShellOutput: Sendable {
    /// Takes bytes; false once nobody reads them any more.
    public typealias Sink = @Sendable ([UInt8]) -> Bool

    /// Whether results go to a terminal: columns, and no raw control bytes of a file.
    public let isTerminal: Bool
    /// Whether complaints go to a terminal: progress is shown there only.
    public let isErrorTerminal: Bool
    /// Whether results and complaints are objects of JSON, one a line.
    public let isJSON: Bool
    /// Whether results and complaints go where a program that is started writes by itself.
    let isOfProcess: Bool
    /// Whether complaints stand among the results: a line of theirs must not end one of those.
    private let isOneStream: Bool
    private let results: Sink
    private let complaints: Sink
    private let hangUp: @Sendable () async -> Void
    private let writer = OutputWriter()
    private let state: Mutex<State>

    private struct State {
        var collected: [UInt8] = []
        var content: ContentText?
        var objects: ContentObjects?
        /// Whether the last byte of the results ended a line.
        var isAtLineStart = true
        /// Whether a line of progress stands on the terminal.
        var hasProgress = false
        /// Whether the person wants to see progress.
        var showsProgress = true
        /// Why results could not be written, where that is more than a reader who left.
        var lost: Int32?
        /// The same, until it was told.
        var failure: Int32?
    }

    /// Bytes of results that wait to be written before whoever makes more has to wait.
    private static let roomBytes = 1_048_576

    /// Takes two sinks, such as buffers of a test.
    ///
    /// - Parameter isOneStream: Whether both sinks lead to the same place.
    /// - Parameter hangUp: Returns once nobody reads the results, or its task was cancelled.
    public init(
        results: @escaping Sink, complaints: @escaping Sink, isTerminal: Bool = false,
        isErrorTerminal: Bool = false, isOneStream: Bool = false, isJSON: Bool = false,
        isOfProcess: Bool = false,
        hangUp: @escaping @Sendable () async -> Void = ShellOutput.never
    ) {
        self.results = results
        self.complaints = complaints
        // Objects are for programs, also where a person looks on.
        self.isTerminal = isTerminal && !isJSON
        self.isErrorTerminal = isErrorTerminal && !isJSON
        self.isJSON = isJSON
        self.isOneStream = isOneStream
        self.isOfProcess = isOfProcess
        self.hangUp = hangUp
        state = Mutex(
            State(
                content: isTerminal && !isJSON ? ContentText() : nil,
                objects: isJSON ? ContentObjects() : nil))
    }

    /// Waits for the task's cancellation.
    public static let never: @Sendable () async -> Void = {
        // It only ends by being cancelled, which is what is waited for.
        while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
    }

    /// Standard output and standard error of this process.
    public static func ofProcess(isJSON: Bool = false) -> ShellOutput {
        var (results, complaints) = (stat(), stat())
        let isOneStream =
            fstat(STDOUT_FILENO, &results) == 0 && fstat(STDERR_FILENO, &complaints) == 0
            && results.st_dev == complaints.st_dev && results.st_ino == complaints.st_ino
        return ShellOutput(
            results: { writeAll($0, to: STDOUT_FILENO) },
            complaints: { writeAll($0, to: STDERR_FILENO) },
            isTerminal: isatty(STDOUT_FILENO) == 1, isErrorTerminal: isatty(STDERR_FILENO) == 1,
            isOneStream: isOneStream, isJSON: isJSON, isOfProcess: true,
            hangUp: { await DescriptorWait.hangUp(of: STDOUT_FILENO) })
    }

    /// Whether results could not be written, as where `head` has enough: no more need be made.
    public var isBroken: Bool { writer.isBroken }

    /// Whether results were lost otherwise than by a reader who left, as on a disk that is full.
    var hasLostResults: Bool { state.withLock { $0.lost != nil } }

    /// Bytes that were handed over and are not written yet.
    var waitingBytes: Int { writer.waitingBytes }

    /// Adds a line to the results; names in it have passed through `Quoting`.
    public func line(_ text: String) {
        if isJSON { return object(["text": .text(text)]) }
        collect([UInt8](text.utf8) + [UInt8(ascii: "\n")])
    }

    /// Adds a result: a line of text, or with `--json` an object.
    func line(_ text: @autoclosure () -> String, as object: @autoclosure () -> JSONObject) {
        if isJSON { self.object(object()) } else { line(text()) }
    }

    /// Adds an object to the results; to be called with `--json` only.
    func object(_ object: JSONObject) { collect(object.line) }

    /// Adds a line that is no result, such as a command that is echoed: as it is in any case.
    func echo(_ text: String) { collect([UInt8](text.utf8) + [UInt8(ascii: "\n")]) }

    /// Adds bytes of a file to the results as they are, or as what is harmless on a terminal.
    ///
    /// Waits where more was made than is read.
    /// - Parameter path: Whose bytes they are; told with `--json` only.
    /// - Throws: `ShellFailure` where nobody reads the results; `CancellationError`.
    public func content(
        _ bytes: some Collection<UInt8> & Sendable, of path: TreePath? = nil
    ) async throws {
        collectContent(bytes, of: path)
        try await room()
    }

    /// Adds bytes as `content(_:of:)` does, and waits for nothing.
    func collectContent(_ bytes: some Collection<UInt8> & Sendable, of path: TreePath? = nil) {
        let shown = state.withLock {
            $0.objects?.next(bytes, of: path) ?? $0.content?.next(bytes)
        }
        collect(shown ?? Array(bytes))
    }

    /// Waits where more was made than is read, whoever reads; to be called by whoever makes much.
    func awaitRoom() async { await writer.wait(until: ShellOutput.roomBytes) }

    /// As `awaitRoom()`.
    ///
    /// - Throws: `ShellFailure` where nobody reads the results; `CancellationError`.
    func room() async throws {
        await awaitRoom()
        try Task.checkCancellation()
        // What is left need not travel.
        if isBroken { throw ShellFailure.told(.failed) }
    }

    /// Adds bytes that are safe as they are, such as results of another output.
    func collect(_ bytes: [UInt8]) {
        let isFull = state.withLock { state in
            state.collected += bytes
            if let last = bytes.last { state.isAtLineStart = last == UInt8(ascii: "\n") }
            return state.collected.count >= 65_536
        }
        if isFull { flush() }
    }

    /// Hands the results collected so far over to be written; waits for nothing.
    public func flush() {
        let bytes = state.withLock { state in
            defer { state.collected = [] }
            return state.collected
        }
        writer.put(bytes, .result) { [self] in
            errno = 0
            if results($0) { return true }
            let number = errno
            guard number != EPIPE, number != 0 else { return false }
            state.withLock { ($0.lost, $0.failure) = (number, number) }
            return false
        }
    }

    /// Writes `dfsh: sentence` to standard error, on a line of its own behind the results so far.
    ///
    /// - Parameters:
    ///   - code: What a failure ends a command with; nil for what is none, such as a summary.
    ///   - error: What the service said, where that is what failed.
    public func complain(_ sentence: String, _ code: ExitCode? = nil, _ error: DFSError? = nil) {
        endContent()
        if isJSON {
            let code = code ?? error?.exitCode
            let object = code.map { FailureObject.failure(sentence, $0, error) }
            let line = (object ?? FailureObject.note(sentence)).line
            return tell(String(decoding: line, as: UTF8.self))
        }
        let lead = state.withLock { state in
            if state.hasProgress {
                state.hasProgress = false
                return ShellOutput.clearedLine
            }
            defer { if isOneStream { state.isAtLineStart = true } }
            return isOneStream && !state.isAtLineStart ? "\n" : ""
        }
        tell(lead + "dfsh: " + sentence + "\n")
    }

    /// Shows a line of progress in the place of the last one; a complaint takes its place.
    func progress(_ text: String) {
        guard state.withLock({ $0.showsProgress }) else { return }
        state.withLock { $0.hasProgress = !text.isEmpty }
        tell(ShellOutput.clearedLine + text)
    }

    /// Shows progress from now on, or not.
    func showProgress(_ isShown: Bool) { state.withLock { $0.showsProgress = isShown } }

    private static let clearedLine = "\r\u{1B}[K"

    /// Writes text to standard error as it is, behind the results so far.
    public func tell(_ text: String) {
        flush()
        writer.put([UInt8](text.utf8), .complaint, complaints)
    }

    /// Writes bytes to standard error or elsewhere, behind what was handed over so far.
    ///
    /// Waits for nothing.
    func trace(_ bytes: [UInt8], to sink: Sink? = nil) {
        writer.put(bytes, .complaint, sink ?? complaints)
    }

    /// Ends the content of files: what waited for the rest of a character comes as escapes.
    func endContent() {
        let rest = state.withLock { $0.objects?.end() ?? $0.content?.end() }
        guard let rest, !rest.isEmpty else { return }
        collect(rest)
    }

    /// Ends a line of content that a file did not end, where the next prompt would stand behind it.
    func endLine() {
        if isTerminal, state.withLock({ !$0.isAtLineStart }) { collect([UInt8(ascii: "\n")]) }
    }

    /// Waits until everything so far is written; cancelled, it forgets the results that are not.
    ///
    /// - Returns: Why results could not be written, as `errno`, where not by a reader who left.
    func settle() async -> Int32? {
        endContent()
        flush()
        await writer.wait(until: 0)
        if Task.isCancelled {
            writer.dropResults()
            // A terminal takes what is left; a reader who stands still is not waited for.
            await writer.waitAfterCancellation(atMost: isTerminal ? nil : .milliseconds(300))
        }
        return takeFailure()
    }

    private func takeFailure() -> Int32? {
        state.withLock { state in
            defer { state.failure = nil }
            return state.failure
        }
    }

    /// Waits until everything so far is written; blocks the calling thread, the main one.
    ///
    /// - Returns: As `settle()`.
    @discardableResult
    func settleBlocking() -> Int32? {
        endContent()
        flush()
        writer.waitBlocking()
        return takeFailure()
    }

    /// Runs something until it ends, results can not be written any more, or the task is cancelled.
    ///
    /// - Throws: What `body` throws; `ShellFailure` where nobody reads the results, or a disk does
    ///   not take them.
    func whileRead(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await body()
                return true
            }
            group.addTask { [hangUp] in
                await hangUp()
                return false
            }
            group.addTask { [writer] in
                await writer.waitUntilBroken()
                return false
            }
            defer { group.cancelAll() }
            let first = await group.nextResult()
            // However it was ended then, it is told as that.
            try Task.checkCancellation()
            if try first?.get() != true { throw ShellFailure.told(.failed) }
        }
    }
}

/// Writes all bytes to a descriptor; false, with `errno`, where that fails.
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
