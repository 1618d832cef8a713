import Foundation
import Testing

/// The comparison of dfsh with other shells in README.md, and what shows each `yes` in it.
@Suite struct `The comparison with other shells` {
    /// Cells of the rows of a table in a document, without the marks of code.
    private static func rows(of document: String, from heading: String) throws -> [[String]] {
        let text = try String(
            contentsOf: House.root.appending(path: document), encoding: .utf8)
        let part = try #require(text.range(of: heading)).upperBound
        let lines = text[part...].split(separator: "\n", omittingEmptySubsequences: false)
        return lines.prefix { !$0.hasPrefix("#") }.filter { $0.hasPrefix("| ") }.map { line in
            let bar = "\u{0}"
            return line.replacingOccurrences(of: "\\|", with: bar).split(separator: "|").map {
                $0.replacingOccurrences(of: bar, with: "|").trimmingCharacters(in: .whitespaces)
            }
        }
    }

    private static func plain(_ cell: String) -> String {
        cell.replacingOccurrences(of: "`", with: "")
    }

    @Test func `names a test for every yes of dfsh, and no other row`() throws {
        let features = try Self.rows(of: "README.md", from: "## dfsh beside other shells")
            .filter { $0.count > 1 && $0[1].hasPrefix("yes") }.map { Self.plain($0[0]) }
        let shown = try Self.rows(of: "Tests/Comparison.md", from: "|---|---|---|")
            .map { Self.plain($0[0]) }

        #expect(features.count > 50, "the table was not found")
        #expect(Set(features).subtracting(shown) == [])
        #expect(Set(shown).subtracting(features) == [])
    }

    @Test func `names tests and lines of documents that are there`() throws {
        let rows = try Self.rows(of: "Tests/Comparison.md", from: "|---|---|---|")
        for row in rows {
            try #require(row.count == 3, "\(row)")
            let file = House.root.appending(path: row[1])
            let text = try String(contentsOf: file, encoding: .utf8)
            #expect(text.contains(row[2]), "\(row[1]): \(row[2])")
        }
        #expect(rows.count > 100, "the table was not found")
    }
}
