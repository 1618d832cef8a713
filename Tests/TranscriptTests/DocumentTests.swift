import Glibc
import TestCluster
import Testing

/// Every transcript of every document, executed against the real processes.
struct DocumentTests {
    /// One section in one way of cutting the bytes.
    struct Case: Sendable, CustomTestStringConvertible {
        var document: String
        var section: Int
        var cutting: Cutting
        var testDescription: String { "\(document), section \(section + 1), \(cutting.rawValue)" }
    }

    /// Nothing where the expectations are being rewritten.
    static func cases() throws -> [Case] {
        if try Update.isWanted { return [] }
        return try Project.documents().flatMap { document in
            // A document that can not be read fails a test of its own.
            let sections = (try? Project.transcript(document))?.sections ?? []
            return sections.enumerated().flatMap { index, section in
                let cuttings: [Cutting] = section.speaksWire ? Cutting.allCases : [.asIs]
                return cuttings.map { Case(document: document, section: index, cutting: $0) }
            }
        }
    }

    @Test(arguments: try cases())
    func `every transcript in the documents holds`(_ one: Case) async throws {
        let failure = try await ClusterSlots.shared.run {
            let transcript = try Project.transcript(one.document)
            return Result {
                try SectionRun.run(
                    transcript.sections[one.section], of: transcript, one.cutting)
            }.failureText
        }

        if let failure { Issue.record("\(failure)") }
    }

    @Test(arguments: try Project.documents())
    func `every fenced block that starts with dfs can be executed`(_ document: String) throws {
        #expect(throws: Never.self) { try Project.transcript(document) }
    }

    @Test(arguments: Project.required)
    func `a document that promises transcripts has some`(_ document: String) throws {
        let transcript = try Project.transcript(document)

        #expect(!transcript.sections.flatMap(\.blocks).isEmpty)
    }

    @Test(.enabled("UPDATE_TRANSCRIPTS is set") { try Update.isWanted })
    func `expected lines are rewritten`() async throws {
        for document in try Project.documents() {
            try await ClusterSlots.shared.run { try Update.rewrite(document) }
        }
    }
}

extension Result {
    /// What went wrong, as text; nil where nothing did.
    var failureText: String? {
        if case .failure(let error) = self { "\(error)" } else { nil }
    }
}
