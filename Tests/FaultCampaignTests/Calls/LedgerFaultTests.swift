import Glibc
import TestCluster
import Testing

/// The same for what the server keeps for itself: identities, versions and marks in `.dfs`.
struct LedgerFaultTests {
    private static let faults: [CallFault] = [
        // Behind a name that has changed it is told as what nobody knows.
        CallFault(.write, ENOSPC, ["no-space", "io"], at: .own),
        CallFault(.write, EIO, ["io"], at: .own),
        CallFault(.sync, EIO, ["io"], at: .own),
        CallFault(.write, EROFS, ["io", "read-only"], at: .own, isLasting: true),
        CallFault(.sync, EIO, ["io"], at: .own, isLasting: true),
    ]

    /// Each failed commit costs a second until it is tried again: lanes wait at the same time.
    private static let lanes: UInt64 = 4

    /// Every so many-th call fails.
    ///
    /// Each one with `DFS_LONG` in the environment, which takes some minutes.
    private static func stride(_ call: FaultPlan.Call) -> UInt64 {
        getenv("DFS_LONG") == nil && call == .write ? 9 : 1
    }

    @Test(arguments: faults, 0..<lanes)
    func `each call for the ledger may fail, and the server recovers by itself`(
        _ fault: CallFault, lane: UInt64
    ) async throws {
        try await ClusterSlots.shared.run {
            let server = try FaultyServer()
            defer { server.cluster.shutDown() }
            try server.warmUp()

            let stride = LedgerFaultTests.stride(fault.call)
            var (number, problems, hits) = (lane * stride + 1, [String](), 0)
            while number < 2000 {
                let round = try server.round(fault, number)
                problems += round.problems
                if round.fired == 0 { break }
                hits += 1
                number += LedgerFaultTests.lanes * stride
            }

            #expect(problems == [])
            #expect(hits > 0, "no such call was made")
            #expect(number < 2000)
        }
    }
}
