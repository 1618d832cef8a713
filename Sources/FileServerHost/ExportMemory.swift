import DFSProtocol
import DFSStorage

/// What outlives the process and stands outside of every export: which ledger was served where.
///
/// Kept as lines of mount, folder and number, quoted as in the protocol; the latest are last.
public struct ExportMemory: Sendable {
    /// Lines beyond this many bytes are forgotten, the oldest first, unless they are served now.
    static let limit = 1 << 20

    /// Where it is kept, for sentences.
    let place: String
    private let kept: [UInt8]
    private let keep: @Sendable ([UInt8]) throws -> Void

    /// Takes what was kept, and what keeps the next.
    ///
    /// - Parameters:
    ///   - place: Where it is kept, as an operator finds it.
    ///   - kept: What `keep` was last called with; nothing at the first start.
    ///   - keep: Returns when a power cut can not undo it.
    public init(
        at place: String, kept: [UInt8]?, keep: @escaping @Sendable ([UInt8]) throws -> Void
    ) {
        self.place = place
        self.kept = kept ?? []
        self.keep = keep
    }

    /// Remembers nothing: every folder may be new.
    public static let none = ExportMemory(at: "", kept: nil) { _ in }

    /// What was served before.
    ///
    /// - Throws: `FileServerError` where a line can not be read.
    func servedBefore() throws(FileServerError) -> [ServedExport] {
        var all: [ServedExport] = []
        for line in kept.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .dropLast()
        {
            do throws(RequestError) {
                all.append(try ExportMemory.read(Array(line)))
            } catch {
                throw damaged("line \(all.count + 1): \(error.advice)")
            }
        }
        guard kept.isEmpty || kept.last == UInt8(ascii: "\n") else {
            throw damaged("its last line has no end")
        }
        return all
    }

    /// Remembers what is served now, durably, besides what was served before.
    ///
    /// - Throws: `FileServerError` where it can not be kept.
    func remember(
        _ served: [ServedExport], before: [ServedExport]
    ) throws(FileServerError) {
        let others = before.filter { old in
            !served.contains { $0.mount == old.mount && $0.folder == old.folder }
        }
        var lines = (others + served).map(ExportMemory.line)
        var size = lines.reduce(0) { $0 + $1.count }
        while size > ExportMemory.limit, lines.count > served.count {
            size -= lines.removeFirst().count
        }
        let bytes = Array(lines.joined())
        if bytes == kept { return }
        do { try keep(bytes) } catch {
            throw FileServerError("\(error)")
        }
    }

    private static func line(_ export: ServedExport) -> [UInt8] {
        var line = LineWriter()
        line.appendQuoted(export.mount.bytes)
        line.operand(export.folder)
        line.append(byte: UInt8(ascii: " "))
        line.append(number: export.ledger)
        line.end()
        return line.bytes
    }

    private static func read(_ line: [UInt8]) throws(RequestError) -> ServedExport {
        let words = try Quoting.unquoteList(line)
        guard words.count == 3 else {
            throw RequestError(.badSyntax, "it has \(words.count) words and not 3")
        }
        return ServedExport(
            mount: try TreePath(words[0]), folder: words[1],
            ledger: try Number.parse(words[2], named: "ledger"))
    }

    private func damaged(_ reason: String) -> FileServerError {
        FileServerError(
            "\(Quoting.text(place.utf8)) is damaged (\(reason)): see that the disk of every export "
                + "is mounted, remove that file and start again")
    }
}
