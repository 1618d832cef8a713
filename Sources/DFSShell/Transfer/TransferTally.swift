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
        /// Files that were found to be the same already.
        var unchanged: Int64 = 0
        /// What a mirror removed.
        var deleted: Int64 = 0
        /// Of `bytes` and `moving`, what was there already and did not travel.
        var had: Int64 = 0
        /// Files of which a part stays on this machine.
        var parts: Set<TreePath> = []
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
        /// A directory that is being moved, and where what was moved stands.
        var halves: (source: TreePath, half: TreePath)?
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
        private struct State {
            var bytes: Int64 = 0
            var had: Int64?
            var isUnchanged = false
        }

        private let tally: TransferTally
        private let state = Mutex(State())

        fileprivate init(_ tally: TransferTally) { self.tally = tally }

        /// Counts bytes as they arrive.
        func moved(_ bytes: Int) {
            state.withLock { $0.bytes.add(Int64(bytes)) }
            tally.counts.withLock { $0.moving.add(Int64(bytes)) }
        }

        /// Counts what was there before anything travelled.
        func had(_ bytes: Int64) {
            state.withLock { state in
                state.had = bytes
                state.bytes.add(bytes)
            }
            tally.counts.withLock { counts in
                counts.moving.add(bytes)
                counts.had.add(bytes)
            }
        }

        /// Counts all bytes of a file, of which some may have been counted as they passed.
        func holds(_ bytes: Int64) {
            moved(Int(clamping: bytes - state.withLock { $0.bytes }))
        }

        /// Notes how many bytes are there in all; what the first call tells had been there before.
        func reached(_ bytes: Int64) {
            let (change, isFirst) = state.withLock { state -> (Int64, Bool) in
                defer { state.bytes = bytes }
                guard state.had == nil else { return (bytes - state.bytes, false) }
                state.had = bytes
                return (bytes, true)
            }
            tally.counts.withLock { counts in
                counts.moving.add(change)
                if isFirst { counts.had.add(bytes) }
            }
        }

        /// Notes that the file is there already, and the same.
        func isUnchanged() { state.withLock { $0.isUnchanged = true } }

        fileprivate func end(isWhole: Bool) {
            let state = state.withLock { $0 }
            tally.counts.withLock { counts in
                counts.moving.add(-state.bytes)
                guard isWhole else { return counts.had.add(-(state.had ?? 0)) }
                if state.isUnchanged { return counts.unchanged += 1 }
                counts.files += 1
                counts.bytes.add(state.bytes)
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

    /// Counts a file that is known to be the same already.
    func unchanged() { counts.withLock { $0.unchanged += 1 } }

    /// Counts something that a mirror removed.
    func deleted() { counts.withLock { $0.deleted += 1 } }

    /// Notes that a part of a file stays on this machine.
    func keepsPart(of path: TreePath) {
        counts.withLock { counts in _ = counts.parts.insert(path) }
    }

    /// Notes that a file is whole.
    func keepsNoPart(of path: TreePath) {
        counts.withLock { counts in _ = counts.parts.remove(path) }
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

    /// How many files that were to be brought are missing.
    var missing: Int64 { counts.withLock { $0.failed } }

    /// Notes that the person wanted no more.
    func interrupted() { counts.withLock { $0.isInterrupted = true } }

    /// Whether there is something to sum up.
    var hasBegun: Bool {
        counts.withLock { counts in
            counts.files + counts.failed + counts.unchanged + counts.deleted > 0
                || !counts.parts.isEmpty
        }
    }

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
                session.output.complain(ErrorSentence.text(error), nil, error)
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
        if !sentence.isEmpty, isNamed(error) {
            session.output.complain(sentence, failure.code, failure.error)
        }
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

    /// Notes where what was moved stands until all of it is there.
    func keepsHalves(of source: TreePath, in half: TreePath) {
        counts.withLock { $0.halves = (source, half) }
    }

    /// The code that the transfer ends with.
    var code: ExitCode { counts.withLock { $0.firstFailure } ?? .ok }

    /// Tells what was done and is missing, with `--json` as a result.
    func tell(_ output: ShellOutput) {
        guard output.isJSON else { return output.complain(summary) }
        let counts = counts.withLock { $0 }
        output.object([
            "done": .text(verb), "files": .number(counts.files), "bytes": .number(counts.bytes),
            "failed": .number(counts.failed), "skipped": .number(counts.skipped),
            "rest": .flag(counts.hasRest || counts.isInterrupted),
        ])
    }

    /// `got 2 files, 12 bytes`, with what is missing, and the speed where that says something.
    var summary: String {
        let counts = counts.withLock { $0 }
        return moved(counts) + missing(counts)
    }

    /// What a line of progress tells.
    struct Sight: Equatable {
        let text: String
        /// Files that failed.
        let missing: Int64
        /// What has come, also of files that are under way.
        let bytes: Int64
        /// Of those, what was there before.
        let had: Int64
    }

    /// As `summary`, with the bytes of files that are under way, and without a rate.
    var sight: Sight {
        let counts = counts.withLock { $0 }
        var bytes = counts.bytes
        bytes.add(counts.moving)
        return Sight(
            text: files(counts.files, bytes), missing: counts.failed, bytes: bytes,
            had: counts.had)
    }

    private func files(_ files: Int64, _ bytes: Int64) -> String {
        "\(verb) \(Amounts.count(files, "file")), " + Amounts.sentence(bytes)
    }

    private func moved(_ counts: Counts) -> String {
        let text = files(counts.files, counts.bytes)
        let elapsed = ContinuousClock.now - start
        let seconds =
            Double(elapsed.components.seconds)
            + Double(elapsed.components.attoseconds) / 1e18
        var bytes = counts.bytes
        bytes.add(-counts.had)
        // Of little the time says nothing but how busy the machine was.
        guard seconds >= 1, bytes >= 1_000_000 else { return text }
        let tenths = Int64(seconds * 10)
        let rate = Amounts.sentence(TransferRate.rate(of: bytes, in: seconds))
        return text + " in \(tenths / 10).\(tenths % 10) s (\(rate)/s)"
    }

    private func missing(_ counts: Counts) -> String {
        var text = ""
        if counts.unchanged > 0 { text += "; \(counts.unchanged) unchanged" }
        if counts.deleted > 0 {
            let isDry = verb.hasPrefix("would ")
            text += isDry ? "; would delete \(counts.deleted)" : "; \(counts.deleted) deleted"
        }
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
        if let part = counts.parts.first {
            text +=
                counts.parts.count == 1
                ? "; a part of \(part) is kept here: get -c goes on with it"
                : "; parts of \(counts.parts.count) files are kept here: get -c goes on with them"
        }
        if counts.leftovers > 0 {
            let parts = Amounts.count(counts.leftovers, "part")
            text += "; \(parts) may be left under the names told above"
        }
        let isMissing = counts.failed > 0 || counts.hasRest || counts.isInterrupted
        if isMissing, let (source, half) = counts.halves {
            text += "; one part stands in \(half) and the rest in \(source)"
        }
        if isMissing, let command = counts.completion { text += "; to complete it: \(command)" }
        return text
    }
}

extension Int64 {
    /// Adds, and stays at the largest or smallest number: what a peer tells is no number to trust.
    fileprivate mutating func add(_ other: Int64) {
        let (sum, overflow) = addingReportingOverflow(other)
        self = overflow ? (other > 0 ? .max : .min) : sum
    }
}

extension Error {
    /// Whether a file may be another now than it was before the failure.
    fileprivate var mayHaveChanged: Bool {
        guard let error = self as? DFSError else { return false }
        return error.isTargetReplaced || error.isOutcomeUnknown && !error.isTargetUntouched
    }
}
