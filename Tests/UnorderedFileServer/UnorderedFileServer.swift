import ArgumentParser
import DFSProtocol
@_spi(Testing) import FileServerHost
import Glibc
import Logging
import ServerCommand

/// `unordered-fileserver`: a file server whose requests on one file run as they come.
///
/// Linux orders buffered reads and writes of one file only page by page, so this server tears them.
/// It exists for one test: the check of histories must find that.
struct UnorderedFileServer: ServerProgram {
    static let configuration = CommandConfiguration(
        commandName: "unordered-fileserver",
        abstract: "Serves one folder without order; only for the tests of the history checker.")
    static let role = Role.file

    @Option(help: "A folder to serve, with ':/' at its end for its place in the tree.")
    var export: String

    @Option var id = ServerID.defaultFileServer

    @Option var listen = Endpoint(host: "127.0.0.1", port: 0)

    @Flag(help: "Serves without a name server; there is nothing else.")
    var standalone = false

    @OptionGroup var shared: SharedOptions

    func start(in state: StateDirectory, log: Logger) async throws -> any RunningServer {
        var configuration = FileServer.Configuration(
            id: id, epoch: try state.raiseEpoch(), listen: listen, nameServers: [])
        configuration.ordersWork = false
        let folder = export.hasSuffix(":/") ? String(export.dropLast(2)) : export
        return try await FileServer.start(
            configuration, exports: [FileServer.Export(folder: folder, mount: .root)],
            log: { log.notice("\($0)") },
            failed: { error in
                log.critical("\(error)")
                Glibc.exit(1)
            })
    }
}

extension FileServer: RunningServer {
    /// Comes to rest as every file server does.
    public func stop() async throws { try await shutDown() }
}
