import DFSClient
import DFSProtocol
import Synchronization

/// What completion asks; every answer comes within a budget or is nil, and none is an error.
extension ShellSession {
    /// Names of a directory, or nil where they could not be had in time.
    func find(_ names: NamesByPrefix, within budget: Duration) async -> CompletionAnswer? {
        await first(within: budget) { [client] in
            // Why a directory can not be listed is of no interest to completion.
            try? await names.find(client)
        }
    }

    /// The ids of the file servers, or nil where they could not be had in time.
    public func serverNames(within budget: Duration) async -> [String]? {
        await first(within: budget) { [client] in
            // Why servers can not be listed is of no interest to completion.
            try? await client.servers().map(\.id.text)
        }
    }

    /// The sessions that are open by hand, in the order of their names.
    public var handleNames: [String] {
        state.withLock { $0.sessions.keys.sorted(by: ShellSession.isEarlier) }
    }

    /// The names of the sessions of all servers that answer in time, or nil where none does.
    public func serverHandleNames(within budget: Duration) async -> [[UInt8]]? {
        let names = Mutex<Set<[UInt8]>?>(nil)
        _ = await first(within: budget) { [self] () -> Bool? in
            // Which servers can not be asked is of no interest to completion.
            guard let servers = try? await client.servers() else { return nil }
            // It only ends early where the budget has ended, and then so does this.
            try? await handles(of: servers) { _, result in
                guard case .success(let sessions) = result else { return }
                names.withLock { $0 = ($0 ?? []).union(sessions.map(\.handle)) }
            }
            return true
        }
        return names.withLock { $0 }?.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// `h2` stands before `h10`.
    static func isEarlier(_ left: String, _ right: String) -> Bool {
        (left.utf8.count, left) < (right.utf8.count, right)
    }

    private func first<Answer: Sendable>(
        within budget: Duration, _ work: @escaping @Sendable () async -> Answer?
    ) async -> Answer? {
        await withTaskGroup(of: Answer?.self) { group in
            group.addTask { await work() }
            group.addTask {
                // A cancelled sleep means that the work was done in time.
                try? await Task.sleep(for: budget)
                return nil
            }
            let answer = await group.next()
            group.cancelAll()
            return answer ?? nil
        }
    }
}
