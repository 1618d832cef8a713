import DFSProtocol
import Testing

@Suite struct VerbTests {
    @Test(arguments: Verb.allCases)
    func `a verb is found in either case and no other word is`(known: Verb) {
        let name = known.rawValue

        #expect(verb(bytes(name)) == known)
        #expect(verb(bytes(name.lowercased())) == known)
        #expect(verb(bytes(name + "X")) == nil)
        #expect(verb(bytes(String(name.dropLast()))) == nil)
    }

    @Test(arguments: [
        "", "-", "LOCATED", "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT",
        "PATCH", "PRI", "L\u{CF}CATE", "0PEN", "AAAAAAAAAAAAAAAAA",
    ])
    func `other words are no verbs, HTTP's least of all`(word: String) {
        #expect(verb(bytes(word)) == nil)
    }

    @Test func `bytes that only differ in the case bit are no letters`() {
        #expect(verb([0x0C, 0x0F, 0x03, 0x01, 0x14, 0x05]) == nil)
        #expect(verb(bytes("LOCATE").map { $0 ^ 0x80 }) == nil)
    }

    @Test(arguments: Role.allCases)
    func `every row can be shown`(role: Role) throws {
        for verb in Verb.all(for: role) {
            let row = try #require(verb.specification(for: role))
            #expect(row.roles.contains(role))
            #expect(row.summary.hasSuffix("."))
            #expect(
                row.effect == .changes || row.isRepeatable, "\(verb) reads, so it may be repeated")
            let repeated = row.operands.dropLast().contains { $0.presence == .repeated }
            #expect(!repeated, "only a last operand can repeat")
            let data = row.operands.dropLast().contains { $0.kind == .data }
            #expect(!data, "data stands last")
        }
    }

    @Test(arguments: Role.allCases)
    func `a line of HELP follows the grammar`(role: Role) throws {
        for verb in Verb.all(for: role) {
            let row = try #require(verb.specification(for: role))
            let line = try reply("* \(verb.rawValue) \(row.syntax) \"\(row.summary)\"")
            #expect(line.operands.first == bytes(verb.rawValue))
            #expect(line.operands.last == bytes(row.summary))
        }
    }

    @Test func `what a later issue brings is not there yet`() {
        #expect(verb(bytes("AUTH")) == nil)
    }
}
