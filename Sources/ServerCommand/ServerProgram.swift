import ArgumentParser
import DFSProtocol
import Logging

/// The version of the product that `--version` shows.
public let productVersion = "0.1.0"
/// The day of that version, as manual pages show it.
let productDate = "2026-11-23"

/// A server executable: its options, and how it starts once they have been read.
///
/// `launch` does what all servers share; the conformer declares its own `--listen` and `--id`,
/// because their defaults differ and `--help` shows them, and takes in the rest with
/// `@OptionGroup`.
public protocol ServerProgram: ParsableCommand {
    /// What kind of server it is, as `ready role=` tells it.
    static var role: Role { get }
    /// `--id`.
    var id: ServerID { get }
    /// `--listen`.
    var listen: Endpoint { get }
    /// `--state` and `--config`.
    var shared: SharedOptions { get }

    /// Starts serving; called once, with the state directory held.
    ///
    /// - Throws: Anything with a sentence for the operator as its description; the program then
    ///   ends with 1.
    func start(in state: StateDirectory, log: Logger) async throws -> any RunningServer
}

/// A server that has started and can be asked to stop.
public protocol RunningServer: Sendable {
    /// The address that it really listens on.
    var endpoint: Endpoint { get }

    /// Finishes what is in flight, says goodbye and comes to rest.
    func stop() async throws
}

/// What both servers take besides their own options.
public struct SharedOptions: ParsableArguments {
    /// `--state`; nil where it was not given.
    @Option(
        help: ArgumentHelp(
            "Directory for what outlives a restart.",
            discussion: """
                Default: $STATE_DIRECTORY, then $XDG_STATE_HOME/dfs/<id>, then \
                ~/.local/state/dfs/<id>.
                """,
            valueName: "dir"), completion: .directory)
    public var state: String?

    /// `--config`; read before anything else is.
    @Option(
        help: ArgumentHelp(
            "TOML file with options by their names; the command line wins.", valueName: "file"),
        completion: .file(extensions: ["toml"]))
    public var config: String?

    /// Stands for no options given.
    public init() {}
}

extension Endpoint: ExpressibleByArgument {
    /// Reads `host:port`; nil where the argument is none.
    public init?(argument: String) {
        do throws(RequestError) { try self.init(argument) } catch { return nil }
    }

    /// As `--help` shows it.
    public var defaultValueDescription: String { description }
}

extension ServerID: ExpressibleByArgument {
    /// What a name server is called unless `--id` says otherwise.
    public static let defaultNameServer = ServerID(inSource: "ns1")
    /// What a file server is called unless `--id` says otherwise.
    public static let defaultFileServer = ServerID(inSource: "fs1")

    private init(inSource text: String) {
        guard let id = ServerID(text) else { preconditionFailure("\(text) in the source is no id") }
        self = id
    }

    /// Reads an id; nil where the argument is none.
    public init?(argument: String) { self.init(argument) }

    /// As `--help` shows it.
    public var defaultValueDescription: String { text }
}

/// Why a server does not start, as one sentence for the operator.
public struct StartError: Error, CustomStringConvertible {
    /// The sentence, without the program's name; names in it are quoted already.
    public let description: String

    /// Takes a sentence.
    public init(_ description: String) { self.description = description }
}
