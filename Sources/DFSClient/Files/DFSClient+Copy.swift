import DFSProtocol
import DFSTransport

extension DFSClient {
    /// Copies a file from one file server to another, without its bytes passing through here.
    ///
    /// Only where the one server can not reach the other, and this client reaches both, do they
    /// pass through here. An existing file is replaced, atomically. The copy's SHA-256 is compared
    /// with the source's.
    /// - Parameter progress: Told how many bytes are there, where they pass through here.
    /// - Throws: `not-found`, `server-down`, `corrupt`, `stale-file` where the source changed; with
    ///   `isTargetReplaced` where the copy had its name by then.
    public func copy(
        _ source: TreePath, to target: TreePath,
        progress: @escaping StoreSource.Progress = { _ in }
    ) async throws(DFSError) -> FileFacts {
        // A digest has its own time, which a large file needs.
        let before = try await digest(of: source)
        do throws(DFSError) {
            return try await pull(source, to: target, before)
        } catch {
            // Without a server it is no word of the name server: the other one was not reached.
            guard error.known == .serverDown, error.path == source, error.server == nil,
                !error.isOutcomeUnknown
            else { throw error }
            do {
                return try await copyThroughHere(source, to: target, before, progress)
            } catch {
                throw DFSClient.failure(error)
                    ?? DFSError("internal", path: target, "what was read could not be stored")
            }
        }
    }

    /// Reads the source here and stores it, with its mode and time.
    private func copyThroughHere(
        _ source: TreePath, to target: TreePath, _ before: FileDigest,
        _ progress: @escaping StoreSource.Progress
    ) async throws -> FileFacts {
        let entry = try await stat(source).entry
        let content = StoreSource(size: before.facts.size, progress: progress) { offset, count in
            let piece = try await self.fetch(source, offset: offset, count: count)
            guard piece.facts.isSameContent(as: before.facts) else {
                throw DFSClient.changed(source)
            }
            return piece.bytes
        }
        let facts = try await store(
            target, mode: entry.mode, modified: entry.modified, from: content)
        guard facts.sha256 == before.sha256 else {
            throw DFSError(.corrupt, path: target, "the copy differs from \(source)")
                .afterReplacement
        }
        return facts
    }

    private func pull(
        _ source: TreePath, to target: TreePath, _ before: FileDigest
    ) async throws(DFSError) -> FileFacts {
        let place = try await placeForCreating(target, patience())
        var request = request(.pull, target)
        request.option("source", source.bytes)
        request.nameOperation()
        let asked = request
        // Read there, sent, written and read again: what one pass may take, four times.
        let (bytes, isTooMuch) = before.facts.size.multipliedReportingOverflow(by: 4)
        let patience = patience(forWorkOn: isTooMuch ? .max : bytes)
        let (reply, location) = try await onOwner(
            of: target, at: place, .asOneChange, patience, waits: true
        ) {
            (link) throws(ConnectionError) in
            try await send(asked, to: link, until: patience)
        }
        claims.withLock { $0.forget(target) }
        do throws(DFSError) {
            var facts = try FileFacts(reply.final, path: target)
            facts.sha256 = try await digest(ofCopy: target, at: location, facts, of: source, before)
            return facts
        } catch {
            throw error.afterReplacement
        }
    }

    /// The digest of a copy that is there, where it is the source's, or was made of a later one.
    private func digest(
        ofCopy target: TreePath, at location: FileLocation, _ facts: FileFacts,
        of source: TreePath, _ before: FileDigest
    ) async throws(DFSError) -> String {
        let after = try await digest(of: target, at: location, patience(forWorkOn: facts.size))
        guard after.facts.isSameContent(as: facts) else {
            throw DFSError(
                .staleFile, path: target, "the copy was changed right after it was made")
        }
        if after.sha256 == before.sha256 { return after.sha256 }
        // The servers have compared theirs: it is the source that can have changed before that.
        let now = try await digest(of: source)
        if after.sha256 == now.sha256 { return after.sha256 }
        throw now.facts.isSameContent(as: before.facts)
            ? DFSError(.corrupt, path: target, "the copy differs from \(source)")
            : DFSClient.changed(source)
    }
}
