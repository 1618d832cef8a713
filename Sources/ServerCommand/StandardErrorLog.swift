import DFSProtocol
import Glibc
import Logging

/// Writes each event as one line on standard error: time, level, message, then metadata by key.
///
/// Values of metadata are quoted as on the wire and the message is made printable here, so that no
/// caller can forget it. Lines of several threads do not mix, and nobody waits for their reader.
struct StandardErrorLog: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        LogLines.ofProcess.add(line(for: event, at: .now()))
    }

    /// The line as it is written, with its end.
    func line(for event: LogEvent, at time: WallTime) -> String {
        var line = String(decoding: time.text, as: UTF8.self)
        line += " \(event.level) \(Printable.line(event.message.description))"
        let all = metadata.merging(event.metadata ?? [:]) { _, latest in latest }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            line += " \(Printable.line(key))=\(Quoting.text("\(value)".utf8))"
        }
        return line + "\n"
    }
}

extension WallTime {
    /// What the system's calendar clock says.
    static func now() -> WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
    }
}
