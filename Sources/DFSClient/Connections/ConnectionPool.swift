import DFSProtocol
import DFSTransport
import NIOCore

/// Keeps one connection a server, opens it when asked for and closes what nobody uses.
actor ConnectionPool {
    /// A dial that several callers may wait for.
    private typealias Dial = Task<Result<ServerLink, ConnectionError>, Never>

    private let group: any EventLoopGroup
    private let options: ClientOptions
    private var links: [Endpoint: ServerLink] = [:]
    private var dials: [Endpoint: Dial] = [:]
    /// Whether the client was closed: no link is opened any more.
    private(set) var isShutDown = false

    init(group: any EventLoopGroup, options: ClientOptions) {
        self.group = group
        self.options = options
    }

    /// The connection to a server; opened if there is none.
    ///
    /// - Throws: `unreachable`, `notGreeted`, `violation` or `refused`: nothing was asked yet.
    func link(
        to endpoint: Endpoint, until patience: Patience
    ) async throws(ConnectionError) -> ServerLink {
        if isShutDown { throw .closed("the client is closed") }
        if let link = links[endpoint] {
            if link.isOpen { return link }
            links[endpoint] = nil
        }
        let dial = dials[endpoint] ?? start(endpoint)
        guard let result = await dial.value(within: patience.remaining) else {
            throw Task.isCancelled ? .cancelled : .notGreeted(endpoint)
        }
        if dials[endpoint] == dial { dials[endpoint] = nil }
        let link = try result.get()
        if isShutDown {
            await link.close()
            throw .closed("the client is closed")
        }
        if links[endpoint] == nil { links[endpoint] = link }
        await closeUnused()
        return link
    }

    private func start(_ endpoint: Endpoint) -> Dial {
        let (options, group) = (options, group)
        var limits = Limits()
        // Who asks for larger pieces must also take them.
        limits.payloadBytes = max(limits.payloadBytes, options.pieceBytes)
        let bounds = limits
        let dial = Dial {
            let trace = options.trace.map { trace in
                { @Sendable (line: TraceLine) in trace(endpoint, line) }
            }
            do throws(ConnectionError) {
                let connection = try await LineConnection.open(
                    to: endpoint, timeout: options.connectTimeout, limits: bounds, on: group,
                    trace: trace)
                let link = ServerLink(connection, pieceBytes: options.pieceBytes)
                dials[endpoint] = nil
                // Known from here on, though nobody may wait for it any more.
                if !isShutDown, links[endpoint]?.isOpen != true { links[endpoint] = link }
                return .success(link)
            } catch {
                // Whoever asks from here on tries anew, though nobody may have waited for this.
                dials[endpoint] = nil
                return .failure(error)
            }
        }
        dials[endpoint] = dial
        return dial
    }

    /// Closes the links that were idle for longest until the bound is kept.
    private func closeUnused() async {
        let excess = links.count - options.connections
        guard excess > 0 else { return }
        let idle = links.values.filter(\.isIdle).sorted { $0.lastUse < $1.lastUse }
        for link in idle.prefix(excess) {
            links[link.endpoint] = nil
            await link.close()
        }
    }

    /// Forgets a link that did not keep its word, so that the next caller gets a new one.
    func discard(_ link: ServerLink) async {
        if links[link.endpoint] === link { links[link.endpoint] = nil }
        await link.close()
    }

    /// Closes every link; the next request opens a new one.
    func closeAll() async {
        let all = links.values.sorted { $0.endpoint.description < $1.endpoint.description }
        links = [:]
        for link in all { await link.close() }
    }

    /// Closes every link for good, also those that are being opened: the loop ends after this.
    func shutDown() async {
        isShutDown = true
        for dial in dials.values {
            if case .success(let link) = await dial.value { await link.close() }
        }
        await closeAll()
    }
}
