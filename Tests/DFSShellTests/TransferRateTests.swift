import DFSProtocol
import Testing

@testable import DFSShell

/// What a line of progress tells, and what a limit allows; time is an argument here.
@Suite struct TransferRateTests {
    @Test func `a rate is told of the last ten seconds, with what is left`() {
        var rate = TransferRate()
        for second in 0...100 {
            // Slow at first, and fast for the last twelve seconds.
            let bytes = Int64(second) * 1000 + Int64(max(0, second - 88)) * 999_000
            rate.see(bytes, at: .seconds(second))
        }

        #expect(rate.bytesPerSecond == 1_000_000)
        #expect(rate.text(of: 12_088_000, total: 24_176_000) == ", 50 %, 1.0 MB/s, 12 s left")
        #expect(rate.text(of: 12_088_000, total: nil) == ", 1.0 MB/s")
    }

    @Test func `what stands still for three seconds is stalled, until something comes`() {
        var rate = TransferRate()
        rate.see(0, at: .seconds(0))
        rate.see(500, at: .seconds(1))
        rate.see(500, at: .seconds(3))
        let before = rate.isStalled
        rate.see(500, at: .seconds(4))
        let text = rate.text(of: 500, total: 1000)
        rate.see(501, at: .seconds(5))

        #expect(!before)
        #expect(text == ", 50 %, stalled")
        #expect(!rate.isStalled)
    }

    @Test func `at the start there is no rate, and of nothing no share`() {
        var rate = TransferRate()

        #expect(!rate.isStalled)
        rate.see(0, at: .zero)
        #expect(rate.text(of: 0, total: 0) == "")
        #expect(rate.text(of: 0, total: 10) == ", 0 %")
    }

    @Test(
        arguments: [
            ("1500", 1500), ("500k", 512_000), ("2M", 2_097_152), ("1g", 1_073_741_824),
            ("0", nil), ("0k", nil), ("", nil), ("k", nil), ("1.5M", nil), ("-1", nil),
            ("9223372036854775807", Int64.max), ("9223372036854775807k", nil), ("1kk", nil),
        ] as [(String, Int64?)])
    func `a limit is a number with a unit`(text: String, rate: Int64?) {
        #expect(RateLimit.bytesPerSecond([UInt8](text.utf8)) == rate)
    }

    @Test func `bytes wait for what passed before them, and a pause saves nothing up`() {
        let limit = RateLimit(bytesPerSecond: 1000)
        let start = ContinuousClock.now

        #expect(limit.turn(500, at: start) == start)
        #expect(limit.turn(3000, at: start) == start + .milliseconds(500))
        #expect(limit.turn(1, at: start) == start + .milliseconds(3500))
        let late = start + .seconds(60)
        #expect(limit.turn(1000, at: late) == late)
        #expect(limit.turn(1000, at: late) == late + .seconds(1))
    }

    @Test func `a rate that can not be read is usage`() async throws {
        let row = try #require(CommandTable.row(named: "get"))
        let words = try LineSplitter.split([UInt8]("get --limit-rate fast /a".utf8))[0].dropFirst()
        let call = try Invocation(row, words: Array(words))

        #expect(throws: ShellFailure.self) { try TransferManner(call, continues: false) }
    }
}
