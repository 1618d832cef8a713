import DFSClient
import DFSProtocol
import Synchronization

/// What a transfer has done so far; shown while it runs on a terminal, and once at the end.
final class TransferTally: Sendable {
    private struct Counts {
        var files: Int64 = 0
        /// Of the files that are whole.
        var bytes: Int64 = 0
        /// Of those that are under way.
        var moving: Int64 = 0
        var failed: Int64 = 0
        /// Of those that failed, the ones whose file server is down.
        var unavailable: Int64 = 0
        /// Of those that failed, the ones that may have left a part in the tree.
        var leftovers: Int64 = 0
        var skipped: Int64 = 0
        /// Whether no name server answers any more: nothing further is begun.
        var isCutShort = false
        /// Whether something was not begun for that.
        var hasRest = false
        var isInterrupted = false
        /// Whether something was given up that may have been done all the same.
        var isInterruptedInDoubt = false
        var firstFailure: ExitCode?
        /// What failed for reasons that many share, in the order in which those came up.
        var reasons: [Reason] = []
        /// The command that brings what is missing; nil where it is the same again.
        var completion: String?

        mutating func note(_ code: ExitCode) {
            // A server that was reached and is gone is one that is away.
            let code = code == .unreachable ? .temporary : code
            if firstFailure == nil || firstFailure == .temporary { firstFailure = code }
        }
    }

    /// Why files are missing, without the name of one.
    private struct Reason {
        let key: String
        let sentence: String
        var count: Int64 = 0
    }

    /// So many files are named for one reason; of the others only the number is told.
    private static let namedPerReason: Int64 = 10

    private let counts = Mutex(Counts())
    private let start = ContinuousClock.now
    private let verb: String

    /// - Parameter verb: In the past, such as `got`.
    init(_ verb: String) { self.verb = verb }

    /// One file that is under way: what has moved of it counts in the end only if it comes whole.
    final class Meter: Sendable {
        private let tally: TransferTally
        private let moved = Mutex<Int64>(0)

        fileprivate init(_ tally: TransferTally) { self.tally = tally }

        /// Counts bytes as they arrive.
        func moved(_ bytes: Int) {
            moved.withLock { $0 += Int64(bytes) }
            tally.counts.withLock { $0.moving += Int64(bytes) }
        }

        fileprivate func end(isWhole: Bool) {
            let bytes = moved.withLock { $0 }
            tally.counts.withLock { counts in
                counts.moving -= bytes
                guard isWhole else { return }
                counts.files += 1
                counts.bytes += bytes
            }
        }
    }

    /// Moves one file, and counts it where nothing is thrown.
    func file(_ move: (Meter) async throws -> Void) async throws {
        let meter = Meter(self)
        var isWhole = false
        defer { meter.end(isWhole: isWhole) }
        try await move(meter)
        isWhole = true
    }

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

    /// Notes a failure that is about no file in particular.
    func spoiled(_ code: ExitCode) { counts.withLock { $0.note(code) } }

    /// Notes what ended the transfer: the rest was not tried.
    func cutShort(_ code: ExitCode) {
        failed(code)
        counts.withLock { ($0.isCutShort, $0.hasRest) = (true, true) }
    }

    /// Whether nothing further is to be begun; asked by whoever has something left to begin.
    func leavesTheRest() -> Bool {
        counts.withLock { counts in
            counts.hasRest = counts.hasRest || counts.isCutShort
            return counts.isCutShort
        }
    }

    /// Notes that the person wanted no more.
    func interrupted() { counts.withLock { $0.isInterrupted = true } }

    /// Whether there is something to sum up.
    var hasBegun: Bool { counts.withLock { $0.files > 0 || $0.failed > 0 } }

    /// Tells and counts why one file of many is missing; what to do then is said once, at the end.
    ///
    /// Where no name server answers any more nothing further is begun, and what is under way comes
    /// to its own end: each file is told, with what is left of it.
    /// - Throws: `CancellationError` where the whole transfer was interrupted.
    func tell(_ error: any Error, _ session: ShellSession) async throws {
        let failure = ShellFailure(error)
        if failure.code == .interrupted {
            // What is left in the tree, or may have come into it, is told also then.
            if let error = error as? DFSError, error.leftover != nil || error.mayHaveChanged {
                session.output.complain(ErrorSentence.text(error))
                counts.withLock { counts in
                    if error.leftover != nil { counts.leftovers += 1 }
                    if error.mayHaveChanged { counts.isInterruptedInDoubt = true }
                }
            }
            throw CancellationError()
        }
        let isOutage = tellSentence(of: error, failure, session)
        counts.withLock { counts in
            if isOutage { counts.unavailable += 1 }
            if (error as? DFSError)?.leftover != nil { counts.leftovers += 1 }
            counts.isCutShort = counts.isCutShort || error.meansNoNameServer
        }
        failed(failure.code)
        await session.output.awaitRoom()
    }

