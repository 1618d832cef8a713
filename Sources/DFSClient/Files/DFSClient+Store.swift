import DFSProtocol
import DFSTransport
import NIOCore

extension DFSClient {
    /// Makes or replaces a whole file; readers see the old content or the new, never a part.
    ///
    /// Up to 1 MiB travels in one STORE. More goes to a temporary name in the same directory
    /// (`name.dfs-part-…`, listed until the end) and is renamed when whole and verified.
    ///
    /// - Parameter next: Gives the content in pieces of any size, nil at the end; runs in the
    ///   caller's task.
    /// - Parameter verifies: Whether the server's SHA-256 is compared with that of what was sent.
    /// - Parameter ifVersion: Stores only where the file there has this version (`FileFacts`), and
    ///   takes no more than fits one STORE, up to 1 MiB: only that is compared at the same instant.
    /// - Throws: `DFSError`: `not-found` where the directory, or the file with `ifVersion`, is not
    ///   there, `conflict` for another version, `server-down`, `is-dir`, `no-space`, `corrupt`,
    ///   `too-large` for more than `ifVersion` allows; or what `next` throws. The file is then as
    ///   before, but with `isOutcomeUnknown` it may be stored all the same: the answer was lost and
    ///   could not be had again before the deadline, or the server was restarted.
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
        let attributes = Attributes(mode: mode, modified: modified, ifVersion: ifVersion)
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

    /// How long a large file's session outlives a lost connection while it is written.
    private static let storingLease: Duration = .seconds(30)

    private struct Attributes {
        let mode: FileMode?
        let modified: WallTime?
        let ifVersion: Int64?
    }

