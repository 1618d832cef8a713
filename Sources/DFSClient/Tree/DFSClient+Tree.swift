import DFSProtocol
import DFSTransport

extension DFSClient {
    /// Asks who has a file.
    ///
    /// - Parameter server: Which one's file, where several servers report the same path.
    /// - Throws: `server-down` with who and since when, `not-found`, `is-dir`.
    public func locate(
        _ path: TreePath, on server: ServerID? = nil
    ) async throws(DFSError) -> FileLocation {
        try await locate(path, on: server, patience())
    }

    /// How many servers' addresses are kept at most.
    private static let mostAddresses = 65_536

    func locate(
        _ path: TreePath, on server: ServerID? = nil, _ patience: Patience
    ) async throws(DFSError) -> FileLocation {
        var request = request(.locate, path)
        if let server { request.option("server", server.bytes) }
        let reply = try await askNameServer(request, about: path, patience)
        let location = try EntryReader.location(of: reply.final, at: path)
        addresses.withLock { known in
            // No honest tree has so many servers that were never listed.
            if known.count >= DFSClient.mostAddresses { known = [:] }
            known[location.server] = location.address
        }
        return location
    }

    /// The entries of a directory, in bytewise order; files on servers that are down among them.
    ///
    /// - Parameters:
    ///   - name: Only entries behind it, which need not be there itself; nil for all.
    ///   - pageLimit: Entries a page; the server's default where nil.
    public func list(
        _ path: TreePath, after name: [UInt8]? = nil, pageLimit: Int64? = nil
    ) -> Listing {
        Listing(client: self, path: path, source: .list(after: name), pageLimit: pageLimit)
    }

    /// Everything below a path, a directory before its contents.
    ///
    /// - Parameter pattern: What names must match: `*`, `?`, `[a-z]`, backslash.
    public func find(
        _ path: TreePath, pattern: [UInt8]? = nil, kind: Entry.Kind? = nil,
        pageLimit: Int64? = nil
    ) -> Listing {
        Listing(
            client: self, path: path, source: .find(pattern: pattern, kind: kind),
            pageLimit: pageLimit)
    }

    /// What the name server knows of a path, as of the last report.
    ///
    /// - Throws: `not-found`.
    public func stat(
        _ path: TreePath, on server: ServerID? = nil
    ) async throws(DFSError) -> FileStatus {
        var request = request(.stat, path)
        if let server { request.option("server", server.bytes) }
        let reply = try await askNameServer(request, about: path, patience())
        return try EntryReader.status(of: reply.final, at: path)
    }

    /// Counts what is below a path.
    public func diskUsage(_ path: TreePath) async throws(DFSError) -> Usage {
        let reply = try await askNameServer(request(.diskUsage, path), about: path, patience())
        do throws(RequestError) {
            return Usage(
                files: try reply.final.number("files"), directories: try reply.final.number("dirs"),
                bytes: try reply.final.number("bytes"))
        } catch {
            throw .violation("an answer to DU: \(error.advice)", path: path)
        }
    }

    /// Every file server that the name server knows, ordered by id.
    public func servers() async throws(DFSError) -> [ServerInfo] {
        try await servers(within: patience())
    }

    func servers(within patience: Patience) async throws(DFSError) -> [ServerInfo] {
        let reply = try await askNameServer(request(.servers), patience)
        var servers: [ServerInfo] = []
        for item in reply.items { servers.append(try EntryReader.server(of: item.line)) }
        addresses.withLock { known in
            known = [:]
            for server in servers { known[server.id] = server.address }
        }
        return servers.sorted { $0.id < $1.id }
    }

    /// What the name server says of itself: every pair of STATUS, in its order.
    public func status() async throws(DFSError) -> [(key: String, value: [UInt8])] {
        let reply = try await askNameServer(request(.status), patience())
        return reply.final.pairs.map { (String(decoding: $0.key, as: UTF8.self), $0.value) }
    }

    /// Makes a directory; durable when it returns, and no file server is needed for it.
    ///
    /// - Throws: `exists`; `not-found` where the parent is not there.
    public func makeDirectory(
        _ path: TreePath, mode: FileMode? = nil
    ) async throws(DFSError) {
        var request = request(.makeDirectory, path)
        if let mode { request.option("mode", mode.text) }
        request.nameOperation()
        _ = try await askNameServer(request, about: path, patience())
    }

    /// Removes a file or a directory, on disk too; durable when it returns.
    ///
    /// As with every change of names here, a lost answer is asked for again until the deadline, and
    /// the change is made once.
    /// - Parameter isRecursive: With everything below; else a directory must be empty.
    /// - Parameter kind: Refuses the other kind with `is-dir` or `not-dir`.
    /// - Throws: `server-down`, and then nothing was done; `not-empty`; `timeout`: unknown.
    public func remove(
        _ path: TreePath, isRecursive: Bool = false, kind: Entry.Kind? = nil,
        on server: ServerID? = nil
    ) async throws(DFSError) {
        var request = request(.remove, path)
        if isRecursive { request.option("recursive", "yes") }
        if let kind { request.option("type", kind == .file ? "file" : "dir") }
        if let server { request.option("server", server.bytes) }
        request.nameOperation()
        // A claim goes with the name.
        claims.withLock { $0.forget(path) }
        _ = try await askNameServer(request, about: path, patience())
    }

    /// Renames a file or a directory within its server; atomic.
    ///
    /// - Parameter replaces: Whether an existing target is replaced; else it is `exists`.
    /// - Throws: `cross-server`, and then nothing was done: copy and remove instead.
    public func rename(
        _ from: TreePath, to target: TreePath, replaces: Bool = false
    ) async throws(DFSError) {
        var request = request(.rename, from)
        request.operand(target)
        if replaces { request.option("replace", "yes") }
        request.nameOperation()
        _ = try await askNameServer(request, about: from, patience())
    }

    /// Claims a new name for 60 s and learns on which file server to make it.
    ///
    /// This client's `store`, `copy` and `open` find the claim, and make the file there.
    /// - Throws: `exists`; `server-down` where nobody is up; `no-replica` where nobody is mounted.
    public func create(
        _ path: TreePath, on server: ServerID? = nil
    ) async throws(DFSError) -> FileLocation {
        try await create(path, on: server, patience())
    }

    func create(
        _ path: TreePath, on server: ServerID? = nil, _ patience: Patience
    ) async throws(DFSError) -> FileLocation {
        var request = request(.create, path)
        if let server { request.option("server", server.bytes) }
        request.nameOperation()
        let asked = ContinuousClock.now
        let reply = try await askNameServer(request, about: path, patience)
        let location = try EntryReader.location(of: reply.final, at: path)
        claims.withLock { $0.note(path, on: location.server, asked: asked) }
        return location
    }
}
