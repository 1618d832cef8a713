import DFSProtocol

/// Sizes and durations for people.
enum Amounts {
    /// Bytes with at most three digits before a unit of 1024: `999`, `1.5K`, `12M`.
    static func human(_ bytes: Int64) -> String {
        if bytes < 1024 { return "\(bytes)" }
        var value = Double(bytes)
        var unit = 0
        let units = ["", "K", "M", "G", "T", "P", "E"]
        while value >= 999.5, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        // Rounded up, as du and ls do: a size is never shown smaller than it is.
        let tenths = Int64((value * 10).rounded(.up))
        if tenths < 100 { return "\(tenths / 10).\(tenths % 10)\(units[unit])" }
        return "\(Int64(value.rounded(.up)))\(units[unit])"
    }

    /// Bytes in a sentence: `1 byte`, `6 bytes`, `1.5 MB`.
    static func sentence(_ bytes: Int64) -> String {
        if bytes == 1 { return "1 byte" }
        if bytes < 10_000 { return "\(bytes) bytes" }
        var value = Double(bytes) / 1000
        var unit = 0
        let units = ["kB", "MB", "GB", "TB", "PB", "EB"]
        while value >= 999.95, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        let tenths = Int64((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    /// A number with its noun: `1 file`, `2 files`.
    static func count(_ number: Int64, _ noun: String) -> String {
        number == 1 ? "1 \(noun)" : "\(number) \(noun)s"
    }

    /// How long something has lasted: `0 s`, `59 s`, `3 min`, `5 h`, `12 days`.
    static func seconds(_ milliseconds: Int64) -> String {
        let seconds = milliseconds / 1000
        switch seconds {
        case ..<120: return "\(seconds) s"
        case ..<7200: return "\(seconds / 60) min"
        case ..<172_800: return "\(seconds / 3600) h"
        default: return "\(seconds / 86_400) days"
        }
    }

    /// A lease as the wire has it: whole milliseconds, or `conn`.
    static func lease(_ lease: Duration?) -> String {
        milliseconds(lease).map { "\($0)" } ?? "conn"
    }

    /// Whole milliseconds of a lease; nil where the session ends with its connection.
    static func milliseconds(_ lease: Duration?) -> Int64? {
        guard let (seconds, attoseconds) = lease?.components else { return nil }
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// A time of the calendar to the second, in UTC: `2026-11-22 21:00:05Z`.
    static func time(_ time: WallTime?) -> String {
        guard let time else { return "-" }
        let text = WallTime(seconds: time.seconds).text
        var result = String(decoding: text, as: UTF8.self)
        if let index = result.firstIndex(of: "T") {
            result.replaceSubrange(index...index, with: " ")
        }
        return result
    }
}
