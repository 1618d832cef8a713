import DFSProtocol

/// What the prompt tells; never waits for anybody.
public struct PromptState: Equatable, Sendable {
    /// The working directory in the tree.
    public var directory: [UInt8]
    /// Whether the name server was asked last and did not answer.
    public var isNameServerAway: Bool
    /// The text with `%d`, `%a` and `%%` in it.
    public var text: String
    /// Whether colours are wanted, where the terminal has them.
    public var hasColours: Bool

    /// Joins them.
    public init(
        directory: [UInt8], isNameServerAway: Bool = false, text: String = Setting.prompt.usual,
        hasColours: Bool = true
    ) {
        self.directory = directory
        self.isNameServerAway = isNameServerAway
        self.text = text
        self.hasColours = hasColours
    }
}

/// Writes the prompt: `dfsh /docs> `, or `dfsh /docs (name server away)> `.
enum PromptText {
    /// A longer directory is shown by its end only.
    private static let longestDirectory = 48

    /// The prompt for a terminal; with colours, their sequences stand between bytes 0x01.
    ///
    /// The last visible characters follow the last sequence: libedit loses one at the very end.
    static func bytes(_ state: PromptState, hasColours: Bool) -> [UInt8] {
        var text = ""
        var isSign = false
        // libedit keeps one sequence for a visible character: two in a row have to be one.
        func add(_ more: String) {
            if text.last == "\u{1}", more.first == "\u{1}" {
                text.removeLast()
                text += more.dropFirst()
            } else {
                text += more
            }
        }
        for character in state.text {
            guard isSign || character == "%" else {
                add(String(character))
                continue
            }
            switch (isSign, character) {
            case (false, _): break
            case (true, "d"): add(coloured(shown(state.directory), "1;34", hasColours))
            case (true, "a"):
                let away = state.isNameServerAway ? " (name server away)" : ""
                add(coloured(away, "31", hasColours))
            case (true, "%"): add("%")
            case (true, _): add("%\(character)")
            }
            isSign.toggle()
        }
        return Array((text.last == "\u{1}" ? text + " " : text).utf8)
    }

    private static func coloured(_ text: String, _ colour: String, _ hasColours: Bool) -> String {
        hasColours && !text.isEmpty ? sequence(colour) + text + sequence("0") : text
    }

    private static func sequence(_ parameters: String) -> String {
        "\u{1}\u{1B}[\(parameters)m\u{1}"
    }

    private static func shown(_ directory: [UInt8]) -> String {
        let whole = Word.typed(directory)
        guard whole.count > longestDirectory else { return whole }
        let name = directory.split(separator: UInt8(ascii: "/")).last.map(Array.init) ?? directory
        let end = Word.typed(name)
        return end.count > longestDirectory ? "…" + end.suffix(longestDirectory) : "…/" + end
    }
}