    /// Stores with one request, or returns nil where the server takes less at once.
    private func storeAtOnce(
        _ path: TreePath, _ content: ByteBuffer, _ attributes: Attributes, _ verifies: Bool
    ) async throws(DFSError) -> FileFacts? {
        let patience = patience()
        let place: FileLocation
        do throws(DFSError) {
            // A version is asked of a file that is there.
            place =
                attributes.ifVersion == nil
                ? try await placeForCreating(path, patience) : try await locate(path, patience)
            patience.renew()
        } catch {
            var failure = error
            failure.isTargetUntouched = true
            throw failure
        }
        var request = ClientRequest(.store, tagged: options.tagsEveryRequest)
        request.operand(path)
        if let mode = attributes.mode { request.option("mode", mode.text) }
        if let modified = attributes.modified { request.option("mtime", modified.text) }
        if let version = attributes.ifVersion { request.option("if-ver", version) }
        request.nameOperation()
        request.payload = content
        let asked = request
        do throws(DFSError) {
            let (reply, location) = try await onOwner(of: path, at: place, .asOneChange, patience) {
                (link) throws(ConnectionError) -> Reply? in
                guard content.readableBytes <= link.payloadBytes else { return nil }
                return try await send(asked, to: link, until: patience)
            }
            guard let reply else { return nil }
            let facts = try FileFacts(reply.final, path: path)
            return verifies ? try await verified(facts, path, at: location, content) : facts
        } catch {
            guard error.isOutcomeUnknown, !patience.isOver,
                let facts = await factsIfStored(path, content)
            else { throw error }
            return facts
        }
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

    private func storeInPieces(
        _ path: TreePath, _ attributes: Attributes, _ verifies: Bool,
        from next: () async throws -> ByteBuffer?
    ) async throws -> FileFacts {
        let server = try await ownerToReplace(path)
        let temporary = try temporaryPath(for: path)
        var (mayBeThere, isRenaming) = (false, false)
        do {
            let place = try await create(temporary, on: server)
            mayBeThere = true
            let file = try await open(
                Opening(
                    path: temporary, mode: .createNew, permissions: attributes.mode,
                    lease: DFSClient.storingLease), at: place, patience())
            let (checksum, size) = try await write(next, to: file)
            if let modified = attributes.modified {
                try await file.setAttributes(modified: modified)
            }
            try await file.close()
            let digest = try await digest(
                of: temporary, at: place, patience(forWorkOn: size))
            if verifies, !digest.sha256.utf8.elementsEqual(checksum.text) {
                throw DFSError(.corrupt, path: path, "the server has not what was sent")
            }
            isRenaming = true
            try await rename(temporary, to: path, replaces: true)
            var facts = digest.facts
            if verifies { facts.sha256 = digest.sha256 }
            return facts
        } catch var failure as DFSError {
            // A name server that has just let a deadline pass is not asked for another one.
            let isNameServerSilent = failure.known == .timeout && failure.server == nil
            if mayBeThere {
                var isRemoved = false
                if !isNameServerSilent {
                    isRemoved = await removeLeftover(
                        temporary, mayComeLater: failure.isOutcomeUnknown)
                }
                if !isRemoved { failure.leftover = temporary }
            }
            if !isRenaming {
                failure.isTargetUntouched = true
                failure.changedNothing()
            }
            // The caller knows nothing of the temporary name.
            if failure.path == temporary { failure.path = path }
            throw failure
        } catch {
            if mayBeThere { _ = await removeLeftover(temporary, mayComeLater: false) }
            throw error
        }
    }

    /// Removes a temporary file, also where the caller's task was cancelled.
    ///
    /// - Parameter mayComeLater: Whether a server that is stalled may still make it.
    /// - Returns: Whether it is gone.
    private func removeLeftover(_ path: TreePath, mayComeLater: Bool) async -> Bool {
        let removal = Task {
            do throws(DFSError) {
                try await remove(path, kind: .file)
                return true
            } catch {
                // The failure that led here is what the caller must hear of, with what is left.
                return error.known == .notFound && !mayComeLater
            }
        }
        return await removal.value
    }

    /// The file server whose file will be replaced; nil where the name is free.
    private func ownerToReplace(_ path: TreePath) async throws(DFSError) -> ServerID? {
        do throws(DFSError) {
            return try await locate(path).server
        } catch {
            guard error.known == .notFound else { throw error }
            return nil
        }
    }

    /// A free name beside `path`, cut where the name would be too long.
    private func temporaryPath(for path: TreePath) throws(DFSError) -> TreePath {
        let suffix = ".dfs-part-" + String(UInt64.random(in: .min ... .max), radix: 36)
        guard let parent = path.parent else {
            throw DFSError(.isDirectory, path: path, "the top of the tree is a directory")
        }
        var name = path.name.prefix(255 - suffix.utf8.count)
        // A name cut inside a character ends before it.
        while path.name.count > name.count, let last = name.last, last & 0x80 != 0 {
            name = name.dropLast()
        }
        do throws(RequestError) {
            return try parent.appending(Array(name) + Array(suffix.utf8))
        } catch {
            throw DFSError(error.code, path: path, error.advice)
        }
    }

    /// Writes pieces side by side while `next` gives more.
    private func write(
        _ next: () async throws -> ByteBuffer?, to file: RemoteFile
    ) async throws -> (checksum: Checksum, size: Int64) {
        var checksum = Checksum()
        var offset: Int64 = 0
        try await withThrowingTaskGroup(of: Void.self) { group in
            var inFlight = 0
            while var bytes = try await next() {
                checksum.update(bytes)
                while bytes.readableBytes > 0 {
                    let count = min(bytes.readableBytes, file.pieceBytes)
                    guard let piece = bytes.readSlice(length: count) else { break }
                    if inFlight >= options.piecesInFlight {
                        try await group.next()
                        inFlight -= 1
                    }
                    let place = offset
                    group.addTask { _ = try await file.write(piece, at: place) }
                    inFlight += 1
                    offset += Int64(count)
                }
            }
            try await group.waitForAll()
        }
        return (checksum, offset)
    }

    /// Copies a file from one file server to another, without its bytes passing through here.
    ///
    /// An existing file is replaced, atomically. The copy's SHA-256 is compared with the source's.
    /// - Throws: `not-found`, `server-down`, `corrupt`, `stale-file` where the source changed.
    public func copy(_ source: TreePath, to target: TreePath) async throws(DFSError) -> FileFacts {
        let before = try await digest(of: source)
        let place = try await placeForCreating(target, patience())
        var request = request(.pull, target)
        request.option("source", source.bytes)
        request.nameOperation()
        let asked = request
        // Read there, sent, written and read again: what one pass may take, four times.
        let (bytes, isTooMuch) = before.facts.size.multipliedReportingOverflow(by: 4)
        let patience = patience(forWorkOn: isTooMuch ? .max : bytes)
        let (reply, location) = try await onOwner(of: target, at: place, .asOneChange, patience) {
            (link) throws(ConnectionError) in
            try await send(asked, to: link, until: patience)
        }
        var facts = try FileFacts(reply.final, path: target)
        let size = facts.size
        let after = try await digest(of: target, at: location, self.patience(forWorkOn: size))
        guard after.sha256 == before.sha256 else {
            throw size == before.facts.size
                ? DFSError(.corrupt, path: target, "the copy differs from \(source)")
                : DFSClient.changed(source)
        }
        facts.sha256 = after.sha256
        return facts
    }
}
