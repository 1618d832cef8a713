import DFSProtocol
import Synchronization

/// A name server and file servers of one test: real processes on loopback, in a folder of their
/// own.
///
/// Everything ends and is removed with the last reference, and also when the test process dies.
public final class Cluster: Sendable {
    /// A folder that a file server exports, made and filled before it starts.
    public struct Export: Sendable {
        /// Where it hangs in the tree.
        public var mount: String
        /// Its files: name relative to the folder, and contents.
        public var files: [(name: [UInt8], contents: [UInt8])]
        /// A folder that is there already; nil for a new one.
        public var folder: [UInt8]?
        /// When all of its files were last changed, in seconds since 1970; nil for now.
        public var mtime: Int64?

        /// Takes files with names and contents that are text.
        public init(mount: String = "/", files: KeyValuePairs<String, String> = [:]) {
            self.mount = mount
            self.files = files.map { ([UInt8]($0.utf8), [UInt8]($1.utf8)) }
        }

        /// Takes a folder that is there already.
        public init(mount: String = "/", folder: [UInt8]) {
            self.mount = mount
            self.folder = folder
            files = []
        }
    }

    /// Everything of this cluster is below this folder.
    public let folder: String
    /// What the name servers are told about silence.
    public let pace: Pace
    private let state = Mutex<[ClusterServer]>([])

    /// Makes the folder; nothing is started.
    public init(pace: Pace = .usual) throws {
        self.pace = pace
        folder = try FileSystem.makeUniqueFolder("\(Leash.shared().folder)/cluster-")
    }

    deinit { shutDown() }

    /// Ends all processes and removes all files; nothing happens the second time.
    public func shutDown() {
        for server in state.withLock({ $0 }).reversed() { server.end() }
        // What can not be removed now is removed with the whole run's folder. rm is quicker by far
        // than we are where a test had thousands of files.
        _ = try? ChildProcess("/bin/rm", ["-rf", "--", folder]).wait(within: .seconds(120))
    }

    /// All servers in the order in which they were added.
    public var servers: [ClusterServer] { state.withLock { $0 } }

    /// One server by its id.
    public subscript(id: String) -> ClusterServer {
        get throws {
            guard let server = servers.first(where: { $0.id == id }) else {
                throw TestFailure("there is no server \(id)")
            }
            return server
        }
    }

    /// The ends of all logs, under the names of their servers.
    public var logEnds: String {
        servers.map { "---- log of \($0.id) ----\n\($0.logEnd)" }.joined(separator: "\n")
    }

    /// Starts a name server.
    @discardableResult
    public func startNameServer(
        _ id: String = "ns1", options: [String] = [],
        launch: ClusterServer.Launch = ClusterServer.Launch()
    ) throws -> ClusterServer {
        let paced = pace == .usual ? [] : pace.options
        let server = ClusterServer(
            id: id, .nameServer, exports: [], stateFolder: "\(folder)/\(id).state",
            logPath: "\(folder)/\(id).log", options: paced + options, launch: launch)
        state.withLock { $0.append(server) }
        try server.start()
        return server
    }

    /// Starts a file server and waits until the name server knows all the files made for it.
    ///
    /// Without a name server in the cluster it is started with `--standalone`.
    @discardableResult
    public func startFileServer(
        _ id: String, mount: String = "/", files: KeyValuePairs<String, String> = [:],
        options: [String] = []
    ) throws -> ClusterServer {
        try startFileServer(id, exports: [Export(mount: mount, files: files)], options: options)
    }

    /// Starts a file server and waits until the name server knows all the files made for it.
    ///
    /// Without a name server in the cluster it is started with `--standalone`.
    @discardableResult
    public func startFileServer(
        _ id: String, exports: [Export], options: [String] = [],
        launch: ClusterServer.Launch = ClusterServer.Launch()
    ) throws -> ClusterServer {
        let server = try addFileServer(id, exports: exports, options: options, launch: launch)
        try server.start()
        guard servers.contains(where: { $0.executable == .nameServer }) else { return server }
        try awaitState(of: id, "up")
        for export in exports {
            for file in export.files {
                try awaitFile(Cluster.path(export.mount, file.name), on: id)
            }
        }
        return server
    }

    /// Makes a file server's folders without starting it.
    public func addFileServer(
        _ id: String, exports: [Export], options: [String] = [],
        program: Executable = .fileServer, launch: ClusterServer.Launch = ClusterServer.Launch()
    ) throws -> ClusterServer {
        var made: [(folder: [UInt8], mount: String)] = []
        for (index, export) in exports.enumerated() {
            let path = export.folder ?? [UInt8]("\(folder)/\(id).export\(index)".utf8)
            try FileSystem.makeFolders(path)
            for file in export.files {
                let name = path + [UInt8(ascii: "/")] + file.name
                try FileSystem.write(file.contents, to: name)
                if let mtime = export.mtime { try FileSystem.setTime(mtime, of: name) }
            }
            made.append((path, export.mount))
        }
        let names = try servers.filter { $0.executable == .nameServer }.map {
            try $0.endpoint.description
        }
        let told =
            names.isEmpty ? ["--standalone"] : ["--name-server", names.joined(separator: ",")]
        let exported = made.flatMap {
            ["--export", "\(String(decoding: $0.folder, as: UTF8.self)):\($0.mount)"]
        }
        let server = ClusterServer(
            id: id, program, exports: made, stateFolder: "\(folder)/\(id).state",
            logPath: "\(folder)/\(id).log", options: exported + told + options, launch: launch)
        state.withLock { $0.append(server) }
        return server
    }

    /// A tree path below a mount.
    public static func path(_ mount: String, _ name: [UInt8]) -> [UInt8] {
        [UInt8]((mount == "/" ? "/" : mount + "/").utf8) + name
    }
}
