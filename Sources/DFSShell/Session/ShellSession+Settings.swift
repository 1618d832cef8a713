import DFSClient
import Glibc

/// What was set, where it matters.
extension ShellSession {
    /// The value of a variable of the environment; nil where it is empty too.
    static func variable(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }

    /// What shows long texts, as a text for `sh`.
    var pager: String {
        state.withLock { $0.settings }.pager(ShellSession.variable)
    }

    /// Whether results have colours.
    var hasColours: Bool {
        state.withLock { $0.settings }.hasColours(
            isTerminal: output.isTerminal, ShellSession.variable)
    }

    /// The prompt's text, with `%d` and `%a` in it.
    var promptText: String {
        state.withLock { $0.settings }[.prompt].map { String(decoding: $0, as: UTF8.self) }
            ?? Setting.prompt.usual
    }

    /// How many lines of history are kept.
    var historyLines: Int { state.withLock { $0.settings }.historyLines }

    /// Brings what was set to where it is heeded.
    func applySettings() {
        let settings = state.withLock { $0.settings }
        client.setDeadline(settings.deadline ?? usualDeadline)
        output.showProgress(settings.showsProgress)
    }
}
