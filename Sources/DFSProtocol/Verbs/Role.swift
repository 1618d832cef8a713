/// What a server is for; stands in its greeting.
public enum Role: String, CaseIterable, Sendable {
    /// Knows which file server holds every file, and which file servers are alive.
    case name
    /// Holds files and the sessions on them.
    case file

    /// How the server calls itself in a sentence.
    public var title: String {
        switch self {
        case .name: "name server"
        case .file: "file server"
        }
    }
}
