import Glibc

/// Which programs of this machine the person wants for what, as command lines of `sh`.
struct ProgramChoice {
    /// What `set pager` has said; nil where it was not set.
    var setPager: String?
    /// The value of an environment variable; nil where there is none, or it is empty.
    var variable: (String) -> String? = { name in
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }
    /// Whether a program of that name is in `PATH`.
    var isThere: (String) -> Bool = ProgramChoice.isInPath

    /// What shows text a screen at a time; nil where nothing does, or `cat` is wished for.
    var pager: String? {
        let wish = setPager ?? variable("DFSH_PAGER") ?? variable("PAGER")
        let found = wish ?? ["less", "more"].first(where: isThere)
        return found == "cat" ? nil : found
    }

    /// What the person has said that edits a file.
    var namedEditor: String? { variable("VISUAL") ?? variable("EDITOR") }

    /// What edits a file on a terminal.
    var editor: String? {
        namedEditor ?? ["editor", "vi", "nano"].first(where: isThere)
    }

    /// What opens a file with the program that the desktop has for its kind; nil without a desktop.
    var desktop: String? {
        let hasDesktop = variable("DISPLAY") != nil || variable("WAYLAND_DISPLAY") != nil
        return hasDesktop && isThere("xdg-open") ? "xdg-open" : nil
    }

    /// Whether what opens a file stays until the person leaves it, or shows it elsewhere.
    var showsByItself: Bool { pager != nil || desktop != nil }

    private static func isInPath(_ program: String) -> Bool {
        guard let value = getenv("PATH") else { return false }
        return String(cString: value).split(separator: ":").contains { folder in
            access("\(folder)/\(program)", X_OK) == 0
        }
    }
}
