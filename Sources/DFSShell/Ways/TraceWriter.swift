import DFSClient
import DFSProtocol
import DFSTransport
import Glibc
import Synchronization

/// Writes the lines of the protocol as transcripts have them: `C:` and `S:`, payloads as a length.
///
/// A heading says whose lines follow whenever that changes.
final class TraceWriter: Sendable {
    private let take: @Sendable ([UInt8]) -> Void
    private let place = Mutex<Endpoint?>(nil)

    /// - Parameter take: Takes lines, and never blocks: it is called on the connections' thread.
    init(_ take: @escaping @Sendable ([UInt8]) -> Void) { self.take = take }

    /// Opens a file to be written anew, in its order among what a shell writes.
    ///
    /// What can not be written later is told once, and ends no command: it is about the service.
    /// - Throws: `ShellFailure`.
    convenience init(file path: [UInt8], _ output: ShellOutput) throws {
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
        let descriptor = LocalName.withPath(path) { Glibc.open($0, flags, 0o600) }
        guard descriptor >= 0 else { throw LocalFailure.failure(path, errno) }
        let isBroken = Atomic(false)
        self.init { bytes in
            output.trace(bytes) {
                // A trace with a gap in it would tell lies: after one loss there is no more.
                if isBroken.load(ordering: .relaxed) || writeAll($0, to: descriptor) { return true }
                let failure = LocalFailure(path: path, number: errno).told
                isBroken.store(true, ordering: .relaxed)
                output.complain("the trace can not be written: \(failure.sentence)")
                return false
            }
        }
    }

    func write(_ line: TraceLine, at endpoint: Endpoint) {
        place.withLock { place in
            var text = ""
            if place != endpoint { text += "# \(endpoint)\n" }
            place = endpoint
            text += TraceWriter.text(line)
            take([UInt8](text.utf8))
        }
    }

    /// One line with its newline; what a peer wrote raw is shown as escapes.
    static func text(_ line: TraceLine) -> String {
        let mark = line.sender == .client ? "C: " : "S: "
        return mark + shown(line.line) + "\n"
    }

    /// A line's bytes as text; where they are none, or hide, those are escapes.
    static func shown(_ line: [UInt8]) -> String {
        let text = String(decoding: line, as: UTF8.self)
        let isClean =
            text.utf8.elementsEqual(line) && !text.unicodeScalars.contains(where: isHidden)
        return isClean ? text : escaped(line)
    }

    private static func isHidden(_ scalar: UnicodeScalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }

    private static func escaped(_ bytes: [UInt8]) -> String {
        var text = ""
        for byte in bytes {
            if (0x20..<0x7F).contains(byte) {
                text.unicodeScalars.append(UnicodeScalar(byte))
            } else {
                let digits = String(byte, radix: 16)
                text += "\\x" + (digits.utf8.count == 1 ? "0" : "") + digits
            }
        }
        return text
    }
}
