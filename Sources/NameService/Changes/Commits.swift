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

    /// What a commit is awaited for.
    enum Waiting {
        /// - Parameter isRepeatable: Whether the request may be told to come again, since doing it
        ///   twice is as good as once. Others are told that nobody knows.
        case answer(RequestID, Tag?, LineWriter, isRepeatable: Bool)
        /// The owners are asked for what is intended durably now.
        case asking(operation: Int64)
    }

    /// Between two attempts after a failure, in milliseconds.
    static let retryMilliseconds: Int64 = 1000

    /// What waits for changes that go with the next batch.
    private var collecting: [Waiting] = []
    /// What waits for changes that are at the store.
    private var travelling: [Waiting] = []
    private(set) var isTravelling = false
    /// A batch that failed.
    private var batch: [CatalogueChange] = []
    private(set) var failure: Failure?
    private(set) var retryAt: MonotonicTime?
    /// Counts the batches that went to the store, and up to which one all are durable.
    private var departures = 0
    private var durable = 0

    /// The refusal of every change while the store takes none.
    var refusal: RequestError? { failure.map(Commits.error) }

    /// The batch that what changes now will be in; see `isDurable`.
    var nextDeparture: Int { departures + 1 }

    /// Whether what went with a batch is in the store.
    func isDurable(_ departure: Int) -> Bool { departure <= durable }

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

    /// What is told of a change that was made and whose commit failed.
    ///
    /// It is in the tree and will be durable once the store takes it, unless the name server ends
    /// before: neither done nor undone.
    static func unknown(_ failure: Failure) -> RequestError {
        switch failure {
        case .noSpace:
            RequestError(
                .timeout,
                "the catalogue's disk is full: it is kept when there is room, or lost at a stop; "
                    + "look before you repeat")
        case .io:
            RequestError(
                .timeout,
                "the catalogue can not be written: it is kept when that works again, or lost at a "
                    + "stop; look before you repeat")
        }
    }

    /// Takes what is to happen after the commit of what has changed until now.
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
        departures += 1
        travelling = collecting
        collecting = []
        return batch
    }

    /// Hands over what waited for the batch.
    mutating func arrived() -> [Waiting] {
        isTravelling = false
        durable = departures
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
}
