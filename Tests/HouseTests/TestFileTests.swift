import Testing

@Suite struct `The tests of the house` {
    private static let withTests = House.tests.filter { file in
        file.code.contains { $0.contains("@Test") }
    }

    @Test func `expect something in every file`() {
        #expect(Self.withTests.count > 20, "the tests were not found")

        for file in Self.withTests {
            let expects = file.code.contains { line in
                ["#expect", "#require", "Issue.record", "confirmation("].contains {
                    line.contains($0)
                }
            }
            #expect(expects, "\(file.path) expects nothing")
        }
    }

    @Test func `are named by sentences`() {
        for file in Self.withTests {
            for (index, line) in file.code.enumerated() where line.contains("@Test") {
                let declaration = file.code[index...].first { $0.contains("func ") } ?? ""
                #expect(
                    declaration.contains("func `"), "\(file.path):\(index + 1) is named by a word")
            }
        }
    }

    @Test func `leave no placeholder behind`() {
        let all = House.sources + House.tests
        #expect(all.filter { $0.path.hasSuffix("/Placeholder.swift") }.map(\.path) == [])
    }
}
