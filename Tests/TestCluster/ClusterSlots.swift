/// Lets a few clusters run at once, so that tests on a small machine do not look like dead servers.
public actor ClusterSlots {
    /// The slots of this test process.
    public static let shared = ClusterSlots(4)

    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(_ count: Int) { free = count }

    /// Runs a test's blocking body on a thread of its own as soon as there is a slot.
    public nonisolated func run<Result: Sendable>(
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        await enter()
        do {
            let result = try await BlockingThread.run(body)
            await leave()
            return result
        } catch {
            await leave()
            throw error
        }
    }

    private func enter() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    private func leave() {
        if waiting.isEmpty {
            free += 1
        } else {
            waiting.removeFirst().resume()
        }
    }
}
