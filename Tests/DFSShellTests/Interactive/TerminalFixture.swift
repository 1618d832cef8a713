import Glibc
import TestCluster

/// dfsh on a terminal, in surroundings that a test chooses; its servers are real or absent.
struct TerminalFixture {
    /// Servers, and the folder that holds home and history.
    let cluster: Cluster

    /// Starts with a folder and no server.
    init() throws { cluster = try Cluster() }

    /// Starts a name server and one file server with files.
    init(files: [(name: [UInt8], contents: [UInt8])], pace: Pace = .usual) throws {
        cluster = try Cluster(pace: pace)
        try cluster.startNameServer()
        var export = Cluster.Export(mount: "/")
        export.files = files
        try cluster.startFileServer("fs1", exports: [export])
    }

    /// Opens dfsh on a new terminal.
    ///
    /// - Parameters:
    ///   - program: What to open instead of dfsh.
    ///   - nameServer: `host:port`; nil for the cluster's own, or for one that nobody serves.
    func open(
        program: String? = nil, _ arguments: [String] = [], nameServer: String? = nil,
        terminal: String = "xterm-256color",
        columns: Int = 80
    ) throws -> Terminal {
        let nobody = cluster.servers.isEmpty ? "127.0.0.1:1" : nil
        var changed = ["TERM": terminal]
        changed["DFSH_NAMESERVER"] = nameServer ?? nobody
        let kept = try cluster.environment.filter { variable in
            !changed.keys.contains { variable.hasPrefix("\($0)=") }
        }
        return try Terminal(
            try program ?? Executable.shell.path, arguments,
            environment: kept + changed.map { "\($0.key)=\($0.value)" }.sorted(), columns: columns,
            surroundings: cluster)
    }

    /// The prompt where the name server is away, at the top of the tree.
    static let away = "dfsh / (name server away)>"
    /// The prompt at the top of the tree.
    static let prompt = "dfsh />"
}

/// A server that takes connections and never says a word.
final class SilentServer {
    /// Where it is.
    let endpoint: String
    private let descriptor: Int32

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let isThere = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isThere else { throw TestFailure("no silent server") }
        endpoint = "127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
    }

    deinit { close(descriptor) }
}
