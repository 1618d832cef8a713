import Glibc
import TestCluster

/// Rewrites the expected lines of documents with `UPDATE_TRANSCRIPTS=1`, and nothing else in them.
enum Update {
    /// - Throws: `TestFailure` where it is wanted and `CI` is set: there nobody reads what was
    ///   rewritten.
    static var isWanted: Bool {
        get throws {
            try isWanted(
                update: getenv("UPDATE_TRANSCRIPTS").map { String(cString: $0) },
                continuous: getenv("CI").map { String(cString: $0) })
        }
    }

    static func isWanted(update: String?, continuous: String?) throws -> Bool {
        guard let update, !update.isEmpty, update != "0" else { return false }
        guard continuous ?? "" == "" else {
            throw TestFailure("UPDATE_TRANSCRIPTS is refused where CI is set")
        }
        return true
    }

    /// Executes a document and writes it anew where it differs.
    static func rewrite(_ document: String) throws {
        let transcript = try Project.transcript(document)
        let edits = try transcript.sections.flatMap {
            try SectionRun.run($0, of: transcript, isUpdating: true)
        }
        if edits.isEmpty { return }
        let text = apply(edits, to: transcript.lines).joined(separator: "\n")
        try FileSystem.write(text, to: "\(Project.folder)/\(document)")
    }

    /// Replaces from the end to the start, so that positions stay what they were.
    static func apply(_ edits: [Edit], to lines: [String]) -> [String] {
        var lines = lines
        for edit in edits.sorted(by: { $0.lines.lowerBound > $1.lines.lowerBound }) {
            lines.replaceSubrange(edit.lines, with: edit.replacement)
        }
        return lines
    }
}
