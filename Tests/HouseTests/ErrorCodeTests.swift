import Testing

/// Codes that no server produces yet, because what they are for belongs to a later issue.
private let forLaterIssues: Set = [
    "authRequired", "authFailed", "moved", "corrupt",
]

/// The targets that answer requests; clients only read codes.
private let answering: Set = [
    "DFSProtocol", "DFSTransport", "NameService", "FileService", "DFSStorage", "NameServerHost",
    "FileServerHost",
]

@Suite struct `The error codes` {
    /// The case names of the closed list, with the word of each on the wire.
    private static let codes: [(name: String, word: String)] = {
        let file = House.sources.first { $0.path.hasSuffix("/ErrorCode.swift") }
        return (file?.lines ?? []).compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 4, words[0] == "case", words[2] == "=" else { return nil }
            return (words[1].filter { $0 != "`" }, words[3].filter { $0 != "\"" })
        }
    }()

    @Test func `are all produced somewhere, but for those of later issues`() {
        let files = House.sources.filter {
            answering.contains($0.module) && !$0.path.contains("/ErrorCode")
        }

        let unused = Self.codes.map(\.name).filter { name in
            !files.contains { file in file.code.contains { mentions(name, in: $0) } }
        }

        #expect(Self.codes.count > 40, "the codes were not found")
        #expect(Set(unused) == forLaterIssues)
    }

    @Test func `are each provoked by a test, or wait for their issue`() {
        let untested = Self.codes.filter { code in
            !House.tests.contains { file in
                file.module != "HouseTests"
                    && file.lines.contains {
                        $0.contains(code.word) || mentions(code.name, in: $0)
                    }
            }
        }

        #expect(Set(untested.map(\.name)).subtracting(forLaterIssues) == [])
    }
}

/// Whether a line names a case such as `.notFound`, and not a member of something that is called
/// so.
private func mentions(_ name: String, in line: String) -> Bool {
    var rest = Substring(line)
    var before: Character = " "
    while let range = rest.firstRange(of: ".\(name)") {
        if let previous = rest[..<range.lowerBound].last { before = previous }
        let isCase = " ([,:".contains(before) || rest[..<range.lowerBound].hasSuffix("ErrorCode")
        rest = rest[range.upperBound...]
        let isWhole = rest.first.map { !$0.isLetter && !$0.isNumber && $0 != "_" } ?? true
        if isCase, isWhole { return true }
    }
    return false
}
