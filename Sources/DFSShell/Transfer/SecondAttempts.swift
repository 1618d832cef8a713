import DFSClient
import DFSProtocol
import Synchronization

/// Files whose server went away under them: each is tried again when it is back.
///
/// A server that is restarted is away for a second or two. Of thousands of small files many are
/// begun in that time, and none of them need be missing at the end.
final class SecondAttempts: Sendable {
    /// Tries one file again; what is given takes it once more, and nil has its failure told.
    typealias Attempt = @Sendable (SecondAttempts?) async throws -> Void

    private struct State {
        /// Who was up when the transfer began.
        var wereUp: Set<ServerID> = []
        var waiting: [(server: ServerID, attempt: Attempt)] = []
    }

    private let state = Mutex(State())

    /// So many files travel at once the second time.
    private static let width = 16

    /// Notes who is up: whoever is down from the beginning is not waited for.
    func begin(_ session: ShellSession) async {
        // Who can not be asked is nobody to wait for; what is asked next tells why.
        let servers = (try? await session.client.servers()) ?? []
        let ids = servers.filter(\.state.isAvailable).map(\.id)
        state.withLock { $0.wereUp = Set(ids) }
    }

    /// Takes a file that failed, where it may fare better later; else its failure is to be told.
    func takes(_ error: any Error, _ attempt: @escaping Attempt) -> Bool {
        guard let error = error as? DFSError, let server = error.server else { return false }
        let isAway =
            error.known == .serverDown || error.code == "connection-lost"
            || error.code == "unreachable"
        guard isAway else { return false }
        return state.withLock { state in
            guard state.wereUp.contains(server) else { return false }
            state.waiting.append((server, attempt))
            return true
        }
    }

    /// Waits for the servers, a deadline long, and tries each file again, until it came or not.
    ///
    /// - Throws: What an attempt throws: that the whole was interrupted.
    func run(_ session: ShellSession) async throws {
        let end = ContinuousClock.now + session.client.options.deadline
        while true {
            let all = state.withLock { state in
                defer { state.waiting = [] }
                return state.waiting
            }
            guard !all.isEmpty else { return }
            try await wait(for: Set(all.map(\.server)), until: end, session)
            let later = ContinuousClock.now < end ? self : nil
            try await withThrowingTaskGroup(of: Void.self) { group in
                var running = 0
                for (_, attempt) in all {
                    if running >= SecondAttempts.width {
                        try await group.next()
                        running -= 1
                    }
                    group.addTask { try await attempt(later) }
                    running += 1
                }
                try await group.waitForAll()
            }
        }
    }

    /// A server that was just killed is still called up: who asks too early asks again.
    private func wait(
        for away: Set<ServerID>, until end: ContinuousClock.Instant, _ session: ShellSession
    ) async throws {
        repeat {
            try await Task.sleep(for: .milliseconds(200))
            // Who can not be asked now is asked again; the attempts tell what is wrong.
            let servers = (try? await session.client.servers()) ?? []
            let back = servers.filter { $0.state == .up || $0.state == .draining }.map(\.id)
            if away.isSubset(of: back) { return }
        } while ContinuousClock.now < end
    }
}
