import DFSClient
import DFSProtocol
import Synchronization

/// What a transfer has done so far; shown while it runs on a terminal, and once at the end.
final class TransferTally: Sendable {
    private struct Counts {
        var files: Int64 = 0
        var bytes: Int64 = 0
        var failed: Int64 = 0
        /// Of those that failed, the ones whose file server is down.
        var unavailable: Int64 = 0
        var skipped: Int64 = 0
        /// Whether something ended the transfer before everything was tried.
        var isCutShort = false
        var firstFailure: ExitCode?

        mutating func note(_ code: ExitCode) {
            if firstFailure == nil || firstFailure == .temporary { firstFailure = code }
        }
    }

    private let counts = Mutex(Counts())
    private let start = ContinuousClock.now
    private let verb: String

    /// - Parameter verb: In the past, such as `got`.
    init(_ verb: String) { self.verb = verb }

    /// Counts bytes as they arrive.
    func moved(_ bytes: Int) { counts.withLock { $0.bytes += Int64(bytes) } }

    /// Counts a file that is whole.
    func finished() { counts.withLock { $0.files += 1 } }

    /// Counts something that is left out on purpose.
    func skipped() { counts.withLock { $0.skipped += 1 } }

    /// Counts something that was asked for and can not be had: it is skipped, and no success.
    func refused() {
        counts.withLock { counts in
            counts.skipped += 1
            counts.note(.failed)
        }
    }

    /// Counts a failure; one that lasts outweighs those that pass.
    func failed(_ code: ExitCode) {
        counts.withLock { counts in
            counts.failed += 1
            counts.note(code)
        }
    }

    /// Notes what ended the transfer: the rest was not tried.
    func cutShort(_ code: ExitCode) {
        failed(code)
        counts.withLock { $0.isCutShort = true }
    }

    /// Whether there is something to sum up.
    var hasBegun: Bool { counts.withLock { $0.files > 0 || $0.failed > 0 } }

    /// Tells and counts why one file of many is missing; what to do then is said once, at the end.
    ///
    /// - Throws: Where the whole transfer was interrupted, or no name server answers any more.
    func tell(_ error: any Error, _ session: ShellSession) async throws {
        let failure = ShellFailure(error)
        if failure.code == .interrupted { throw CancellationError() }
        if error.meansNoNameServer { throw error }
        if let error = error as? DFSError, let reason = ErrorSentence.outage(error) {
            session.output.complain(reason)
            counts.withLock { $0.unavailable += 1 }
        } else if !failure.sentence.isEmpty {
            session.output.complain(failure.sentence)
        }
        failed(failure.code)
        await session.output.awaitRoom()
    }

    /// The code that the transfer ends with.
    var code: ExitCode { counts.withLock { $0.firstFailure } ?? .ok }

    /// `got 2 files, 12 bytes`, with what is missing, and the speed where that says something.
    var summary: String {
        let counts = counts.withLock { $0 }
        var text =
            "\(verb) \(Amounts.count(counts.files, "file")), "
            + Amounts.sentence(counts.bytes)
        let elapsed = ContinuousClock.now - start
        let seconds =
            Double(elapsed.components.seconds)
            + Double(elapsed.components.attoseconds) / 1e18
        if seconds >= 1 {
            let tenths = Int64(seconds * 10)
            let rate = Amounts.sentence(Int64(Double(counts.bytes) / seconds))
            text += " in \(tenths / 10).\(tenths % 10) s (\(rate)/s)"
        }
        if counts.skipped > 0 { text += "; \(counts.skipped) skipped" }
        if counts.failed > 0 { text += "; \(counts.failed) missing" }
        if counts.isCutShort { text += ", and the rest was not tried" }
        if counts.unavailable > 0 {
            text +=
                ", \(counts.unavailable) of them \(verb == "put" ? "for" : "safe on") servers that are down: "
                + "do it again when those are back (\"servers\" shows them)"
        }
        return text
    }

    /// Shows the tally twice a second until the task is cancelled, on one line of a terminal.
    func show(on output: ShellOutput, total: Int64?) async {
        var last: Int64 = -1
        var still = 0
        while !Task.isCancelled {
            // A cancelled sleep ends the loop in the next line.
            try? await Task.sleep(for: .milliseconds(500))
            if Task.isCancelled { break }
            let bytes = counts.withLock { $0.bytes }
            still = bytes == last ? still + 1 : 0
            last = bytes
            var text = summary
            if let total, total > 0 { text += ", \(min(100, bytes * 100 / total)) %" }
            if still >= 6 { text += ", stalled" }
            output.progress(text)
        }
        output.progress("")
    }
}

extension ShellSession {
    /// Runs a transfer with its tally shown, and tells at the end what was done and is missing.
    func tallied(
        _ verb: String, total: Int64? = nil, _ body: (TransferTally) async throws -> Void
    ) async throws {
        let tally = TransferTally(verb)
        try await withThrowingTaskGroup(of: Void.self) { group in
            if output.isErrorTerminal {
                group.addTask { [output] in await tally.show(on: output, total: total) }
            }
            do {
                try await body(tally)
            } catch let error where error.meansNoNameServer && tally.hasBegun {
                tally.cutShort(tell(error))
            } catch {
                group.cancelAll()
                try await group.waitForAll()
                throw error
            }
            group.cancelAll()
            try await group.waitForAll()
        }
        output.complain(tally.summary)
        if tally.code != .ok { throw ShellFailure.told(tally.code) }
    }
}
