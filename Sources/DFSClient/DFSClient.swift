import DFSProtocol
import DFSTransport
import NIOCore
import NIOPosix
import Synchronization

@_exported import struct DFSProtocol.Endpoint
@_exported import struct DFSProtocol.FileMode
@_exported import struct DFSProtocol.ServerID
@_exported import struct DFSProtocol.TreePath
@_exported import struct DFSProtocol.WallTime
@_exported import struct NIOCore.ByteBuffer

/// A client of the service: one shared tree of files that lie on several file servers.
///
/// It asks the name server who has a file and then reads and writes it there, over one connection a
/// server. Every call gives up where nothing comes for `ClientOptions.deadline`, tries the name
/// servers in turn, follows redirects, and reconnects by itself where what it asks may be asked
/// twice. While a server lets a whole deadline pass, one call at a time waits for it, and others
/// that need it fail at once with `timeout`: a thousand files on it cost no thousand deadlines.
///
/// May be used from any task. Call `close()` at the end; it ends the thread that the client owns.
///
///     let client = DFSClient(nameServers: [Endpoint(host: "127.0.0.1", port: 7400)])
///     for try await entry in client.list(.root) { print(entry.path, entry.state) }
///     let file = try await client.open(TreePath("/A/F1"), .read)
///     let piece = try await file.read(at: 0, count: 100)
///     try await file.close()
///     await client.close()
///
/// Servers are not trusted: names, lengths and orders in their answers are checked before use, and
/// what breaks the protocol is a `protocol-violation`.
public final class DFSClient: Sendable {
    /// How the client was set up; only its deadline can change.
    public var options: ClientOptions { currentOptions.withLock { $0 } }
    /// The name servers, in the order in which they are tried.
    public let nameServers: [Endpoint]

    let pool: ConnectionPool
    /// Which of `nameServers` answered last; the next request starts there.
    let currentNameServer = Mutex(0)
    let reachability = Reachability()
    let silences = Silences()
    /// Addresses that the name server told, so that a listing's entries need no LOCATE each.
    let addresses = Mutex<[ServerID: Endpoint]>([:])
    let claims = Mutex(OwnClaims())
    private let currentOptions: Mutex<ClientOptions>
    private let clock: WaitingClock
    private let group: MultiThreadedEventLoopGroup

    /// Sets a client up; connects only when something is asked.
    ///
    /// - Parameter nameServers: Tried in turn, from the one that answered last.
    public convenience init(nameServers: [Endpoint], options: ClientOptions = ClientOptions()) {
        self.init(nameServers: nameServers, options: options, clock: WaitingClock())
    }

    /// - Parameter clock: Of what it waits for and of its pauses; tests move theirs by hand.
    init(nameServers: [Endpoint], options: ClientOptions, clock: WaitingClock) {
        precondition(!nameServers.isEmpty, "a client needs the address of a name server")
        self.nameServers = nameServers
        currentOptions = Mutex(options)
        self.clock = clock
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        pool = ConnectionPool(group: group, options: options)
    }

    /// Makes requests from now on more or less patient; what is under way stays as it is.
    public func setDeadline(_ deadline: Duration) {
        currentOptions.withLock { $0.deadline = deadline }
    }

    /// Whether the last attempt to reach a name server succeeded; nil before the first.
    public var isNameServerReachable: Bool? { reachability.isReached }

    /// Each change of `isNameServerReachable` from now on; who reads slowly gets the newest.
    ///
    /// Told by the attempts of requests: nothing is asked for it.
    public var reachabilityChanges: AsyncStream<Bool> { reachability.changes() }

    /// Closes every connection, and with them their sessions; the client is of no use afterwards.
    public func close() async {
        await pool.shutDown()
        // A loop that can not stop leaves nothing to do for the caller.
        try? await group.shutdownGracefully()
    }

    func request(_ verb: Verb, _ path: TreePath? = nil) -> ClientRequest {
        var request = ClientRequest(verb, tagged: options.tagsEveryRequest)
        if let path { request.operand(path) }
        return request
    }

    /// The patience of one operation, or of one step of a long one.
    ///
    /// - Parameter bytes: How many of them a server must read or bring to its disk for the answer.
    func patience(forWorkOn bytes: Int64 = 0) -> Patience {
        Patience(options.deadline + options.work(on: bytes), on: clock)
    }
}
