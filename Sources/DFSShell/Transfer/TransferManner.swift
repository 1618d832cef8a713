import DFSProtocol
import Synchronization

/// How files are brought from one place to the other.
struct TransferManner: Sendable {
    /// Whether permission bits and times are kept as they are.
    var keepsAttributes = false
    /// Whether those of directories are too.
    var keepsDirectories = false
    /// Whether what an earlier attempt left is compared and gone on with.
    var continues = false
    /// Whether this is another attempt of the same command, whose server had gone away.
    var isAgain = false
    /// How fast all of them together may travel; nil for as fast as it goes.
    var limit: RateLimit?
    /// Whether what would be done is only told.
    var isDry = false

    init() {}

    /// Reads the options that `get`, `put` and their kin share.
    ///
    /// - Throws: `ShellFailure` with `usage` for a rate that is none.
    init(_ call: Invocation, continues: Bool) throws {
        keepsAttributes = call.has("p")
        keepsDirectories = keepsAttributes
        self.continues = continues || call.has("c")
        isDry = call.has("dry-run")
        limit = try call.value("limit-rate").map { word in
            guard let rate = RateLimit.bytesPerSecond(word.bytes) else {
                throw call.misuse("\(word.shown) is no rate; \"500k\" and \"2M\" are")
            }
            return RateLimit(bytesPerSecond: rate)
        }
    }

    /// The rows of the options.
    static let options: [CommandSpecification.Option] = [
        .init("p", "permission bits and times as they are at the source"),
        limitRate, dryRun,
    ]

    /// `-c`, of the commands that are not named for it.
    static let continuing = CommandSpecification.Option(
        "c", "goes on with what an earlier attempt left, once it was compared")
    static let limitRate = CommandSpecification.Option(
        "limit-rate", "so many bytes a second at most; 500k and 2M are understood",
        value: .rate, isLong: true)
    static let dryRun = CommandSpecification.Option(
        "dry-run", "only tells what would be done", isLong: true)
}

/// Lets no more than so many bytes a second pass; for everything that a command moves together.
final class RateLimit: Sendable {
    private let bytesPerSecond: Int64
    private let next = Mutex<ContinuousClock.Instant?>(nil)

    /// - Parameter bytesPerSecond: Above 0.
    init(bytesPerSecond: Int64) { self.bytesPerSecond = max(1, bytesPerSecond) }

    /// Reads `1500`, `500k`, `2M`, `1G`; nil for what is none, and for 0.
    static func bytesPerSecond(_ text: [UInt8]) -> Int64? {
        var digits = text
        var factor: Int64 = 1
        switch text.last {
        case UInt8(ascii: "k"), UInt8(ascii: "K"): factor = 1024
        case UInt8(ascii: "m"), UInt8(ascii: "M"): factor = 1_048_576
        case UInt8(ascii: "g"), UInt8(ascii: "G"): factor = 1_073_741_824
        default: break
        }
        if factor > 1 { digits.removeLast() }
        guard let number = Number.parse(digits.span), number > 0 else { return nil }
        let (rate, isTooMuch) = number.multipliedReportingOverflow(by: factor)
        return isTooMuch ? nil : rate
    }

    /// When bytes that come now may pass, and notes them.
    func turn(_ bytes: Int, at now: ContinuousClock.Instant) -> ContinuousClock.Instant {
        // Rounded up, and in two steps: the product of both would overflow.
        let (seconds, rest) = Int64(bytes).quotientAndRemainder(dividingBy: bytesPerSecond)
        let fraction = Double(rest) / Double(bytesPerSecond)
        return next.withLock { next in
            let start = max(next ?? now, now)
            next = start + .seconds(seconds) + .seconds(fraction)
            return start
        }
    }

    /// Waits until bytes may pass.
    ///
    /// - Throws: `CancellationError`.
    func pass(_ bytes: Int) async throws {
        let start = turn(bytes, at: .now)
        if start > .now { try await Task.sleep(until: start) }
    }
}
