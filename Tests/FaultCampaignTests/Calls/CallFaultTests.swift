import Glibc
import TestCluster
import Testing

/// Each call that a typical session makes fails once, and once for good: the right error, no lie
/// later, nothing left open.
struct CallFaultTests {
    private static let once: [CallFault] = [
        CallFault(.open, EIO, ["io"]), CallFault(.open, EMFILE, ["busy"]),
        CallFault(.read, EIO, ["io"]), CallFault(.write, EIO, ["io"]),
        CallFault(.write, ENOSPC, ["no-space"]), CallFault(.write, EDQUOT, ["quota"]),
        CallFault(.sync, EIO, ["io"]), CallFault(.sync, ENOSPC, ["no-space"]),
        CallFault(.rename, EIO, ["io"]), CallFault(.rename, ENOSPC, ["no-space"]),
        CallFault(.unlink, EIO, ["io"]), CallFault(.truncate, EIO, ["io"]),
        CallFault(.makeFolder, ENOSPC, ["no-space"]), CallFault(.list, EIO, ["io"]),
    ]

    private static let lasting: [CallFault] = [
        CallFault(.open, EMFILE, ["busy"], isLasting: true),
        CallFault(.read, EIO, ["io"], isLasting: true),
        CallFault(.write, EROFS, ["read-only"], isLasting: true),
        CallFault(.sync, EIO, ["io"], isLasting: true),
        CallFault(.rename, EROFS, ["read-only"], isLasting: true),
        CallFault(.unlink, EROFS, ["read-only"], isLasting: true),
    ]

    /// More rounds than any script needs: a plan that never stops firing would be our mistake.
    private static let most: UInt64 = 400

    @Test(arguments: once + lasting)
    func `each call of a session may fail, and nothing is a lie later`(
        _ fault: CallFault
    ) async throws {
        try await ClusterSlots.shared.run {
            let server = try FaultyServer()
            defer { server.cluster.shutDown() }
            try server.warmUp()

            var (number, problems) = (UInt64(1), [String]())
            while number < CallFaultTests.most {
                let round = try server.round(fault, number)
                problems += round.problems
                if round.fired == 0 { break }
                number += 1
            }

            #expect(problems == [])
            #expect(number > 1, "no such call was made")
            #expect(number < CallFaultTests.most)
        }
    }
}
