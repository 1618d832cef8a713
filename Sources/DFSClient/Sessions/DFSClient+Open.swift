import DFSProtocol
import DFSTransport

extension DFSClient {
    /// Opens a session on a file, on the file server that has it.
    ///
    /// A file to be made is claimed from the name server first, which chooses the file server.
    ///
    /// - Parameters:
    ///   - permissions: Of a file that is made.
    ///   - lease: How long the session outlives its connection, from the last request on, in whole
    ///     milliseconds; the server may grant less (`RemoteFile.lease`). nil: it ends with it.
    ///   - lock: Keeps away other sessions that ask for a lock. Released by `close`, and when the
    ///     session ends.
    ///   - wait: How long to wait in line for the lock, at most; it comes on top of the deadline.
    ///   - ifVersion: Opens only where the file has this version (`FileFacts`).
    /// - Throws: `not-found`, `exists` for `createNew`, `server-down`, `denied`; `locked` where
    ///   another session has the lock, with what is known of it in `holder`; `conflict` for another
    ///   version; `too-many`.
    public func open(
        _ path: TreePath, _ mode: OpenMode, permissions: FileMode? = nil, lease: Duration? = nil,
        lock: FileLock? = nil, wait: Duration? = nil, ifVersion: Int64? = nil
    ) async throws(DFSError) -> RemoteFile {
        let opening = Opening(
            path: path, mode: mode, permissions: permissions, lease: lease, lock: lock, wait: wait,
            ifVersion: ifVersion)
        return try await open(opening)
    }

    func open(_ opening: Opening) async throws(DFSError) -> RemoteFile {
        let patience = patience()
        switch opening.mode {
        case .read, .readWrite: return try await open(opening, at: nil, patience)
        case .create:
            let place = try await placeForCreating(opening.path, patience)
            patience.renew()
            return try await open(opening, at: place, patience)
        case .createNew:
            let place = try await placeForNew(opening.path, patience)
            patience.renew()
            return try await open(opening, at: place, patience)
        }
    }

    func open(
        _ opening: Opening, at place: FileLocation?, _ patience: Patience
    ) async throws(DFSError) -> RemoteFile {
        let asked = opening.request(tagged: options.tagsEveryRequest)
        // A session whose OK was lost dies with its connection or its server, or is found again by
        // its op=. Only a file that must be new can not be asked for at another run.
        let repetition: Repetition = opening.mode == .createNew ? .asOneChange : .always
        var isFirst = true
        let opened: (answer: (ReplyLine, ServerLink, Bool), location: FileLocation)
        do throws(DFSError) {
            opened = try await onOwner(
                of: opening.path, at: place, repetition, patience, waits: opening.waitsForServer
            ) {
                (link) throws(ConnectionError) in
                let wasFirst = isFirst
                isFirst = false
                // The wait for a lock comes on top, without a word in between.
                let own =
                    opening.wait.map { patience.anew(patience.remaining + max(.zero, $0)) }
                    ?? patience
                return (try await send(asked, to: link, until: own).final, link, wasFirst)
            }
        } catch {
            var failure = error
            switch opening.mode {
            case .read, .readWrite: failure.changedNothing()
            // The file may have been made.
            case .create, .createNew:
                failure.isOutcomeUnknown = error.isOutcomeUnknown || error.isDoubt
            }
            throw failure
        }
        claims.withLock { $0.forget(opening.path) }
        let (line, link, wasFirst) = opened.answer
        let file = try RemoteFile(self, link, opened.location.server, opening, line)
        // The session of a first attempt belongs to the connection that was lost.
        if !wasFirst, file.token != nil { file.session.belongsElsewhere() }
        return file
    }

    /// Takes over a leased session, from whoever has it: their next request is `stale-handle`.
    ///
    /// - Parameter handle: As HANDLES shows it, `s` and hexadecimal digits.
    /// - Parameter token: The secret that OPEN gave (`RemoteFile.token`).
    /// - Throws: `denied` for another token; `lease-expired`, `stale-handle`: open the file again.
    public func resume(
        _ handle: [UInt8], token: [UInt8], on server: ServerInfo
    ) async throws(DFSError) -> RemoteFile {
        guard let known = try await handles(on: server).first(where: { $0.handle == handle }) else {
            throw DFSError(missing: handle, on: server)
        }
        var request = request(.resume)
        request.operand(handle)
        request.option("token", token)
        let patience = patience()
        let (line, link) = try await naming(handle, on: server) { () throws(DFSError) in
            try await onServer(server, patience) { (link) throws(ConnectionError) in
                (try await send(request, to: link, until: patience).final, link)
            }
        }
        let opening = Opening(
            path: known.path, mode: known.mode == "r" ? .read : .readWrite,
            lease: DFSClient.lease(in: line), lock: known.lock)
        return try RemoteFile(self, link, server.id, opening, line, token: token)
    }

    /// Where a file belongs that must be new.
    private func placeForNew(
        _ path: TreePath, _ patience: Patience
    ) async throws(DFSError) -> FileLocation {
        do throws(DFSError) {
            return try await create(path, patience)
        } catch {
            // An earlier call may have claimed the name and failed; if not, OPEN decides.
            guard error.known == .exists, let place = try await placeOfOwnClaim(path, patience)
            else { throw error }
            return place
        }
    }

    /// The lease that an answer grants; nil for none, and for one that is refused later.
    private static func lease(in line: ReplyLine) -> Duration? {
        // A lease that can not be read is a violation where the session is taken.
        guard case .milliseconds(let count)? = try? Lease(text: line.value("lease") ?? []) else {
            return nil
        }
        return .milliseconds(count)
    }

    /// Where a file is, or where a new one of that name belongs.
    func placeForCreating(
        _ path: TreePath, _ patience: Patience
    ) async throws(DFSError) -> FileLocation {
        do throws(DFSError) {
            return try await create(path, patience)
        } catch {
            guard error.known == .exists else { throw error }
        }
        if let place = try await placeOfOwnClaim(path, patience) { return place }
        // There already, or claimed by somebody who is about to make it.
        var backoff = Backoff()
        while true {
            do throws(DFSError) {
                return try await locate(path, patience)
            } catch {
                guard error.known == .notFound else { throw error }
                try await patience.pause(backoff.pause())
                if patience.isOver {
                    var busy = DFSError(
                        .busy, path: path,
                        "another client is making it; a claim that is not used ends within a minute"
                    )
                    busy.retryMilliseconds = 60_000
                    throw busy
                }
            }
        }
    }
}
