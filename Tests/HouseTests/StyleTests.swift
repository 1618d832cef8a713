import Foundation
import Testing

@Suite struct `The source of the house` {
    /// Longest file, in lines.
    private static let fileLines = 400
    /// Longest function, in lines, with its signature.
    private static let functionLines = 70
    /// Longest line, in characters.
    private static let lineCharacters = 100

    private static let all = House.sources + House.tests

    @Test func `has no file that is empty or over 400 lines`() {
        for file in Self.all {
            let count = file.lines.count - 1
            #expect(count > 0, "\(file.path) is empty")
            #expect(count <= Self.fileLines, "\(file.path) has \(count) lines")
        }
    }

    /// A string and the name of a test can not be broken, and the formatter leaves them as they
    /// are.
    @Test func `has no line over 100 characters but for strings and names of tests`() {
        for file in Self.all {
            let places = file.places { code, line in
                let isText = line.contains("\"") || line.contains("func `")
                let isComment = line.contains("//") && !code.contains("//")
                return line.count > Self.lineCharacters && (isComment || !isText)
                    && !(code.allSatisfy { $0 == " " } && !isComment)
            }
            #expect(places == [])
        }
    }

    @Test func `has no function over 70 lines`() {
        var found = 0
        for file in Self.all {
            for function in functions(in: file) {
                found += 1
                #expect(
                    function.length <= Self.functionLines,
                    "\(file.path):\(function.line) has \(function.length) lines")
            }
        }
        #expect(found > 500, "the functions were not found")
    }

    @Test(arguments: [
        "try!", "as!", "@unchecked Sendable", "nonisolated(unsafe)", "Task.detached", "fatalError",
        ".unsafelyUnwrapped", "unowned(unsafe)",
    ])
    func `has no word that gives up safety`(word: String) {
        for file in Self.all { #expect(file.places(of: word) == []) }
    }

    @Test(arguments: ["TODO", "FIXME", "HACK"])
    func `puts nothing off`(word: String) {
        let here = "Tests/HouseTests/StyleTests.swift"
        for file in Self.all where file.path != here {
            #expect(file.places { _, line in line.contains(word) } == [])
        }
    }

    @Test func `says why, wherever an error is dropped`() {
        var dropped = 0
        for file in House.sources {
            for index in file.code.indices where dropsError(file.code[index]) {
                dropped += 1
                let isExplained = (max(0, index - 2)...index).contains { line in
                    file.lines[line].contains("//") && !file.lines[line].contains("///")
                }
                #expect(isExplained, "\(file.path):\(index + 1) drops an error without a comment")
            }
        }
        #expect(dropped > 0, "the rule looks at nothing")
    }

    @Test func `has no folder or file named after nothing`() {
        let empty: Set = [
            "Utils", "Util", "Helpers", "Helper", "Extensions", "New", "Misc", "Common",
        ]
        for path in House.paths(below: "Sources") + House.paths(below: "Tests") {
            for name in path.split(separator: "/") {
                #expect(!empty.contains(String(name)), "\(path)")
            }
            let stem = path.split(separator: "/").last?.split(separator: ".").first ?? ""
            for ending in ["Manager", "Helper", "Helpers", "Utils", "Util"] {
                #expect(!stem.hasSuffix(ending), "\(path)")
            }
        }
    }

    @Test func `keeps its top level to what a visitor looks for`() throws {
        let allowed: Set = [
            "Package.swift", "Package.resolved", "Sources", "Tests", "Examples", "README.md",
            "Protocol.md", "LICENSE", ".swift-format", ".gitignore", ".ci", ".git",
        ]

        let names = try FileManager.default.contentsOfDirectory(atPath: House.root.path)

        for name in names where !name.hasPrefix(".build") && name != ".swiftpm" {
            #expect(allowed.contains(name), "\(name) stands at the top level")
        }
        #expect(names.contains("Package.swift"))
    }

    @Test func `blanks what is no code`() {
        let text = """
            let a = "try! // x" // as!
            let b = #"a " try! "# + "\\" try!" /* try! */ + c
            /* fatalError /* nested */ fatalError
            end */ let d = 1
            """
        let file = SourceFile(path: "x", text: text + "\nlet e = \"\"\"\n  try!\n  \"\"\"; try!")

        #expect(file.places(of: "try!") == ["x:7"])
        #expect(file.places(of: "fatalError") == [])
        #expect(file.places(of: "let d") == ["x:4"])
        #expect(file.places(of: "+ c") == ["x:2"])
    }
}

/// Whether a line has `try?`, and not a type such as `Entry?`.
private func dropsError(_ code: String) -> Bool {
    code.split(whereSeparator: { " ([{:=".contains($0) }).contains("try?")
}

/// A function's first line, counted from 1, and how many lines it has.
private struct FunctionExtent {
    var line: Int
    var length: Int
}

/// Finds functions by their indentation, which the formatter keeps.
private func functions(in file: SourceFile) -> [FunctionExtent] {
    var found: [FunctionExtent] = []
    for (index, line) in file.code.enumerated() {
        let indent = line.prefix { $0 == " " }.count
        let words = line.dropFirst(indent).split(separator: " ").map(String.init)
        guard
            words.contains("func") || words.contains(where: { $0.hasPrefix("init(") }),
            !words.contains("case"), !line.contains("self.init(")
        else { continue }
        let closing = String(repeating: " ", count: indent) + "}"
        let isOneLine = line.hasSuffix("}")
        guard !isOneLine,
            let end = file.code[(index + 1)...].firstIndex(where: { $0.hasPrefix(closing) }),
            // A declaration without a body ends where another line stands at its own indentation.
            !file.code[(index + 1)..<end].contains(where: { other in
                let depth = other.prefix { $0 == " " }.count
                return depth < other.count && depth <= indent && !other.hasSuffix("{")
            })
        else { continue }
        found.append(FunctionExtent(line: index + 1, length: end - index + 1))
    }
    return found
}
