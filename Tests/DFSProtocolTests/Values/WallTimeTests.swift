import DFSProtocol
import Testing

@Suite struct WallTimeTests {
    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0, 0), ("1969-12-31T23:59:59Z", -1, 0),
            ("1969-12-31T23:59:59.5Z", -1, 500_000_000), ("2000-02-29T12:00:00Z", 951_825_600, 0),
            ("2024-02-29T00:00:00Z", 1_709_164_800, 0),
            ("2026-11-22T08:30:00.123456789Z", 1_795_336_200, 123_456_789),
            ("2026-11-22T08:30:00.000000001Z", 1_795_336_200, 1),
            ("0001-01-01T00:00:00Z", -62_135_596_800, 0),
            ("9999-12-31T23:59:59.999999999Z", 253_402_300_799, 999_999_999),
            ("1900-03-01T00:00:00Z", -2_203_891_200, 0),
        ] as [(String, Int64, Int32)])
    func `a time is read and written`(written: String, seconds: Int64, nanoseconds: Int32) throws {
        let time = WallTime(seconds: seconds, nanoseconds: nanoseconds)

        #expect(text(time.text) == written)
        #expect(try WallTime(text: bytes(written)) == time)
    }

    @Test func `zeros at the end of a fraction may be read and are not written`() throws {
        let time = try WallTime(text: bytes("2026-11-22T08:30:00.500Z"))

        #expect(text(time.text) == "2026-11-22T08:30:00.5Z")
    }

    @Test(arguments: [
        "", "Z", "now", "2026-11-22", "2026-11-22T08:30:00", "2026-11-22T08:30:00+00:00",
        "2026-11-22 08:30:00Z", "2026-11-22T08:30:00.Z", "2026-11-22T08:30:00.1234567890Z",
        "2026-11-22T08:30:00,5Z", "2026-11-22T08:30:00.5", "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z",
        "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "0000-01-01T00:00:00Z",
        "2026-11-22T08:30:00.5xZ", "-026-11-22T08:30:00Z", "2026-11-22t08:30:00z",
    ])
    func `what is no time of the calendar in UTC is refused`(text: String) {
        let refused = refusal { () throws(RequestError) in _ = try WallTime(text: bytes(text)) }

        #expect(refused?.code == .badArgument)
    }

    @Test func `every time that can be written comes back`() throws {
        var random = SeededRandom(seed: 7)

        for _ in 0..<20_000 {
            let time = WallTime(
                seconds: Int64.random(in: -62_135_596_800...253_402_300_799, using: &random),
                nanoseconds: Int32.random(in: 0...999_999_999, using: &random))
            #expect(try WallTime(text: time.text) == time)
        }
    }

    @Test func `days follow one another through four centuries`() throws {
        var previous = try WallTime(text: bytes("1599-12-31T00:00:00Z"))

        for _ in 0..<146_097 {
            let next = WallTime(seconds: previous.seconds + 86_400)
            guard previous < next, previous.text.lexicographicallyPrecedes(next.text) else {
                Issue.record("\(text(previous.text)) before \(text(next.text))")
                return
            }
            previous = next
        }
        #expect(text(previous.text) == "1999-12-31T00:00:00Z")
    }

    @Test(
        arguments: [
            (Int64.min, 0, "0001-01-01T00:00:00Z"), (-62_135_596_801, 5, "0001-01-01T00:00:00Z"),
            (Int64.max, 0, "9999-12-31T23:59:59.999999999Z"),
            (253_402_300_800, 0, "9999-12-31T23:59:59.999999999Z"), (0, -1, "1970-01-01T00:00:00Z"),
            (0, Int32.max, "1970-01-01T00:00:00.999999999Z"),
        ] as [(Int64, Int32, String)])
    func `what a file system keeps beyond the calendar becomes its first or last time`(
        seconds: Int64, nanoseconds: Int32, written: String
    ) {
        #expect(text(WallTime(seconds: seconds, nanoseconds: nanoseconds).text) == written)
    }

    @Test func `monotonic time saturates instead of trapping`() {
        let (first, last) = (MonotonicTime(nanoseconds: .min), MonotonicTime(nanoseconds: .max))

        #expect(last.milliseconds(since: first) == Int64.max / 1_000_000)
        #expect(first.milliseconds(since: last) == 0)
        #expect(last.advanced(milliseconds: 1) == last)
        #expect(MonotonicTime(nanoseconds: 0).advanced(milliseconds: .max) == last)
        #expect(MonotonicTime(nanoseconds: 0).advanced(milliseconds: .min) == first)
        #expect(MonotonicTime(nanoseconds: 5).advanced(milliseconds: 2).nanoseconds == 2_000_005)
        #expect(
            MonotonicTime(nanoseconds: 3_999_999).milliseconds(since: .init(nanoseconds: 0)) == 3)
    }
}
