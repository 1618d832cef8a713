import DFSClient
import DFSProtocol
import Synchronization
import Testing

@testable import DFSShell

/// What a transfer of many files says of those that did not come.
@Suite struct TallyTests {
    /// Has a put meet failures, and gives what was said of them, with the sum at the end.
    private func said(_ failures: [DFSError], isInterrupted: Bool = false) async throws -> String {
        let text = Mutex("")
        let take = { @Sendable (bytes: [UInt8]) in
            text.withLock { $0 += String(decoding: bytes, as: UTF8.self) }
            return true
        }
        let output = ShellOutput(results: take, complaints: take)
        let client = DFSClient(nameServers: [Endpoint(host: "127.0.0.1", port: 1)])
        let session = ShellSession(client: client, output: output)
        let tally = TransferTally("put")

        for failure in failures {
            do {
                try await tally.tell(failure, session)
                #expect(!isInterrupted)
            } catch {
                #expect(error is CancellationError)
                #expect(isInterrupted)
            }
        }
        if isInterrupted { tally.interrupted() }
        tally.tellUnnamed(output)
        output.complain(tally.summary)
        _ = await output.settle()
        await client.close()
        return text.withLock { $0 }
    }

    private func failure(_ code: ErrorCode, _ path: String) throws -> DFSError {
        var error = DFSError(code, path: try TreePath(path), "given up by the caller")
        error.server = ServerID("m2")
        return error
    }

    @Test func `a file that may be stored is told also where the transfer is interrupted`()
        async throws
    {
        var inDoubt = try failure(.cancelled, "/a")
        inDoubt.isOutcomeUnknown = true
        var left = try failure(.cancelled, "/b")
        left.isTargetUntouched = true
        left.leftover = try TreePath("/b.dfs-part-1")
        var untouched = try failure(.cancelled, "/c")
        untouched.isTargetUntouched = true

        let text = try await said([inDoubt, left, untouched], isInterrupted: true)

        #expect(
            text == """
                dfsh: /a: interrupted; it may have been done all the same, so look before \
                repeating it
                dfsh: /b: interrupted; the part that was sent may be left as /b.dfs-part-1, \
                which rm removes
                dfsh: put 0 files, 0 bytes; interrupted, and the rest is missing, or may be \
                stored as told above; 1 part may be left under the names told above

                """)
    }

    @Test func `an interrupted transfer that left nothing in doubt says only what is missing`()
        async throws
    {
        var untouched = try failure(.cancelled, "/c")
        untouched.isTargetUntouched = true

        let text = try await said([untouched], isInterrupted: true)

        #expect(text == "dfsh: put 0 files, 0 bytes; interrupted, and the rest is missing\n")
    }

    @Test func `each file that may be stored is named, and of others ten for one reason`()
        async throws
    {
        let failures = try (10..<22).map { number in
            var error = try failure(.serverDown, "/f\(number)")
            error.isOutcomeUnknown = true
            return error
        }
        let plain = try (10..<22).map { try failure(.serverDown, "/g\($0)") }

        let inDoubt = try await said(failures).split(separator: "\n")
        let others = try await said(plain).split(separator: "\n")

        #expect(inDoubt.count == 13)
        for (line, failure) in zip(inDoubt, failures) {
            #expect(line.hasPrefix("dfsh: \(failure.path?.description ?? ""): "))
            #expect(line.contains("may have been done all the same"))
        }
        #expect(others.count == 12)
        #expect(others[10] == "dfsh: 2 more files: file server m2 is down")
    }

    @Test func `a put to a server whose folders went away says what became of it`() throws {
        var inDoubt = try failure(.serverDown, "/a")
        inDoubt.isOutcomeUnknown = true
        var untouched = try failure(.serverDown, "/a")
        untouched.isTargetUntouched = true
        let read = try failure(.serverDown, "/a")

        let ends = [inDoubt, untouched, read].map {
            ErrorSentence.text($0, goodbye: .away).split(separator: "mounted?); ").last
        }

        let advice = "try again when they are back (\"servers\" shows it)"
        #expect(
            ends == [
                "what was asked may have been done all the same; \(advice)",
                "nothing was put under its name; \(advice)", Substring(advice),
            ])
    }
}
