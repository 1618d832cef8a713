import DFSProtocol
import Glibc

/// How fast something moves, from what was seen of it in the last seconds.
struct TransferRate {
    /// What was seen at a time: the bytes that have come.
    private var samples: [(time: Duration, bytes: Int64)] = []
    /// Since when nothing has come.
    private var lastChange = Duration.zero

    /// A rate is told of what came within this time.
    private static let window = Duration.seconds(10)
    /// So long nothing has come before it is called stalled.
    private static let patience = Duration.seconds(3)

    /// Notes how many bytes have come; time only rises.
    mutating func see(_ bytes: Int64, at time: Duration) {
        if let last = samples.last, bytes != last.bytes { lastChange = time }
        if samples.isEmpty { lastChange = time }
        samples.append((time, bytes))
        while samples.count > 2, time - samples[1].time >= TransferRate.window {
            samples.removeFirst()
        }
    }

    /// Whether nothing has come for a while.
    var isStalled: Bool {
        guard let last = samples.last else { return false }
        return last.time - lastChange >= TransferRate.patience
    }

    /// Bytes a second; nil before there is anything to tell it from.
    var bytesPerSecond: Int64? {
        guard let first = samples.first, let last = samples.last else { return nil }
        let (seconds, attoseconds) = (last.time - first.time).components
        let time = Double(seconds) + Double(attoseconds) / 1e18
        let (bytes, overflow) = last.bytes.subtractingReportingOverflow(first.bytes)
        guard !overflow, time >= 0.5, bytes > 0 else { return nil }
        return TransferRate.rate(of: bytes, in: time)
    }

    /// Bytes a second, as far as a number goes.
    ///
    /// - Parameter seconds: More than zero.
    static func rate(of bytes: Int64, in seconds: Double) -> Int64 {
        let rate = Double(bytes) / seconds
        return rate < 0x1p62 ? Int64(rate) : .max
    }

    /// What is said behind the amount: how much of all, how fast, how long still.
    func text(of bytes: Int64, total: Int64?) -> String {
        var text = ""
        if let total, total > 0 {
            text += ", \(Int64(Double(min(bytes, total)) / Double(total) * 100)) %"
        }
        if isStalled { return text + ", stalled" }
        guard let rate = bytesPerSecond else { return text }
        text += ", \(Amounts.sentence(rate))/s"
        guard let total, total > bytes, rate > 0 else { return text }
        let left = (total - bytes) / rate
        return text + ", \(Amounts.seconds(min(left, 1_000_000_000) * 1000)) left"
    }
}

extension TransferTally {
    /// Shows the tally twice a second until the task is cancelled, on one line of a terminal.
    ///
    /// Only while this is what the terminal's person has in front: a job of another shell that was
    /// sent to the background writes nothing between its lines.
    func show(on output: ShellOutput, total: Int64?) async {
        let start = ContinuousClock.now
        var rate = TransferRate()
        while !Task.isCancelled {
            // A cancelled sleep ends the loop in the next line.
            try? await Task.sleep(for: .milliseconds(500))
            if Task.isCancelled { break }
            let sight = sight
            rate.see(max(0, sight.bytes) - max(0, sight.had), at: ContinuousClock.now - start)
            guard TransferTally.isInFront else { continue }
            var text = sight.text + rate.text(of: sight.bytes, total: total)
            if sight.missing > 0 { text += ", \(sight.missing) missing" }
            // A line that wraps can not be taken back.
            output.progress(String(text.prefix(TransferTally.columns - 1)))
        }
        if TransferTally.isInFront { output.progress("") }
    }

    private static var columns: Int {
        var size = winsize()
        let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0
        return isKnown && size.ws_col > 1 ? Int(size.ws_col) : 80
    }

    private static var isInFront: Bool {
        let group = tcgetpgrp(STDERR_FILENO)
        // Where standard error is no terminal of this session, there is none to be behind of.
        return group < 0 || group == getpgrp()
    }
}
