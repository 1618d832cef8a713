import Foundation

/// The project's own source, as the rules of the house see it.
struct House {
    /// The project's folder.
    static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Every Swift file below `Sources`, ordered by path.
    static let sources = files(below: "Sources")
    /// Every Swift file below `Tests`, ordered by path.
    static let tests = files(below: "Tests")

    private static func files(below folder: String) -> [SourceFile] {
        paths(below: folder).filter { $0.hasSuffix(".swift") }.map { path in
            // A file that can not be read shows as an empty one, which the first rule refuses.
            let text = (try? String(contentsOf: root.appending(path: path), encoding: .utf8)) ?? ""
            return SourceFile(path: path, text: text)
        }
    }

    /// Every file and folder below a folder, relative to the root, ordered.
    static func paths(below folder: String) -> [String] {
        let start = root.appending(path: folder)
        guard let walk = FileManager.default.enumerator(atPath: start.path) else { return [] }
        return walk.compactMap { $0 as? String }.map { "\(folder)/\($0)" }.sorted()
    }
}

/// One Swift file, with and without its comments and strings.
struct SourceFile {
    /// Relative to the project's folder.
    let path: String
    /// As they stand in the file.
    let lines: [String]
    /// The same lines with blanks for every comment and the contents of every string.
    let code: [String]

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var blanking = Blanking()
        code = lines.map { blanking.code(of: $0) }
    }

    /// The target, which is the folder below `Sources` or `Tests`.
    var module: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }

    /// The modules that the file imports.
    var imports: [String] {
        code.compactMap { line in
            let words = line.split(separator: " ").map(String.init)
            guard let index = words.firstIndex(of: "import"),
                words[..<index].allSatisfy(Self.isImportModifier)
            else { return nil }
            let kinds = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
            let rest = words[(index + 1)...].drop { kinds.contains($0) }
            return rest.first?.split(separator: ".").first.map(String.init)
        }
    }

    private static func isImportModifier(_ word: String) -> Bool {
        word.hasPrefix("@") || ["public", "internal", "package", "private"].contains(word)
    }

    /// Where a text stands in the code, as `path:line`.
    func places(of text: String) -> [String] {
        places { code, _ in code.contains(text) }
    }

    /// The lines that a rule points at, as `path:line`.
    func places(where isFound: (_ code: String, _ line: String) -> Bool) -> [String] {
        lines.indices.filter { isFound(code[$0], lines[$0]) }.map { "\(path):\($0 + 1)" }
    }
}

/// Blanks comments and the contents of strings, line by line.
struct Blanking {
    private enum Inside: Equatable {
        case code
        case comment(depth: Int)
        case string(hashes: Int)
        case longString(hashes: Int)
    }

    private var inside = Inside.code

    /// The line with blanks where no code is.
    mutating func code(of line: String) -> String {
        let bytes = Array(line.utf8)
        var kept: [UInt8] = []
        kept.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            let start = index
            let isCode = step(bytes, &index)
            kept +=
                isCode ? Array(bytes[start..<index]) : Array(repeating: 0x20, count: index - start)
        }
        // Only a long string and a block comment go on in the next line.
        if case .string = inside { inside = .code }
        return String(decoding: kept, as: UTF8.self)
    }

    /// Goes over one token and says whether it is code.
    private mutating func step(_ bytes: [UInt8], _ index: inout Int) -> Bool {
        func starts(_ text: String, at place: Int) -> Bool {
            bytes[min(place, bytes.count)...].starts(with: text.utf8)
        }
        switch inside {
        case .code:
            if !"\"#/".utf8.contains(bytes[index]) {
                index += 1
                return true
            }
            if starts("//", at: index) {
                index = bytes.count
                return false
            }
            if starts("/*", at: index) {
                inside = .comment(depth: 1)
                index += 2
                return false
            }
            let hashes = bytes[index...].prefix { $0 == UInt8(ascii: "#") }.count
            if starts("\"\"\"", at: index + hashes) {
                inside = .longString(hashes: hashes)
                index += hashes + 3
            } else if starts("\"", at: index + hashes) {
                inside = .string(hashes: hashes)
                index += hashes + 1
            } else {
                index += max(hashes, 1)
            }
            return true
        case .comment(let depth):
            let isEnd = starts("*/", at: index)
            let isStart = starts("/*", at: index)
            index += isEnd || isStart ? 2 : 1
            let next = depth + (isStart ? 1 : 0) - (isEnd ? 1 : 0)
            inside = next == 0 ? .code : .comment(depth: next)
            return false
        case .string(let hashes), .longString(let hashes):
            let fence = String(repeating: "#", count: hashes)
            var quote = "\""
            if case .longString = inside { quote = "\"\"\"" }
            if starts("\\" + fence, at: index) {
                index = min(index + 2 + hashes, bytes.count)
            } else if starts(quote + fence, at: index) {
                index += quote.utf8.count + hashes
                inside = .code
                return true
            } else {
                index += 1
            }
            return false
        }
    }
}
