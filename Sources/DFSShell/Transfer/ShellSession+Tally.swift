import DFSClient
import DFSProtocol

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
                tally.tell(output)
                throw ShellFailure.told(code)
            }
            tally.cutShort(code)
        }
        tally.tellUnnamed(output)
        tally.tell(output)
        if tally.code != .ok { throw ShellFailure.told(tally.code) }
    }
}
