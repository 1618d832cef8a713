import DFSClient
import DFSProtocol
import DFSTransport
import Glibc
import Synchronization

/// Writes the lines of the protocol as transcripts have them: `C:` and `S:`, payloads as a length.
///
/// A heading says whose lines follow whenever that changes.
final class TraceWriter: Sendable {
    private let descriptor: Int32
    private let place = Mutex<Endpoint?>(nil)

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// Opens a file to be written anew.
    ///
    /// - Throws: `ShellFailure`.
    convenience init(file path: [UInt8]) throws {
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
        let descriptor = LocalName.withPath(path) { Glibc.open($0, flags, 0o600) }
        guard descriptor >= 0 else { throw LocalFailure.failure(path, errno) }
        self.init(descriptor: descriptor)
    }

    func write(_ line: TraceLine, at endpoint: Endpoint) {
        place.withLock { place in
            var text = ""
            if place != endpoint { text += "# \(endpoint)\n" }
            place = endpoint
            text += TraceWriter.text(line)
            // A trace that can not be written stops nothing.
            _ = writeAll([UInt8](text.utf8), to: descriptor)
        }
    }

    /// One line with its newline; what a peer wrote raw is shown as escapes.
    static func text(_ line: TraceLine) -> String {
        let mark = line.sender == .client ? "C: " : "S: "
        let bytes = String(decoding: line.line, as: UTF8.self)
        let isClean =
            bytes.utf8.elementsEqual(line.line) && !bytes.unicodeScalars.contains(where: isHidden)
        let shown = isClean ? bytes : TraceWriter.escaped(line.line)
        return mark + shown + "\n"
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
