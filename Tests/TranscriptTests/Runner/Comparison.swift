/// What a transcript expects at one place, held against what was said there.
struct Comparison {
    /// Lines that have a counterpart at the start, in the expectation and in what was said.
    private var head = (expected: 0, actual: 0)
    /// Lines that have a counterpart at the end.
    private var tail = (expected: 0, actual: 0)
    private let expected: [String]
    private let actual: [String]
    /// What the placeholders stand for after these lines.
    private(set) var captures: Captures
    /// Whether every line has its counterpart.
    private(set) var holds: Bool

    init(_ expected: [String], _ actual: [String], _ captures: Captures) {
        self.expected = expected
        self.actual = actual
        self.captures = captures
        holds = false
        if let found = Comparison.match(expected[...], actual[...], captures) {
            self.captures = found
            holds = true
            return
        }
        align()
    }

    /// Whether a line of a transcript is any lines.
    static func isAnyLines(_ line: String) -> Bool { line == "..." || line == "S: ..." }

    private static func match(
        _ expected: ArraySlice<String>, _ actual: ArraySlice<String>, _ captures: Captures
    ) -> Captures? {
        guard let line = expected.first else { return actual.isEmpty ? captures : nil }
        if isAnyLines(line) {
            for start in actual.startIndex...actual.endIndex {
                if let found = match(expected.dropFirst(), actual[start...], captures) {
                    return found
                }
            }
            return nil
        }
        guard let said = actual.first, let grown = LinePattern(line).match(said, captures) else {
            return nil
        }
        return match(expected.dropFirst(), actual.dropFirst(), grown)
    }

    /// Finds what is the same at both ends; the rest is the difference.
    private mutating func align() {
        while head.expected < expected.count, head.actual < actual.count,
            let grown = LinePattern(expected[head.expected]).match(actual[head.actual], captures)
        {
            captures = grown
            head = (head.expected + 1, head.actual + 1)
        }
        while tail.expected < expected.count - head.expected,
            tail.actual < actual.count - head.actual,
            let grown = LinePattern(expected[expected.count - 1 - tail.expected]).match(
                actual[actual.count - 1 - tail.actual], captures)
        {
            captures = grown
            tail = (tail.expected + 1, tail.actual + 1)
        }
    }

    /// Position of the first expected line without a counterpart, counted from the first expected
    /// one.
    var firstDifference: Int { min(head.expected, expected.count) }

    /// A unified diff of one hunk with up to three lines around it.
    ///
    /// - Parameter start: Position in the document of the first expected line.
    func diff(path: String, start: Int) -> String {
        let before = expected[..<head.expected].suffix(3)
        let after = expected[(expected.count - tail.expected)...].prefix(3)
        let gone = expected[head.expected..<(expected.count - tail.expected)]
        let come = actual[head.actual..<(actual.count - tail.actual)]
        let first = start + head.expected - before.count + 1
        let around = before.count + after.count
        var lines = [
            "--- \(path)", "+++ what was said",
            "@@ -\(first),\(around + gone.count) +\(first),\(around + come.count) @@",
        ]
        lines += before.map { " \($0)" } + gone.map { "-\($0)" }
        lines += come.map { "+\($0)" } + after.map { " \($0)" }
        return lines.joined(separator: "\n")
    }

    /// The lines that the document should have: what was said, with the placeholders that still
    /// match.
    var updated: [String] {
        if holds { return expected }
        let gone = Array(expected[head.expected..<(expected.count - tail.expected)])
        let come = actual[head.actual..<(actual.count - tail.actual)]
        let merged = come.enumerated().map { index, line in
            index < gone.count ? Comparison.merge(gone[index], line, captures) : line
        }
        return expected[..<head.expected] + merged
            + expected[(expected.count - tail.expected)...]
    }

    /// Keeps the words of the old line that match words of the new one: by key, else by place.
    private static func merge(_ old: String, _ new: String, _ captures: Captures) -> String {
        if isAnyLines(old) { return new }
        let oldWords = old.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        let newWords = new.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        return newWords.enumerated().map { index, word in
            let key = word.firstIndex(of: "=").map { word[...$0] }
            let counterpart =
                key.flatMap { key in oldWords.first { $0.hasPrefix(key) } }
                ?? (index < oldWords.count ? oldWords[index] : nil)
            guard let counterpart, LinePattern(counterpart).match(word, captures) != nil else {
                return word
            }
            return counterpart
        }.joined(separator: " ")
    }
}
