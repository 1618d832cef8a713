import DFSProtocol
import DFSTransport
import NIOCore

extension DFSClient {
    /// How long a large file's session outlives a lost connection while it is written.
    static let storingLease: Duration = .seconds(30)

    /// Stores under a temporary name, and renames what is whole and verified.
    ///
    /// Where no permissions are given, those of the file that is there at the start are kept, and
    /// the part has them from its first byte on.
    func storeInPieces(
        _ path: TreePath, _ attributes: StoreAttributes, _ verifies: Bool,
        from next: () async throws -> ByteBuffer?
    ) async throws -> FileFacts {
        let (place, mode) = try await placeOfPart(path, attributes)
        let part = place.path
        var file: RemoteFile?
        var isRenaming = false
        do {
            let opened = try await open(
                Opening(
                    path: part, mode: .createNew, permissions: mode,
                    lease: DFSClient.storingLease, lock: .exclusive, waitsForServer: true),
                at: place, patience())
            file = opened
            let (checksum, size) = try await write(next, to: opened)
            if let modified = attributes.modified {
                try await opened.setAttributes(modified: modified)
            }
            // The session and its lock stay until the part has its name.
            try await opened.sync()
            let digest = try await digest(of: part, at: place, patience(forWorkOn: size))
            if verifies, !digest.sha256.utf8.elementsEqual(checksum.text) {
                throw DFSError(.corrupt, path: part, "the server has not what was sent")
            }
            isRenaming = true
            try await rename(part: part, to: path)
            // All is durable and in place: a session that can not be ended ends with its lease.
            _ = try? await opened.close()
            var facts = digest.facts
            if verifies { facts.sha256 = digest.sha256 }
            return facts
        } catch {
            guard var failure = DFSClient.failure(error) else {
                _ = await clearAway(part, file, after: nil)
                throw error
            }
            if await !clearAway(part, file, after: failure, wasRenaming: isRenaming) {
                failure.leftover = part
            }
            if !isRenaming {
                failure.isTargetUntouched = true
                failure.changedNothing()
            }
            throw DFSClient.failure(failure, of: part, on: place.server, for: path)
        }
    }

    /// A failure of the client's own; nil for what the caller's side threw.
    static func failure(_ error: any Error) -> DFSError? {
        error is CancellationError
            ? DFSError(.cancelled, "given up by the caller") : error as? DFSError
    }

    /// The same failure, said of the file that was to be stored: the caller knows nothing of a
    /// temporary name.
    static func failure(
        _ error: DFSError, of part: TreePath, on server: ServerID, for path: TreePath
    ) -> DFSError {
        guard error.path == part else { return error }
        var failure = error
        switch error.known {
        case .staleFile, .staleHandle, .leaseExpired, .notFound:
            // Nobody else changes a part: its server was started anew, or its disk was.
            failure = DFSError(
                "connection-lost", "\(server) was restarted meanwhile, or has lost what was sent")
            failure.server = server
            failure.leftover = error.leftover
            failure.isTargetUntouched = true
        default: break
        }
        failure.path = path
        return failure
    }

    /// Gives a whole part its name; waits for an owner that is down, or that was just started and
    /// has not told of the part.
    func rename(part: TreePath, to path: TreePath) async throws(DFSError) {
        let patience = patience()
        var backoff = Backoff()
        while true {
            do throws(DFSError) {
                return try await rename(part, to: path, replaces: true)
            } catch {
                let isAway =
                    error.known == .serverDown || error.known == .notFound && error.path == part
                guard isAway, !error.isOutcomeUnknown else { throw error }
                // Where it is refused so, nothing was done.
                var failure = error
                failure.isTargetUntouched = true
                do throws(DFSError) {
                    if !patience.isOver { try await patience.pause(backoff.pause()) }
                } catch {
                    failure = error
                    failure.isTargetUntouched = true
                    throw failure
                }
                if patience.isOver { throw failure }
            }
        }
    }

    /// Claims a name for the part, on the server of the file that will be replaced.
    ///
    /// - Returns: The claim, and the permissions that the part must have.
    func placeOfPart(
        _ path: TreePath, _ attributes: StoreAttributes
    ) async throws(DFSError) -> (place: FileLocation, mode: FileMode?) {
        do throws(DFSError) {
            let present = try await fileToReplace(path)
            let mode = attributes.mode ?? present?.mode
            return (try await claimPart(of: path, on: present?.server), mode)
        } catch {
            var failure = error
            if failure.path?.parent == path.parent { failure.path = path }
            failure.isTargetUntouched = true
            failure.changedNothing()
            throw failure
        }
    }

