import Glibc
import TestCluster
import Testing

/// The same for what the server keeps for itself: identities, versions and marks in `.dfs`.
struct LedgerFaultTests {
    private static let faults: [CallFault] = [
        CallFault(.write, ENOSPC, ["no-space"], at: .own),
        CallFault(.write, EIO, ["io"], at: .own),
        CallFault(.sync, EIO, ["io"], at: .own),
        CallFault(.write, EIO, ["io"], at: .own, isLasting: true),
        CallFault(.sync, EIO, ["io"], at: .own, isLasting: true),
    ]

    /// Each failed commit costs a second until it is tried again: lanes wait at the same time.
    private static let lanes: UInt64 = 4

    /// How many calls are passed over between two that fail.
    ///
    /// 1 with `DFS_LONG` in the environment: then each fails once, which takes some minutes.
    private static let stride: UInt64 = getenv("DFS_LONG") == nil ? 9 : 1

    @Test(arguments: faults, 0..<lanes)
    func `each call for the ledger may fail, and the server recovers by itself`(
        _ fault: CallFault, lane: UInt64
    ) async throws {
        try await ClusterSlots.shared.run {
            let server = try FaultyServer()
            defer { server.cluster.shutDown() }
            try server.warmUp()

            var (number, problems, hits) = (lane * LedgerFaultTests.stride + 1, [String](), 0)
            while number < 2000 {
                let round = try server.round(fault, number)
                problems += round.problems
                if round.fired == 0 { break }
                hits += 1
                number += LedgerFaultTests.lanes * LedgerFaultTests.stride
            }
            print("NUMBER", fault.testDescription, number)

            #expect(problems == [])
            #expect(hits > 0, "no such call was made")
            #expect(number < 2000)
        }
    }
}
