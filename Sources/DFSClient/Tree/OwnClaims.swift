import DFSProtocol
import DFSTransport

/// Names that this client claimed and has made no files of yet, as far as it knows.
///
/// The name server tells whoever asks for such a name only that it is claimed; without this memory
/// a client whose STORE failed would stand in its own way until the claim ends.
struct OwnClaims {
    /// How long the name server keeps a name for whoever claimed it.
    private static let lifetime: Duration = .seconds(60)
    /// A program that claims more at once, and uses none of them, waits as others do.
    private static let most = 1024

    private struct Claim {
        let server: ServerID
        let end: ContinuousClock.Instant
    }

    private var claims: [TreePath: Claim] = [:]

    /// Notes a claim that was granted.
    ///
    /// - Parameter asked: When it was asked for; the name server's minute began no earlier.
    mutating func note(_ path: TreePath, on server: ServerID, asked: ContinuousClock.Instant) {
        if claims.count >= OwnClaims.most {
            claims = claims.filter { $0.value.end > asked }
            if claims.count >= OwnClaims.most { return }
        }
        claims[path] = Claim(server: server, end: asked + OwnClaims.lifetime)
    }

    /// Forgets a claim that was used or released.
    mutating func forget(_ path: TreePath) { claims[path] = nil }

    /// Where a file of a claimed name is to be made; nil where the claim is not ours.
    func server(for path: TreePath, at now: ContinuousClock.Instant) -> ServerID? {
        claims[path].flatMap { $0.end > now ? $0.server : nil }
    }
}

extension DFSClient {
    /// The place of a name that CREATE says exists, where only this client's own claim is there.
    ///
    /// - Returns: nil where somebody else has claimed the name, or a file has it.
    /// - Throws: `server-down` where the claim's server is down; why nobody could be asked.
    func placeOfOwnClaim(
        _ path: TreePath, _ patience: Patience
    ) async throws(DFSError) -> FileLocation? {
        guard let server = claims.withLock({ $0.server(for: path, at: .now) }) else { return nil }
        do throws(DFSError) {
            _ = try await locate(path, patience)
            claims.withLock { $0.forget(path) }
            return nil
        } catch {
            guard error.known == .notFound else { throw error }
        }
        return try await place(of: path, on: server, patience)
    }

    /// Where a file server is that has a file, or is to get it.
    ///
    /// - Returns: nil where the name server does not know the file server.
    /// - Throws: `server-down` where it is down; why nobody could be asked.
    func place(
        of path: TreePath, on server: ServerID, _ patience: Patience
    ) async throws(DFSError) -> FileLocation? {
        guard let info = try await servers(within: patience).first(where: { $0.id == server }),
            let address = info.address
        else { return nil }
        guard info.state.isAvailable else {
            var failure = DFSError(.serverDown, path: path, "the file belongs to it")
            failure.server = server
            failure.seenMilliseconds = info.seenMilliseconds
            throw failure
        }
        return FileLocation(path: path, server: server, address: address)
    }
}
