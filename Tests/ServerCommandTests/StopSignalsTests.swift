import Testing

@testable import ServerCommand

/// Which signals end a server at once.
@Suite struct StopSignalsTests {
    @Test(
        arguments: [
            (["SIGTERM"], 0), (["SIGTERM", "SIGTERM"], 2), (["SIGINT", "SIGTERM"], 2),
            (["SIGHUP", "SIGTERM"], 0), (["SIGHUP", "SIGHUP", "SIGHUP"], 0),
            (["SIGTERM", "SIGHUP"], 0), (["SIGTERM", "SIGHUP", "SIGTERM"], 3),
            (["SIGHUP", "SIGTERM", "SIGINT"], 3),
        ] as [([String], Int)])
    func `the second one that was sent on purpose does`(names: [String], last: Int) {
        var arrivals = StopSignals.Arrivals()

        let ends = names.map { arrivals.add($0) }

        #expect(arrivals.first == names.first)
        #expect((ends.firstIndex(of: true) ?? -1) + 1 == last)
    }
}
