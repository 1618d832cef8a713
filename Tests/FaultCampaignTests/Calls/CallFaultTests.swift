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
        CallFault(.sync, EIO, ["io"]), CallFault(.sync, ENOSPC, ["no-space", "io"]),
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

    @Test func `the checks find a lie, a leak and a wrong answer`() async throws {
        try await ClusterSlots.shared.run {
            let server = try FaultyServer()
            defer { server.cluster.shutDown() }
            try server.warmUp()
            let session = TypicalSession(in: "/lied", server.files, server.names, server.plan)
            try session.run()
            let path = server.folder + Array("/lied/a".utf8)

            #expect(try server.untruths(of: session) == [])
            #expect(try server.leaks() == [])
            try FileSystem.write(Array(repeating: 0x61, count: 14_999), to: path)
            #expect(try !server.untruths(of: session).isEmpty)
            try server.files.expectOK("OPEN /warm/a r")
            try FileSystem.write([], to: server.folder + Array("/.dfs-tmp-forgotten".utf8))
            // A session, its descriptor, and a file that was not completed.
            #expect(try server.leaks(within: .milliseconds(200)).count == 3)
            let fault = CallFault(.sync, EIO, ["io"])
            let hit = TypicalSession.Step(request: "SYNC h1", code: "no-space", isHit: true)
            let unhit = TypicalSession.Step(request: "SYNC h1", code: "io", isHit: false)
            #expect(FaultyServer.wrongAnswers([hit], fault).count == 1)
            #expect(FaultyServer.wrongAnswers([unhit], fault).count == 1)
        }
    }
}