    /// The file that will be replaced, as its file server has it; nil where the name is free.
    func fileToReplace(
        _ path: TreePath
    ) async throws(DFSError) -> (server: ServerID, mode: FileMode?)? {
        let patience = patience()
        do throws(DFSError) {
            let place = try await locate(path, patience)
            patience.renew()
            let (reply, owner) = try await onOwner(of: path, at: place, .always, patience) {
                (link) throws(ConnectionError) in
                try await send(request(.stat, path), to: link, until: patience)
            }
            let entry = try EntryReader.status(of: reply.final, at: path).entry
            return (owner.server, entry.mode)
        } catch {
            guard error.known == .notFound else { throw error }
            return nil
        }
    }

    /// Claims a name beside a path that nobody has.
    private func claimPart(
        of path: TreePath, on server: ServerID?
    ) async throws(DFSError) -> FileLocation {
        var attempts = 0
        while true {
            do throws(DFSError) {
                return try await create(try path.nameOfPart(), on: server)
            } catch {
                // Beside a very long path the names are short, and one can be taken.
                attempts += 1
                guard error.known == .exists, attempts < 8 else { throw error }
            }
        }
    }

    /// Removes a part and ends the session on it, also where the caller's task was cancelled.
    ///
    /// - Parameter failure: What led here; nil for what the caller's own side threw.
    /// - Parameter wasRenaming: Whether it may have its name by now, and is no part any more.
    /// - Returns: Whether it is gone.
    func clearAway(
        _ part: TreePath, _ file: RemoteFile?, after failure: DFSError?, wasRenaming: Bool = false
    ) async -> Bool {
        let mayBeRenamed = wasRenaming && failure?.isOutcomeUnknown ?? false
        let clearing = Task {
            let isGone = await remove(
                part: part, wasMade: file != nil, mayBeRenamed: mayBeRenamed, after: failure)
            // What it wrote takes room until its session ends. Removed before, it need not be
            // brought to the disk; that it was removed is what CLOSE answers, and a session that
            // can not be reached ends with its lease.
            if let file, file.session.lastSeat?.link.isOpen == true {
                _ = try? await file.session.close(patience(), waits: false)
            }
            return isGone
        }
        // Whoever had given up before waits for the end; whoever gives up now does not.
        if Task.isCancelled { return await clearing.value }
        return await withTaskCancellationHandler {
            await clearing.value
        } onCancel: {
            clearing.cancel()
        }
    }

    /// - Parameter wasMade: Whether its file server has said that the part is there.
    /// - Parameter mayBeRenamed: Whether it has its name, where it is not found.
    /// - Returns: Whether it is surely gone.
    private func remove(
        part: TreePath, wasMade: Bool, mayBeRenamed: Bool, after failure: DFSError?
    ) async -> Bool {
        // A server that is stalled may still make it; one that has made it and is gone, or has just
        // made it, has not told the name server.
        let isAway = failure?.category == .unreachable || failure?.known == .serverDown
        let mayComeLater =
            wasMade || failure?.isOutcomeUnknown ?? false || failure?.category == .unreachable
        // Who has just let a deadline pass is not waited for another one.
        if failure?.isUnanswered == true, failure?.server == nil { return false }
        let waits = failure?.known != .serverDown && failure?.known != .cancelled
        let patience = patience()
        var backoff = Backoff()
        while true {
            do throws(DFSError) {
                try await remove(part, kind: .file)
                // A server that is away removed nothing: what went is the claim of the name.
                return !(isAway && mayComeLater)
            } catch {
                // The failure that led here is what the caller must hear of, with what is left.
                if error.known == .notFound, mayBeRenamed { return true }
                if error.known == .notFound, !wasMade { return !mayComeLater }
                // One that was made and is not known will be told by its server.
                guard waits, error.known == .serverDown || error.known == .notFound else {
                    return false
                }
                // Cancelled, it has waited long enough.
                try? await patience.pause(backoff.pause())
                if patience.isOver || Task.isCancelled { return false }
            }
        }
    }

    /// Writes pieces side by side while `next` gives more.
    private func write(
        _ next: () async throws -> ByteBuffer?, to file: RemoteFile
    ) async throws -> (checksum: Checksum, size: Int64) {
        var checksum = Checksum()
        var offset: Int64 = 0
        var rest = ByteBuffer()
        try await WrittenPieces.write(to: file, width: options.piecesInFlight) {
            while rest.readableBytes == 0 {
                guard let more = try await next() else { return nil }
                checksum.update(more)
                rest = more
            }
            let count = min(rest.readableBytes, file.pieceBytes)
            guard let piece = rest.readSlice(length: count) else { return nil }
            defer { offset += Int64(count) }
            return (piece, offset)
        }
        return (checksum, offset)
    }
}
