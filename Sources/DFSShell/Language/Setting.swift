import DFSProtocol

/// What `set` can change; one row a setting, for `set`, its help and Tab.
public enum Setting: String, CaseIterable, Sendable {
    case colour
    case deadline
    case history
    case pager
    case progress
    case prompt
    case timing

    /// What a value is.
    enum Value: Sendable {
        case choice([String])
        /// A whole number within the range.
        case number(ClosedRange<Int64>)
        case text
    }

    /// Which values it takes.
    var value: Value {
        switch self {
        case .colour: .choice(["auto", "always", "never"])
        case .deadline: .number(1...86_400_000)
        case .history: .number(0...100_000)
        case .progress: .choice(["auto", "off"])
        case .timing: .choice(["off", "on"])
        case .pager, .prompt: .text
        }
    }

    /// What it is where nobody set it, as `set` shows it.
    public var usual: String {
        switch self {
        case .colour, .progress: "auto"
        case .deadline: "10000"
        case .history: "\(LineHistory.limit)"
        case .pager: "$DFSH_PAGER, $PAGER or less"
        case .prompt: "dfsh %d%a> "
        case .timing: "off"
        }
    }

    /// One sentence.
    var summary: String {
        switch self {
        case .colour: "whether results have colours: auto heeds NO_COLOR and CLICOLOR_FORCE"
        case .deadline: "milliseconds after which a wait without any answer is given up"
        case .history: "lines that are kept for the arrow keys and \"history\""
        case .pager: "the program that shows long texts, run by sh"
        case .progress: "whether transfers show how far they are, on a terminal"
        case .prompt: "%d is the directory, %a says where the name server is away, %% is %"
        case .timing: "whether it is told how long each command took"
        }
    }
}

/// The values that were set; what was not set is as usual.
struct Settings: Sendable {
    private var values: [Setting: [UInt8]] = [:]

    /// The value that was set; nil where it is as usual.
    subscript(setting: Setting) -> [UInt8]? { values[setting] }

    /// Sets a value.
    ///
    /// - Throws: `ShellFailure` with `usage` where the setting does not take it.
    mutating func set(_ setting: Setting, _ value: [UInt8]) throws {
        let shown = Quoting.text(value)
        switch setting.value {
        case .choice(let words):
            guard words.contains(String(decoding: value, as: UTF8.self)) else {
                throw ShellFailure(
                    .usage, "set \(setting): \(shown) is none of \(words.joined(separator: ", "))")
            }
        case .number(let range):
            guard let number = Number.parse(value.span), range.contains(number) else {
                throw ShellFailure(
                    .usage,
                    "set \(setting): \(shown) is not a number from \(range.lowerBound) to "
                        + "\(range.upperBound)")
            }
        case .text:
            guard !value.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
                throw ShellFailure(.usage, "set \(setting): \(shown) holds control bytes")
            }
        }
        values[setting] = value
    }

    /// Makes a setting as it usually is.
    mutating func unset(_ setting: Setting) { values[setting] = nil }

    private func text(_ setting: Setting) -> String? {
        values[setting].map { String(decoding: $0, as: UTF8.self) }
    }

    private func number(_ setting: Setting) -> Int64? {
        values[setting].flatMap { Number.parse($0.span) }
    }

    /// Whether each command's time is told.
    var isTimed: Bool { text(.timing) == "on" }

    /// Whether transfers show how far they are.
    var showsProgress: Bool { text(.progress) != "off" }

    /// How many lines of history are kept.
    var historyLines: Int { Int(number(.history) ?? Int64(LineHistory.limit)) }

    /// How long a wait may be; nil where that was not set.
    var deadline: Duration? { number(.deadline).map { .milliseconds($0) } }

    /// What shows long texts, for `sh`.
    ///
    /// - Parameter variable: Reads the environment; an empty value is as good as none.
    func pager(_ variable: (String) -> String?) -> String {
        text(.pager) ?? variable("DFSH_PAGER") ?? variable("PAGER") ?? "less"
    }

    /// Whether something is written with colours.
    ///
    /// What was set comes first, then NO_COLOR, then CLICOLOR_FORCE, and then what it goes to.
    /// - Parameters:
    ///   - isTerminal: Whether it goes to a terminal.
    ///   - variable: Reads the environment; an empty value is as good as none.
    func hasColours(isTerminal: Bool, _ variable: (String) -> String?) -> Bool {
        switch text(.colour) {
        case "always": return true
        case "never": return false
        default: break
        }
        if variable("NO_COLOR") != nil { return false }
        if let force = variable("CLICOLOR_FORCE"), force != "0" { return true }
        return isTerminal && (variable("TERM") ?? "dumb") != "dumb"
    }
}
