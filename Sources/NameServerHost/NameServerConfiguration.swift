import DFSProtocol
import NameService

/// Everything that a name server is told at its start.
///
/// - Source: Protocol.md, "Command lines".
public struct NameServerConfiguration: Sendable {
    /// How the server calls itself in its greeting.
    public var id: ServerID
    /// Where it listens; port 0 lets the system choose one.
    public var endpoint: Endpoint
    /// How often file servers beat, and after which silence they are suspect and down.
    public var pace: Pace
    /// Bounds of the protocol.
    public var limits: Limits
    /// File servers that will not come back and leave the tree with all that only they have.
    public var forgotten: [ServerID]

    /// Joins the settings; the defaults are those of the documents.
    public init(
        id: ServerID, endpoint: Endpoint, pace: Pace = Pace(), limits: Limits = Limits(),
        forgotten: [ServerID] = []
    ) {
        self.id = id
        self.endpoint = endpoint
        self.pace = pace
        self.limits = limits
        self.forgotten = forgotten
    }
}
