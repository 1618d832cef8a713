/// A fenced code block of a Markdown document.
struct Fence: Equatable {
    /// The words after the opening backticks; the first one is the language.
    var words: [String]
    /// Position in the document of the opening fence, counted from 0.
    var opening: Int
    /// The lines between the fences.
    var lines: [String]

    /// The language, empty where none is named.
    var language: String { words.first ?? "" }
    /// Position in the document of the first line of contents.
    var start: Int { opening + 1 }

    /// Finds every fenced block; an example that is indented by four spaces is none.
    ///
    /// - Throws: `TranscriptError` where the last one is not closed.
    static func all(in document: [String]) throws -> [Fence] {
        var found: [Fence] = []
        var open: (fence: Fence, length: Int)?
        for (number, line) in document.enumerated() {
            let (length, rest) = backticks(line)
            guard var current = open else {
                if length >= 3, !rest.contains("`") {
                    let words = rest.split(separator: " ").map(String.init)
                    open = (Fence(words: words, opening: number, lines: []), length)
                }
                continue
            }
            if length >= current.length, rest.allSatisfy({ $0 == " " }) {
                found.append(current.fence)
                open = nil
            } else {
                current.fence.lines.append(line)
                open = current
            }
        }
        if let open { throw TranscriptError(open.fence.opening, "this fence is not closed") }
        return found
    }

    /// How many backticks a line starts with, and what follows them.
    private static func backticks(_ line: String) -> (count: Int, rest: Substring) {
        let indented = line.prefix { $0 == " " }
        guard indented.count <= 3 else { return (0, "") }
        let rest = line.dropFirst(indented.count)
        let ticks = rest.prefix { $0 == "`" }
        return (ticks.count, rest.dropFirst(ticks.count))
    }
}

/// What is wrong with a transcript, and in which line.
struct TranscriptError: Error, CustomStringConvertible {
    /// Position in the document, counted from 0.
    var position: Int
    /// A sentence, or a diff.
    var text: String

    init(_ position: Int, _ text: String) {
        self.position = position
        self.text = text
    }

    var description: String { "line \(position + 1): \(text)" }
}
