/// A point on a clock that only moves forward; what leases and liveness are counted on.
public struct MonotonicTime: Hashable, Comparable, Sendable {
    /// Nanoseconds since some start that means nothing by itself.
    public var nanoseconds: Int64

    /// Takes nanoseconds since an arbitrary start.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Whole milliseconds from an earlier point to this one; 0 where `earlier` is later.
    public func milliseconds(since earlier: MonotonicTime) -> Int64 {
        guard earlier < self else { return 0 }
        let (difference, overflow) = nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
        return (overflow ? .max : difference) / 1_000_000
    }

    /// The point that many milliseconds later; the end of time where that is beyond it.
    public func advanced(milliseconds: Int64) -> MonotonicTime {
        let (span, tooLong) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        let (sum, tooLate) = nanoseconds.addingReportingOverflow(span)
        guard tooLong || tooLate else { return MonotonicTime(nanoseconds: sum) }
        return MonotonicTime(nanoseconds: milliseconds < 0 ? .min : .max)
    }

    /// Orders points of one clock.
    public static func < (left: MonotonicTime, right: MonotonicTime) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}

/// A point of the calendar in UTC, with all the digits that a file system keeps.
///
/// Holds what RFC 3339 can say: what is earlier than the year 1 or later than 9999 becomes the
/// first or the last point of that time, since a file system may keep any 64 bits there.
public struct WallTime: Hashable, Comparable, Sendable {
    /// Seconds since 1970-01-01T00:00:00Z; negative before it.
    public let seconds: Int64
    /// 0 to 999 999 999.
    public let nanoseconds: Int32

    /// 0001-01-01T00:00:00Z.
    private static let firstSecond: Int64 = -62_135_596_800
    /// 9999-12-31T23:59:59Z.
    private static let lastSecond: Int64 = 253_402_300_799

    /// Takes seconds since 1970 and the nanoseconds within the second.
    public init(seconds: Int64, nanoseconds: Int32 = 0) {
        if seconds < WallTime.firstSecond {
            (self.seconds, self.nanoseconds) = (WallTime.firstSecond, 0)
        } else if seconds > WallTime.lastSecond {
            (self.seconds, self.nanoseconds) = (WallTime.lastSecond, 999_999_999)
        } else {
            (self.seconds, self.nanoseconds) = (seconds, min(max(nanoseconds, 0), 999_999_999))
        }
    }

    /// Orders by second, then by nanosecond.
    public static func < (left: WallTime, right: WallTime) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }

    /// RFC 3339 with `Z`, and a fraction only where there is one, without trailing zeros.
    public var text: [UInt8] {
        var writer = LineWriter(capacity: 32)
        let day = (seconds - (seconds % 86_400 + 86_400) % 86_400) / 86_400
        let second = seconds - day * 86_400
        let date = WallTime.date(ofDay: day)
        WallTime.append(&writer, date.year, digits: 4)
        writer.append(byte: UInt8(ascii: "-"))
        WallTime.append(&writer, date.month, digits: 2)
        writer.append(byte: UInt8(ascii: "-"))
        WallTime.append(&writer, date.day, digits: 2)
        writer.append(byte: UInt8(ascii: "T"))
        WallTime.append(&writer, second / 3600, digits: 2)
        writer.append(byte: UInt8(ascii: ":"))
        WallTime.append(&writer, second / 60 % 60, digits: 2)
        writer.append(byte: UInt8(ascii: ":"))
        WallTime.append(&writer, second % 60, digits: 2)
        if nanoseconds > 0 {
            writer.append(byte: UInt8(ascii: "."))
            var (rest, digits) = (Int64(nanoseconds), 9)
            while rest % 10 == 0 { (rest, digits) = (rest / 10, digits - 1) }
            WallTime.append(&writer, rest, digits: digits)
        }
        writer.append(byte: UInt8(ascii: "Z"))
        return writer.bytes
    }

    private static func append(_ writer: inout LineWriter, _ value: Int64, digits: Int) {
        var divisor: Int64 = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            writer.append(byte: 0x30 + UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }

    /// Reads RFC 3339 in UTC (`Z`), years 0001 to 9999, with up to nine fraction digits.
    ///
    /// - Throws: `bad-argument`.
    public init(text: [UInt8], named name: String = "mtime") throws(RequestError) {
        guard let time = WallTime.parse(text) else {
            throw RequestError(
                .badArgument, "\(name) is a time such as 2026-11-22T08:30:00.5Z",
                fields: [.init("argument", [UInt8](name.utf8))])
        }
        self = time
    }

    private static func parse(_ text: [UInt8]) -> WallTime? {
        let pattern = [UInt8]("0000-00-00T00:00:00".utf8)
        guard text.count >= pattern.count + 1, text.last == UInt8(ascii: "Z") else { return nil }
        for (byte, expected) in zip(text, pattern) {
            guard expected == UInt8(ascii: "0") ? byte.isASCIIDigit : byte == expected else {
                return nil
            }
        }
        func number(_ range: Range<Int>) -> Int64 {
            text[range].reduce(0) { $0 * 10 + Int64($1 - 0x30) }
        }
        let (year, month, day) = (number(0..<4), number(5..<7), number(8..<10))
        let (hour, minute, second) = (number(11..<13), number(14..<16), number(17..<19))
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths: [Int64] = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard year >= 1, (1...12).contains(month), (1...lengths[Int(month) - 1]).contains(day),
            hour < 24, minute < 60, second < 60
        else { return nil }
        var nanoseconds: Int32 = 0
        let fraction = text[pattern.count..<(text.count - 1)]
        if !fraction.isEmpty {
            guard fraction.first == UInt8(ascii: "."), (2...10).contains(fraction.count),
                fraction.dropFirst().allSatisfy(\.isASCIIDigit)
            else { return nil }
            var scale: Int32 = 100_000_000
            for digit in fraction.dropFirst() {
                nanoseconds += Int32(digit - 0x30) * scale
                scale /= 10
            }
        }
        let days = WallTime.day(year: year, month: month, day: day)
        return WallTime(
            seconds: days * 86_400 + hour * 3600 + minute * 60 + second, nanoseconds: nanoseconds)
    }

    /// Days since 1970-01-01 of a date in the Gregorian calendar, counted in eras of 400 years.
    private static func day(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
            - 719_468
    }

    private static func date(ofDay day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let index = (5 * dayOfYear + 2) / 153
        let month = index < 10 ? index + 3 : index - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * index + 2) / 5 + 1)
    }
}
