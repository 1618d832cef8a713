import DFSProtocol

/// What the prompt tells; never waits for anybody.
public struct PromptState: Equatable, Sendable {
    /// The working directory in the tree.
    public var directory: [UInt8]
    /// Whether the name server was asked last and did not answer.
    public var isNameServerAway: Bool

    /// Joins the two.
    public init(directory: [UInt8], isNameServerAway: Bool = false) {
        self.directory = directory
        self.isNameServerAway = isNameServerAway
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
        let directory = shown(state.directory)
        let away = state.isNameServerAway ? " (name server away)" : ""
        guard hasColours else { return Array("dfsh \(directory)\(away)> ".utf8) }
        let warning = away.isEmpty ? "" : sequence("31") + away + sequence("0")
        return Array("dfsh \(sequence("1;34"))\(directory)\(sequence("0"))\(warning)> ".utf8)
    }

    private static func sequence(_ parameters: String) -> String {
        "\u{1}\u{1B}[\(parameters)m\u{1}"
    }

    private static func shown(_ directory: [UInt8]) -> String {
        let whole = Quoting.text(directory)
        guard whole.count > longestDirectory else { return whole }
        let name = directory.split(separator: UInt8(ascii: "/")).last.map(Array.init) ?? directory
        let end = Quoting.text(name)
        return end.count > longestDirectory ? "…" + end.suffix(longestDirectory) : "…/" + end
    }
}
