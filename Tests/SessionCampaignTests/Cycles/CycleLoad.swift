import Synchronization
import TestCluster

/// Clients of the kill cycles, each on a thread of its own, and the count of what they were told.
final class CycleLoad: Sendable {
    private let acknowledged = Atomic(0)
    private let isOver = Atomic(false)
    private let hasFailed = Atomic(false)

    /// Lets clients work while `body` runs, and a little longer: each ends what it has begun.
    ///
    /// - Throws: `TestFailure` where a client could not go on; else what `body` throws.
    func run(
        clients count: Int, _ client: @escaping @Sendable (Int) -> CycleClient,
        while body: @escaping @Sendable (CycleLoad) throws -> Void
    ) async throws -> CycleRecord {
        try await withThrowingTaskGroup(of: CycleRecord.self) { group in
            for number in 0..<count {
                group.addTask { try self.work(client(number)) }
            }
            group.addTask {
                defer { self.isOver.store(true, ordering: .relaxed) }
                do { try body(self) } catch {
                    // A client that failed tells more than the wait for its progress.
                    if !self.hasFailed.load(ordering: .relaxed) { throw error }
                }
                return CycleRecord()
            }
            return try await group.reduce(into: CycleRecord()) { $0.add($1) }
        }
    }

    private func work(_ client: consuming CycleClient) throws -> CycleRecord {
        var client = client
        do {
            while !isOver.load(ordering: .relaxed) {
                let before = client.record.acknowledged
                try client.step()
                acknowledged.add(client.record.acknowledged - before, ordering: .relaxed)
            }
        } catch {
            hasFailed.store(true, ordering: .relaxed)
            throw error
        }
        return client.record
    }

    /// Waits until that many more requests have been acknowledged.
    func awaitProgress(_ count: Int) throws {
        let goal = acknowledged.load(ordering: .relaxed) + count
        try Deadline(after: .seconds(90)).await("\(count) more requests are acknowledged") {
            if hasFailed.load(ordering: .relaxed) { throw TestFailure("a client has failed") }
            return acknowledged.load(ordering: .relaxed) >= goal ? true : nil
        }
    }
}
