import DFSProtocol

// FOLLOW: what is added to a file is sent until somebody ends it.
extension FileServerCore {
    /// Bytes of one item; a follower whose peer does not read keeps no more than this in memory.
    static let followedBytes = 65_536

    mutating func beginFollowing(
        _ request: Request, _ ticket: Ticket
    ) throws(RequestError) -> [FileAction] {
        guard ticket.tag != nil else {
            throw RequestError(
                .badState, "FOLLOW goes on until CANCEL and needs a tag for that: @1 FOLLOW ...")
        }
        guard !isDraining else { throw .draining }
        let (key, session) = try use(request, ticket)
        let position = try request.number(at: 1)
        let limit = configuration.limits.taggedRequests
        guard watchStarts.count(of: ticket.id.connection) < limit else {
            throw RequestError(
                .busy, "the disk still begins to watch for FOLLOWs of this connection; try again",
                fields: [.init("retry", number: 100)])
        }
        let export = exports.number(of: session.file.path)
        try followers.add(
            FileFollower(
                ticket: ticket, session: key, file: session.file, export: export,
                position: position))
        watchStarts.begin(ticket.id, for: export)
        return [.watch(ticket.id, session.file)]
    }

    /// The store watches the file of a FOLLOW from now on, or does not.
    ///
    /// To be called for every `.watch`, also where the request has ended before.
    public mutating func watching(
        _ id: RequestID, _ failure: RequestError?, at now: MonotonicTime
    ) -> [FileAction] {
        watchStarts.end(id)
        if let failure { return endFollowing(id, failure) }
        followers.goOn(id)
        return look(at: now)
    }

    /// The file of a FOLLOW may have changed.
    public mutating func fileChanged(_ id: RequestID, at now: MonotonicTime) -> [FileAction] {
        followers.noteNews(id)
        return look(at: now)
    }

    /// The system has taken the item that was sent last for a FOLLOW.
    public mutating func itemTaken(_ id: RequestID, at now: MonotonicTime) -> [FileAction] {
        followers.goOn(id)
        return look(at: now)
    }

    /// Ends the FOLLOWs of a session that has ended: it was closed, killed, taken over or expired.
    mutating func endFollowing(
        of key: SessionKey, on connection: ConnectionID?, _ reason: RequestError
    ) -> [FileAction] {
        guard let connection else { return [] }
        return followers.ids(of: key, on: connection).flatMap { endFollowing($0, reason) }
    }

    /// Ends all FOLLOWs.
    mutating func endFollowing(_ reason: RequestError) -> [FileAction] {
        followers.ids.flatMap { endFollowing($0, reason) }
    }

    /// Lets as many followers look at their files as may at once.
    mutating func look(at now: MonotonicTime) -> [FileAction] {
        var actions: [FileAction] = []
        while let follower = followers.nextToLook() {
            if let size = follower.cut {
                followers.lookEnded(follower.ticket.id)
                actions.append(tellCut(follower, size))
                continue
            }
            actions += enqueue(
                .look(follower.file, at: follower.position, count: FileServerCore.followedBytes),
                for: follower.ticket, purpose: .follow, in: (follower.file.identity, .shared),
                at: now)
        }
        return actions
    }

    /// Notes that a look will tell nothing any more, and lets the next one look.
    mutating func looked(_ id: RequestID, at now: MonotonicTime) -> [FileAction] {
        followers.lookEnded(id)
        return look(at: now)
    }

    /// Takes what a look at a file found.
    mutating func looked(
        _ id: RequestID, _ result: Result<DiskOutcome, RequestError>, at now: MonotonicTime
    ) -> [FileAction] {
        followers.lookEnded(id)
        // One that was ended meanwhile has nothing to tell.
        guard let follower = followers[id], follower.phase == .looking else { return look(at: now) }
        switch result {
        case .failure(let error): return endFollowing(id, error) + look(at: now)
        case .success(.looked(let count, let size, let isStale)):
            if let cut = follower.cut { return [tellCut(follower, cut)] + look(at: now) }
            if count > 0 {
                return [tellBytes(follower, count, isLast: size != nil && !isStale)] + look(at: now)
            }
            if let size, size < follower.position {
                return [tellCut(follower, size)] + look(at: now)
            }
            if isStale {
                return endFollowing(id, FileServerCore.staleFile(follower)) + look(at: now)
            }
            followers.goOn(id)
            return look(at: now)
        default: return []
        }
    }

    private mutating func tellBytes(
        _ follower: FileFollower, _ count: Int, isLast: Bool
    ) -> FileAction {
        let id = follower.ticket.id
        // The disk has read up to here, so that the sum is an offset in a file.
        let (end, overflow) = follower.position.addingReportingOverflow(Int64(count))
        followers.send(id, upTo: overflow ? .max : end, hasMore: !isLast)
        var item = LineWriter(capacity: 64)
        item.begin(tag: follower.ticket.tag)
        item.append("*")
        item.pair("offset", follower.position)
        item.pair("bytes", Int64(count))
        item.end(literal: count)
        return .tell(id, item, withBytes: true)
    }

    private mutating func tellCut(_ follower: FileFollower, _ size: Int64) -> FileAction {
        followers.send(follower.ticket.id, upTo: size, hasMore: true)
        var item = LineWriter(capacity: 64)
        item.begin(tag: follower.ticket.tag)
        item.append("* truncated")
        item.pair("size", size)
        item.end()
        return .tell(follower.ticket.id, item, withBytes: false)
    }

    private mutating func endFollowing(_ id: RequestID, _ reason: RequestError) -> [FileAction] {
        followers.remove(id) ? [.refuse(id, reason)] : []
    }

    private static func staleFile(_ follower: FileFollower) -> RequestError {
        RequestError(
            .staleFile,
            "the file was replaced or removed, and this was all of it; OPEN its name again",
            fields: [.init("offset", number: follower.position)])
    }
}
