import ArgumentParser
import DFSProtocol
import FileServerHost
import Logging
import ServerCommand

/// `dfs-fileserver`: options in, a running file server out.
struct FileServerProgram: ServerProgram {
    static let configuration = CommandConfiguration(
        commandName: "dfs-fileserver",
        abstract: "Serves ordinary folders as parts of the shared tree.",
        usage: """
            dfs-fileserver --export DIR[:/mount]... --name-server host:port[,host:port]... [options]
            dfs-fileserver --export DIR[:/mount]... --standalone [options]
            """,
        discussion: """
            Prints one line, ready role=file id=... addr=..., on standard output when it serves, \
            and logs on standard error. SIGTERM, SIGINT and SIGHUP are a planned stop. Exit codes: 0 \
            stopped as planned, 1 could not start, 2 wrong options. For packages, --generate-manual writes \
            this as a page for man, and --generate-completion-script SHELL the file by which bash, zsh or \
            fish complete the options.
            """, version: productVersion)
    static let role = Role.file

    @Option(
        name: .customLong("export"),
        help: ArgumentHelp(
            "A folder to serve, and where it stands in the tree; may be given again.",
            discussion: "The mount is what follows the last ':/'; without one it is /.",
            valueName: "dir[:/mount]"), completion: .directory)
    var exports: [Export]

    @Option(
        name: .customLong("new-export"),
        help: ArgumentHelp(
            "Takes the folder at this mount for a new one, once; may be given again.",
            discussion: """
                A folder that was served before and has lost its .dfs, or has another, is refused: \
                its disk may not be mounted, and its files would be forgotten.
                """, valueName: "/mount"))
    var newExports: [Mount] = []

    @Option(help: "The stable name of this server; one server at a time has it.")
    var id = ServerID.defaultID

    @Option(
        help: ArgumentHelp(
            "Where to listen; port 0 lets the system choose.", valueName: "host:port"))
    var listen = Endpoint(host: "127.0.0.1", port: 7401)

    @Option(
        help: ArgumentHelp(
            "Where clients reach this server. (default: where it listens)", valueName: "host:port"))
    var advertise: Endpoint?

    @Option(
        name: .customLong("name-server"),
        help: ArgumentHelp(
            "Name servers, tried in this order.", valueName: "host:port[,host:port]..."))
    var nameServers: NameServerList?

    @Flag(help: "Serves without a name server.")
    var standalone = false

    @OptionGroup var shared: SharedOptions

    func validate() throws {
        guard !exports.isEmpty else {
            throw ValidationError("there is nothing to serve: give --export DIR[:/mount]")
        }
        guard standalone != (nameServers != nil) else {
            throw ValidationError("give either --name-server or --standalone")
        }
        for (index, export) in exports.enumerated() {
            if exports[..<index].contains(where: { $0.mount == export.mount }) {
                throw ValidationError(
                    "two exports are mounted at \(export.mount); give each its own")
            }
        }
        for (index, export) in exports.enumerated() {
            if exports[..<index].contains(where: { $0.folder == export.folder }) {
                throw ValidationError(
                    "the folder \(export.folder) is exported twice; a file has one path")
            }
            if let wrong = export.mountWithoutSlash {
                throw ValidationError(
                    "there is no folder \(export.folder); a mount begins with '/': "
                        + "\(wrong.folder):/\(wrong.mount)")
            }
        }
        for mount in newExports.map(\.path) where !exports.contains(where: { $0.mount == mount }) {
            throw ValidationError("--new-export \(mount): no --export is mounted there")
        }
    }

    func start(in state: StateDirectory, log: Logger) async throws -> any RunningServer {
        if let outer = exports.first(where: { state.isInside($0.folder) }) {
            throw StartError(
                "the state directory lies inside the export \(outer.folder), where every client "
                    + "could change it: name another with --state")
        }
        let configuration = FileServer.Configuration(
            id: id, epoch: try state.raiseEpoch(), listen: listen, advertise: advertise,
            nameServers: nameServers?.endpoints ?? [])
        let memory = ExportMemory(
            at: state.file("exports"), kept: try state.contents(of: "exports"),
            keep: { try state.replace("exports", with: $0) })
        let renewed = newExports.map(\.path)
        return try await FileServer.start(
            configuration,
            exports: exports.map {
                FileServer.Export(
                    folder: $0.folder, mount: $0.mount, isNew: renewed.contains($0.mount))
            }, memory: memory,
            log: { log.notice("\($0)") },
            failed: { error in
                // Nothing that was acknowledged is lost: it is on disk, or a client was never told.
                Self.end(with: "\(error)")
            })
    }
}

/// `FileServer` as the launcher sees it.
extension FileServer: RunningServer {
    /// Finishes what is in flight, says goodbye and comes to rest.
    public func stop() async throws { try await shutDown() }
}
