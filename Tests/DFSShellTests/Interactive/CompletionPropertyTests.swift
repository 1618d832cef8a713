import DFSProtocol
import Testing

@testable import DFSShell

/// Tab over lines and names that nobody would think of.
struct CompletionPropertyTests {
    /// A generator that gives the same numbers for a seed.
    private struct Chance: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state ^ (state >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        }
    }

    private static let commands = [
        CommandSpecification("cat", .files, [.init("PATH", .remotePath, .oneOrMore)], "Prints.")
    ]
    private static let pieces = [
        "a", "b", " ", "\"", "'", "\\", "/", ";", "#", "*", "é", "日", "\\n", "\\x1b", "..", "-",
        "=",
    ]

    @Test(arguments: UInt64(1)...40)
    func `whatever is typed, what is inserted is text and reads back as the name`(
        seed: UInt64
    ) throws {
        var chance = Chance(state: seed)
        for _ in 0..<250 {
            let typed = (0..<Int.random(in: 0...8, using: &chance)).map { _ in
                Self.pieces.randomElement(using: &chance) ?? ""
            }
            let line = [UInt8]("cat \(typed.joined())".utf8)
            guard
                let query = CompletionQuery(
                    line: line, cursor: line.count, commands: Self.commands),
                query.isPath, query.prefix != [UInt8]("..".utf8)
            else { continue }
            let more = (0..<Int.random(in: 1...6, using: &chance)).map { _ in
                UInt8.random(in: 1...255, using: &chance)
            }
            let name = query.prefix + more.filter { $0 != UInt8(ascii: "/") } + [0x7A]

            let completion = Completion(
                query, line: line, cursor: line.count, CompletionAnswer([.init(name: name)]))

            let text = String(decoding: line, as: UTF8.self).unicodeScalars
            try #require(completion.removedCharacters <= text.count)
            #expect(String(validating: completion.inserted, as: UTF8.self) != nil)
            #expect(completion.inserted.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
            let kept = String(
                String.UnicodeScalarView(text.dropLast(completion.removedCharacters)))
            let commands = try LineSplitter.split([UInt8](kept.utf8) + completion.inserted)
            #expect(
                commands.last?.last?.bytes == query.directory + name,
                "seed \(seed): \(Quoting.text(line)) and \(Quoting.text(name))")
        }
    }
}
