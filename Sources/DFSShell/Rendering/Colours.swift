import DFSClient

/// The colours of names: directories stand out, and what can not be had now is dim.
struct Colours {
    /// Whether there are any.
    let isOn: Bool

    /// A name that is safe to print, in the colour of what it names.
    func name(_ shown: String, of entry: Entry) -> String {
        guard isOn else { return shown }
        if !entry.isAvailable { return Colours.sequence("2") + shown + Colours.sequence("0") }
        guard entry.kind == .directory else { return shown }
        return Colours.sequence("1;34") + shown + Colours.sequence("0")
    }

    private static func sequence(_ parameters: String) -> String { "\u{1B}[\(parameters)m" }
}
