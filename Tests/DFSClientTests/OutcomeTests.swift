import DFSTransport
import Testing

@testable import DFSClient

/// What a failure says of what was asked.
@Suite struct OutcomeTests {
    @Test func `what may have been done is not untouched unless somebody knows it`() {
        var failure = DFSError("connection-lost", "gone")
        failure.isTargetUntouched = true
        failure.isOutcomeUnknown = true
        #expect(!failure.isTargetUntouched)

        // As store() does of a file that went under another name.
        failure.isTargetUntouched = true
        #expect(failure.isOutcomeUnknown)
        #expect(failure.afterReplacement.isTargetReplaced)
        #expect(!failure.afterReplacement.isTargetUntouched)
    }

    @Test func `a server that answers others is not silent`() throws {
        let silences = Silences()
        let endpoint = Endpoint(host: "127.0.0.1", port: 1)
        let (one, other) = (Patience(.seconds(10)), Patience(.seconds(10)))

        #expect(silences.begin(one, at: endpoint) == nil)
        let began = ContinuousClock.now - .seconds(60)
        silences.end(one, at: endpoint, .timedOut(.fetch), since: began, heard: .now)
        #expect(silences.begin(one, at: endpoint) == nil)
        #expect(silences.begin(other, at: endpoint) == nil)

        silences.end(one, at: endpoint, .timedOut(.fetch), since: began, heard: began)
        #expect(silences.begin(one, at: endpoint) == nil)
        #expect(silences.begin(other, at: endpoint) != nil)
    }
}
