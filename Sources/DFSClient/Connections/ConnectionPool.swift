import DFSProtocol
import DFSTransport
import NIOCore
import Synchronization

/// Keeps one connection a server, opens it when asked for and closes what nobody uses.
actor ConnectionPool {
    /// A dial that several callers may wait for.
    private struct Dial {
        let task: Task<Result<ServerLink, ConnectionError>, Never>
        let progress: DialProgress
    }

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
    /// It is not closed to save a connection before the caller has had time to use it.
    /// - Throws: `unreachable`, `notGreeted`, `violation` or `refused`: nothing was asked yet.
    func link(
        to endpoint: Endpoint, until patience: Patience
    ) async throws(ConnectionError) -> ServerLink {
        if isShutDown { throw .closed("the client is closed") }
        if let link = links[endpoint] {
            if link.isOpen {
                link.isHandedOver()
                return link
            }
            links[endpoint] = nil
        }
        let dial = dials[endpoint] ?? start(endpoint)
        guard let result = await dial.task.value(within: patience.remaining) else {
            if Task.isCancelled { throw .cancelled }
            let isAccepted = dial.progress.isAccepted.load(ordering: .relaxed)
            throw isAccepted ? .notGreeted(endpoint) : .unanswered(endpoint)
        }
        let link = try result.get()
        if isShutDown {
            await link.close()
            throw .closed("the client is closed")
        }
        // What ended already was asked nothing: who dials again may be luckier.
        guard link.isOpen else {
            throw .unreachable(endpoint, "it ends connections right after the greeting")
        }
        link.isHandedOver()
        await closeUnused()
        return link
    }

    /// The connection to a file server, which greets as the one that is meant.
    ///
    /// - Throws: As `link(to:until:)`; `violation` where somebody else answers at the address.
    func link(
        to server: ServerID, at endpoint: Endpoint, until patience: Patience
    ) async throws(ConnectionError) -> ServerLink {
        let link = try await link(to: endpoint, until: patience)
        guard link.role == "file", link.run.id == server.bytes else {
            let name = link.run.id.map { " " + Quoting.text($0) } ?? ""
            let found = link.role == "name" ? "a name server" : "another server"
            throw .violation("\(endpoint) is \(found)\(name), and not the file server \(server)")
        }
        return link
    }

    private func start(_ endpoint: Endpoint) -> Dial {
        let (options, group) = (options, group)
        var limits = Limits()
        // Who asks for larger pieces must also take them.
        limits.payloadBytes = max(limits.payloadBytes, options.pieceBytes)
        let bounds = limits
        let progress = DialProgress()
        let task = Task<Result<ServerLink, ConnectionError>, Never> {
            let trace = options.trace.map { trace in
                { @Sendable (line: TraceLine) in trace(endpoint, line) }
            }
            do throws(ConnectionError) {
                let connection = try await LineConnection.open(
                    to: endpoint, timeout: options.connectTimeout, limits: bounds, on: group,
                    whenAccepted: { progress.isAccepted.store(true, ordering: .relaxed) },
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
        let dial = Dial(task: task, progress: progress)
        dials[endpoint] = dial
        return dial
    }

    /// Whether a connection to an address is being opened, whoever still waits for it.
    func isDialing(_ endpoint: Endpoint) -> Bool { dials[endpoint] != nil }

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
            if case .success(let link) = await dial.task.value { await link.close() }
        }
        await closeAll()
    }
}

/// How far a dial has come, for who does not wait for its end.
private final class DialProgress: Sendable {
    /// Whether somebody has accepted the connection, who then owes a greeting.
    let isAccepted = Atomic(false)
}
