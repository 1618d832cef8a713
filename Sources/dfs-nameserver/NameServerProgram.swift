import ArgumentParser
import DFSCatalogueStore
import DFSProtocol
import DFSTransport
import Logging
import NameServerHost
import NameService
import ServerCommand

/// `dfs-nameserver`: options in, a running name server out.
struct NameServerProgram: ServerProgram {
    static let configuration = CommandConfiguration(
        commandName: "dfs-nameserver",
        abstract: "Knows which file server has which path, and whether it is alive.",
        discussion: """
            Prints one line, ready role=name id=... addr=..., on standard output when it serves, and logs on \
            standard error. SIGTERM, SIGINT and SIGHUP are a planned stop. Exit codes: 0 stopped as planned, 1 could \
            not start, 2 wrong options. For packages, --generate-manual writes this as a page for man, and \
            --generate-completion-script SHELL the file by which bash, zsh or fish complete the options.
            """,
        version: productVersion)
    static let role = Role.name

    @Option(help: ArgumentHelp("Where to listen; port 0 takes any.", valueName: "host:port"))
    var listen = Endpoint(host: "127.0.0.1", port: 7400)

    @Option(help: ArgumentHelp("The stable name of this server.", valueName: "id"))
    var id: ServerID = .defaultNameServer

    @Option(
        help: ArgumentHelp("What keeps the catalogue: sqlite.", valueName: "engine"),
        completion: .list(["sqlite"]))
    var catalogue = "sqlite"

    @Option(help: ArgumentHelp("Between two heartbeats of a file server.", valueName: "ms"))
    var beat = Pace().beat

    @Option(help: ArgumentHelp("Silence after which a server is suspect.", valueName: "ms"))
    var suspect = Pace().suspect

    @Option(help: ArgumentHelp("Silence after which a server is down.", valueName: "ms"))
    var down = Pace().down

    @Option(
        help: ArgumentHelp(
            "A file server that will not come back: what only it has leaves the tree.",
            valueName: "id"))
    var forget: [ServerID] = []

    @OptionGroup var shared: SharedOptions

    func validate() throws {
        guard catalogue == "sqlite" else {
            throw ValidationError(
                "the catalogue is kept by sqlite, which is the default and so far the only engine")
        }
        _ = try pace()
    }

    func start(in state: StateDirectory, log: Logger) async throws -> any RunningServer {
        let store = try SQLiteCatalogueStore(at: state.file("catalogue.sqlite"))
        let configuration = NameServerConfiguration(
            id: id, endpoint: listen, pace: try pace(), forgotten: forget)
        do {
            return RunningNameServer(
                server: try await NameServer.start(configuration: configuration, store: store) {
                    log.log(level: Logger.Level($0), "\($1)")
                })
        } catch ConnectionError.unreachable(let endpoint, let reason) {
            throw StartError("can not listen on \(endpoint): \(reason)")
        }
    }

    private func pace() throws -> Pace {
        do throws(RequestError) {
            return try Pace(beat: beat, suspect: suspect, down: down)
        } catch {
            throw ValidationError(error.advice)
        }
    }
}

/// The host's server, as the launch sees it.
private struct RunningNameServer: RunningServer {
    let server: NameServer

    var endpoint: Endpoint { server.endpoint }

    func stop() async { await server.shutDown() }
}

extension Logger.Level {
    /// The level of the log that the core's own word stands for.
    fileprivate init(_ level: NameLogLevel) {
        switch level {
        case .info: self = .info
        case .warning: self = .warning
        case .error: self = .error
        }
    }
}