    /// - Returns: Whether it is that a file server is down.
    private func tellSentence(
        of error: any Error, _ failure: ShellFailure, _ session: ShellSession
    ) -> Bool {
        let outage = (error as? DFSError).flatMap { ErrorSentence.outage($0) }
        // Of what may have been done more is said than that its server is away.
        let sentence = error.mayHaveChanged ? failure.sentence : outage ?? failure.sentence
        if !sentence.isEmpty, isNamed(error) { session.output.complain(sentence) }
        return outage != nil
    }

    /// Counts a reason; false where enough files were named for it.
    private func isNamed(_ error: any Error) -> Bool {
        // What may be in the tree is told of each file, whatever else was.
        guard var error = error as? DFSError, error.leftover == nil, !error.mayHaveChanged else {
            return true
        }
        error.path = nil
        let key = "\(error.code) \(error.server?.text ?? "")"
        let sentence = ErrorSentence.outage(error) ?? ErrorSentence.text(error)
        return counts.withLock { counts in
            let known = counts.reasons.firstIndex { $0.key == key }
            let index = known ?? counts.reasons.count
            if known == nil { counts.reasons.append(Reason(key: key, sentence: sentence)) }
            counts.reasons[index].count += 1
            return counts.reasons[index].count <= TransferTally.namedPerReason
        }
    }

    /// Tells how many files were not named.
    func tellUnnamed(_ output: ShellOutput) {
        for reason in counts.withLock({ $0.reasons }) {
            let unnamed = reason.count - TransferTally.namedPerReason
            guard unnamed > 0 else { continue }
            output.complain("\(Amounts.count(unnamed, "more file")): \(reason.sentence)")
        }
    }

    /// Notes the command that brings what is missing, where the same again would do something else.
    func completes(with command: String) { counts.withLock { $0.completion = command } }

    /// The code that the transfer ends with.
    var code: ExitCode { counts.withLock { $0.firstFailure } ?? .ok }

    /// `got 2 files, 12 bytes`, with what is missing, and the speed where that says something.
    var summary: String {
        let counts = counts.withLock { $0 }
        return moved(counts.files, counts.bytes) + missing(counts)
    }

    /// As `summary`, with the bytes of files that are under way.
    private var soFar: (text: String, bytes: Int64) {
        let counts = counts.withLock { $0 }
        let bytes = counts.bytes + counts.moving
        return (moved(counts.files, bytes) + missing(counts), bytes)
    }

    private func moved(_ files: Int64, _ bytes: Int64) -> String {
        let text = "\(verb) \(Amounts.count(files, "file")), " + Amounts.sentence(bytes)
        let elapsed = ContinuousClock.now - start
        let seconds =
            Double(elapsed.components.seconds)
            + Double(elapsed.components.attoseconds) / 1e18
        guard seconds >= 1, bytes > 0 else { return text }
        let tenths = Int64(seconds * 10)
        let rate = Amounts.sentence(Int64(Double(bytes) / seconds))
        return text + " in \(tenths / 10).\(tenths % 10) s (\(rate)/s)"
    }

    private func missing(_ counts: Counts) -> String {
        var text = ""
        if counts.skipped > 0 { text += "; \(counts.skipped) skipped" }
        if counts.failed > 0 { text += "; \(counts.failed) missing" }
        if counts.hasRest { text += ", and the rest was not tried" }
        if counts.isInterrupted {
            text += "; interrupted, and the rest is missing"
            if counts.isInterruptedInDoubt { text += ", or may be stored as told above" }
        }
        if counts.unavailable > 0 {
            let relation = verb == "put" ? "for" : "safe on"
            text +=
                ", \(counts.unavailable) of them \(relation) servers that are down: do it again "
                + "when those are back (\"servers\" shows them)"
        }
        if counts.leftovers > 0 {
            let parts = Amounts.count(counts.leftovers, "part")
            text += "; \(parts) may be left under the names told above"
        }
        let isMissing = counts.failed > 0 || counts.hasRest || counts.isInterrupted
        if isMissing, let command = counts.completion { text += "; to complete it: \(command)" }
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
            var (text, bytes) = soFar
            still = bytes == last ? still + 1 : 0
            last = bytes
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
            var end: (any Error)?
            do {
                try await body(tally)
            } catch {
                end = error
            }
            group.cancelAll()
            try await group.waitForAll()
            guard let end else { return }
            guard tally.hasBegun else { throw end }
            let code = tell(await explained(end))
            guard code != .interrupted else {
                tally.interrupted()
                tally.tellUnnamed(output)
                output.complain(tally.summary)
                throw ShellFailure.told(code)
            }
            tally.cutShort(code)
        }
        tally.tellUnnamed(output)
        output.complain(tally.summary)
        if tally.code != .ok { throw ShellFailure.told(tally.code) }
    }
}

extension Error {
    /// Whether a file may be another now than it was before the failure.
    fileprivate var mayHaveChanged: Bool {
        guard let error = self as? DFSError else { return false }
        return error.isTargetReplaced || error.isOutcomeUnknown && !error.isTargetUntouched
    }
}
