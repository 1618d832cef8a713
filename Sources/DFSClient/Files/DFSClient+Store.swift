import DFSProtocol
import DFSTransport
import NIOCore

extension DFSClient {
    /// Makes or replaces a whole file; readers see the old content or the new, never a part.
    ///
    /// Up to 1 MiB travels in one STORE. More goes to a temporary name in the same directory
    /// (`name.dfs-part-…`, listed until the end) and is renamed when whole and verified. A file
    /// server that is down at the start is `server-down` at once; one that goes down once it was
    /// chosen is waited for, a deadline long, for what was sent is there.
    ///
    /// - Parameter mode: nil keeps the permissions of the file that is there when this begins; a
    ///   new one has 0644.
    /// - Parameter next: Gives the content in pieces of any size, nil at the end; runs in the
    ///   caller's task.
    /// - Parameter verifies: Whether the server's SHA-256 is compared with that of what was sent.
    /// - Parameter ifVersion: Stores only where the file there has this version (`FileFacts`), and
    ///   takes no more than fits one STORE, up to 1 MiB: only that is compared at the same instant.
    /// - Throws: `DFSError`: `not-found` where the directory, or the file with `ifVersion`, is not
    ///   there, `conflict` for another version, `server-down`, `is-dir`, `no-space`, `corrupt`,
    ///   `too-large` for more than `ifVersion` allows; or what `next` throws. The file is then as
    ///   before, but with `isOutcomeUnknown` it may be stored all the same: the answer was lost and
    ///   could not be had again before the deadline, or the server was restarted. With
    ///   `isTargetReplaced` it surely was: what arrived by one STORE is compared after it took the
    ///   name, and `corrupt` or `stale-file` is then said of what stands there now.
    public func store(
        _ path: TreePath, mode: FileMode? = nil, modified: WallTime? = nil, verifies: Bool = true,
        ifVersion: Int64? = nil, from next: () async throws -> ByteBuffer?
    ) async throws -> FileFacts {
        var head = ByteBuffer()
        var isWhole = false
        while head.readableBytes <= options.pieceBytes {
            guard var piece = try await next() else {
                isWhole = true
                break
            }
            if head.readableBytes == 0 { head = piece } else { head.writeBuffer(&piece) }
        }
        let attributes = StoreAttributes(mode: mode, modified: modified, ifVersion: ifVersion)
        if isWhole {
            let stored = try await storeAtOnce(path, head, attributes, verifies)
            if let stored { return stored }
        }
        guard ifVersion == nil else {
            var failure = DFSError(
                .tooLarge, path: path, "a version is compared only with what fits one STORE")
            failure.isTargetUntouched = true
            throw failure
        }
        return try await storeInPieces(path, attributes, verifies) {
            if head.readableBytes > 0 {
                defer { head = ByteBuffer() }
                return head
            }
            return isWhole ? nil : try await next()
        }
    }

    /// What is to be true of the stored file, and of the one that is there before.
    struct StoreAttributes {
        let mode: FileMode?
        let modified: WallTime?
        let ifVersion: Int64?
    }

    /// Stores with one request, or returns nil where the server takes less at once.
    private func storeAtOnce(
        _ path: TreePath, _ content: ByteBuffer, _ attributes: StoreAttributes, _ verifies: Bool
    ) async throws(DFSError) -> FileFacts? {
        let patience = patience()
        let place = try await placeForStoring(path, attributes, patience)
        patience.renew()
        let request = storing(content, as: path, attributes)
        let stored: (answer: Reply?, location: FileLocation)
        do throws(DFSError) {
            stored = try await onOwner(
                of: path, at: place, .asOneChange, patience, waits: true
            ) {
                (link) throws(ConnectionError) -> Reply? in
                guard content.readableBytes <= link.payloadBytes else { return nil }
                return try await send(request, to: link, until: patience)
            }
        } catch {
            // A server that could not make it durable has said so: that it is there is no success.
            guard error.isOutcomeUnknown, !error.isDoubt, !patience.isOver,
                let facts = await factsIfStored(path, content)
            else {
                var failure = error
                failure.isTargetUntouched = !error.isOutcomeUnknown
                throw failure
            }
            return facts
        }
        guard let reply = stored.answer else { return nil }
        claims.withLock { $0.forget(path) }
        do throws(DFSError) {
            let facts = try FileFacts(reply.final, path: path)
            return verifies ? try await verified(facts, path, at: stored.location, content) : facts
        } catch {
            throw error.afterReplacement
        }
    }

    private func placeForStoring(
        _ path: TreePath, _ attributes: StoreAttributes, _ patience: Patience
    ) async throws(DFSError) -> FileLocation {
        do throws(DFSError) {
            // A version is asked of a file that is there.
            return attributes.ifVersion == nil
                ? try await placeForCreating(path, patience) : try await locate(path, patience)
        } catch {
            var failure = error
            failure.isTargetUntouched = true
            throw failure
        }
    }

    private func storing(
        _ content: ByteBuffer, as path: TreePath, _ attributes: StoreAttributes
    ) -> ClientRequest {
        var request = request(.store, path)
        if let mode = attributes.mode { request.option("mode", mode.text) }
        if let modified = attributes.modified { request.option("mtime", modified.text) }
        if let version = attributes.ifVersion { request.option("if-ver", version) }
        request.nameOperation()
        request.payload = content
        return request
    }

    /// Looks whether a file has the content whose STORE was not answered; nil where it has not, or
    /// that can not be told.
    private func factsIfStored(_ path: TreePath, _ content: ByteBuffer) async -> FileFacts? {
        // The failure that led here is what the caller must hear of.
        guard let digest = try? await digest(of: path) else { return nil }
        var checksum = Checksum()
        checksum.update(content)
        guard digest.sha256.utf8.elementsEqual(checksum.text) else { return nil }
        var facts = digest.facts
        facts.sha256 = digest.sha256
        return facts
    }

    /// Compares the server's digest with that of what was sent.
    private func verified(
        _ facts: FileFacts, _ path: TreePath, at location: FileLocation, _ content: ByteBuffer
    ) async throws(DFSError) -> FileFacts {
        let digest = try await digest(
            of: path, at: location, patience(forWorkOn: Int64(content.readableBytes)))
        guard digest.facts.isSameContent(as: facts) else {
            throw DFSError(.staleFile, path: path, "the file was changed right after it was stored")
        }
        var checksum = Checksum()
        checksum.update(content)
        guard digest.sha256.utf8.elementsEqual(checksum.text) else {
            throw DFSError(.corrupt, path: path, "the server has not what was sent")
        }
        var facts = facts
        facts.sha256 = digest.sha256
        return facts
    }
}
