import DFSProtocol

/// Which answers wait for which commit, and what happens while commits fail.
///
/// One batch is at the store at a time; what changes meanwhile is the next one. A batch that
/// failed stays first in line and is tried again every second, and no change is accepted until it
/// is through.
struct Commits {
    /// Why the store took nothing.
    enum Failure: String, Sendable {
        case noSpace = "no-space"
        case io = "io"
    }

    struct Waiting {
        var id: RequestID
        var tag: Tag?
        var answer: LineWriter
    }

    /// Between two attempts after a failure, in milliseconds.
    static let retryMilliseconds: Int64 = 1000

    /// Answers whose changes go with the next batch.
    private var collecting: [Waiting] = []
    /// Answers whose changes are at the store.
    private var travelling: [Waiting] = []
    private(set) var isTravelling = false
    /// A batch that failed.
    private var batch: [CatalogueChange] = []
    private(set) var failure: Failure?
    private(set) var retryAt: MonotonicTime?

    /// The refusal of every change while the store takes none.
    var refusal: RequestError? { failure.map(Commits.error) }

    static func error(_ failure: Failure) -> RequestError {
        let retry = [RequestError.Field("retry", number: retryMilliseconds)]
        return switch failure {
        case .noSpace:
            RequestError(
                .noSpace, "the catalogue's disk is full; free space on the name server",
                fields: retry)
        case .io:
            RequestError(
                .io, "the catalogue can not be written; see the name server's log", fields: retry)
        }
    }

    /// Takes an answer that is given after the commit of what has changed until now.
    ///
    /// - Returns: False where there is nothing to wait for.
    mutating func hold(_ waiting: Waiting, hasChanges: Bool) -> Bool {
        if hasChanges || !batch.isEmpty && !isTravelling {
            collecting.append(waiting)
            return true
        }
        guard isTravelling else { return false }
        travelling.append(waiting)
        return true
    }

    /// Whether a batch may go to the store now.
    func mayTravel(at now: MonotonicTime) -> Bool {
        !isTravelling && (retryAt.map { $0 <= now } ?? true)
    }

    /// Joins what failed with what changed since; nil where there is nothing.
    mutating func depart(_ changes: [CatalogueChange]) -> [CatalogueChange]? {
        batch += changes
        if batch.isEmpty { return nil }
        isTravelling = true
        travelling = collecting
        collecting = []
        return batch
    }

    /// Gives the answers that waited for the batch.
    mutating func arrived() -> [Waiting] {
        isTravelling = false
        batch = []
        failure = nil
        retryAt = nil
        defer { travelling = [] }
        return travelling
    }

    /// Keeps the batch for another attempt; all who wait are to be told of the failure.
    mutating func failed(_ failure: Failure, at now: MonotonicTime) -> [Waiting] {
        isTravelling = false
        self.failure = failure
        retryAt = now.advanced(milliseconds: Commits.retryMilliseconds)
        defer {
            travelling = []
            collecting = []
        }
        return travelling + collecting
    }

    mutating func forget(_ connection: ConnectionID) {
        collecting.removeAll { $0.id.connection == connection }
        travelling.removeAll { $0.id.connection == connection }
    }
}
