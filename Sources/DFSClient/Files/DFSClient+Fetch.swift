import DFSProtocol
import DFSTransport
import NIOCore

extension DFSClient {
    /// Reads a whole file, piece by piece and in order, and proves that it came whole.
    ///
    /// Pieces of up to 1 MiB travel side by side. A server that is lost midway is found again, and
    /// the file there must be the same: else it is `stale-file`, and what was received is void. One
    /// that is down at the start is `server-down` at once; one that goes down later is waited for,
    /// a deadline long.
    ///
    /// - Parameter entry: An entry of a listing, or nil; saves the LOCATE.
    /// - Parameter verifies: Whether the server's SHA-256 is compared with that of what arrived.
    /// - Parameter beginning: What is here already; only what follows travels. The file must still
    ///   be the one that `begins(_:with:listedAs:)` said it of.
    /// - Parameter pace: Waits until so many bytes may be asked for; nothing is asked for before.
    /// - Parameter receive: Takes the pieces, each once and in order; runs in the caller's task.
    /// - Throws: `DFSError` with `server-down`, `not-found`, `stale-file` or `corrupt`; or what
    ///   `pace` and `receive` throw.
    public func fetch(
        _ path: TreePath, listedAs entry: Entry? = nil, verifies: Bool = true,
        after beginning: (prefix: FilePrefix, facts: FileFacts)? = nil,
        pace: @escaping StoreSource.Pace = { _ in },
        receive: (ByteBuffer) async throws -> Void
    ) async throws -> FileFacts {
        let start = beginning?.prefix.count ?? 0
        let isThere = entry?.isAvailable ?? false
        let hint = try await location(of: path, on: isThere ? entry?.server : nil)
        let awaited = max(0, (beginning?.facts.size ?? entry?.size ?? .max) - start)
        let paced = min(Int64(options.pieceBytes), awaited)
        try await pace(Int(paced))
        let patience = patience()
        // A small file's digest travels beside its bytes; a large one's is computed meanwhile, and
        // whatever comes of the file lets it take longer.
        async let digest = verifies ? digest(of: path, at: hint, patience) : nil
        let (first, place) = try await piece(
            of: path, at: hint, start, options.pieceBytes, patience)
        if let facts = beginning?.facts, !facts.isSameContent(as: first.facts) {
            throw Self.changed(path)
        }
        // The server digests at its own pace, however slowly the pieces are taken here.
        patience.renew(allowing: options.work(on: first.facts.size))
        var checksum = beginning?.prefix.checksum ?? Checksum()
        var received: Int64 = 0
        func take(_ bytes: ByteBuffer) async throws {
            received += Int64(bytes.readableBytes)
            patience.renew(allowing: options.work(on: received))
            if verifies { checksum.update(bytes) }
            try await receive(bytes)
        }
        try await take(first.bytes)
        let step = Int64(first.bytes.readableBytes)
        let rest = first.facts.size - start - step
        if rest > 0 {
            guard step > 0 else { throw DFSError.violation("an empty piece", path: path) }
            try await OrderedWindow.run(
                count: (rest - 1) / step + 1, width: options.piecesInFlight
            ) { [self] number in
                let offset = start + step * (number + 1)
                let count = Int(min(step, first.facts.size - offset))
                // The first piece may have been shorter than what was waited for.
                let due = min(Int64(count), offset + Int64(count) - start - paced)
                if due > 0 { try await pace(Int(due)) }
                return try await piece(
                    of: path, at: place, offset, count, self.patience(), like: first.facts
                ).piece.bytes
            } take: { bytes in
                try await take(bytes)
            }
        }
        var facts = first.facts
        guard let digest = try await digest else { return facts }
        guard digest.facts.isSameContent(as: facts) else { throw Self.changed(path) }
        guard digest.sha256.utf8.elementsEqual(checksum.text) else {
            throw DFSError(.corrupt, path: path, "what arrived is not what the server has")
        }
        facts.sha256 = digest.sha256
        return facts
    }

    /// Reads one range without a session.
    ///
    /// - Returns: Fewer bytes than asked only at the end of the file, or over the server's limit.
    public func fetch(
        _ path: TreePath, offset: Int64, count: Int
    ) async throws(DFSError) -> (bytes: ByteBuffer, facts: FileFacts) {
        let (piece, _) = try await piece(of: path, at: nil, offset, count, patience())
        return (piece.bytes, piece.facts)
    }

    private struct Piece: Sendable {
        let bytes: ByteBuffer
        let facts: FileFacts
    }

    private func piece(
        of path: TreePath, at hint: FileLocation?, _ offset: Int64, _ count: Int,
        _ patience: Patience, like expected: FileFacts? = nil
    ) async throws(DFSError) -> (piece: Piece, place: FileLocation) {
        let (answer, place) = try await reading(path, at: hint, patience, waits: expected != nil) {
            (link) throws(ConnectionError) in
            let asked = expected == nil ? min(count, link.payloadBytes) : count
            var request = ClientRequest(.fetch, tagged: options.tagsEveryRequest)
            request.operand(path)
            request.operand(offset)
            request.operand(Int64(asked))
            request.maximumPayload = asked
            return (try await send(request, to: link, until: patience), asked)
        }
        let (reply, asked) = answer
        let facts = try FileFacts(reply.final, path: path)
        let bytes = reply.payload ?? ByteBuffer()
        if let expected, !expected.isSameContent(as: facts) { throw Self.changed(path) }
        let due = max(0, min(Int64(asked), facts.size - offset))
        guard Int64(bytes.readableBytes) == due else {
            throw .violation(
                "\(bytes.readableBytes) bytes came where \(due) were due", path: path)
        }
        return (Piece(bytes: bytes, facts: facts), place)
    }

    static func changed(_ path: TreePath) -> DFSError {
        DFSError(.staleFile, path: path, "the file changed while it was read")
    }

    /// As `onOwner`, for what changes nothing: its outcome is never unknown.
    private func reading<Answer: Sendable>(
        _ path: TreePath, at hint: FileLocation?, _ patience: Patience, waits: Bool,
        _ body: (ServerLink) async throws(ConnectionError) -> Answer
    ) async throws(DFSError) -> (answer: Answer, location: FileLocation) {
        do throws(DFSError) {
            return try await onOwner(of: path, at: hint, .always, patience, waits: waits, body)
        } catch {
            var failure = error
            failure.changedNothing()
            throw failure
        }
    }

    /// Asks the file server for the SHA-256 of a file.
    ///
    /// It gets time for the size that the name server tells, but no more than 360 deadlines.
    public func digest(of path: TreePath) async throws(DFSError) -> FileDigest {
        let place = try await locate(path)
        return try await digest(
            of: path, at: place, patience(forWorkOn: place.size), waits: false)
    }

    /// - Parameter waits: False for a question; true for what belongs to a transfer.
    /// - Parameter count: How many bytes from the beginning on; nil for all.
    func digest(
        of path: TreePath, at hint: FileLocation?, _ patience: Patience, waits: Bool = true,
        first count: Int64? = nil
    ) async throws(DFSError) -> FileDigest {
        let (reply, _) = try await reading(path, at: hint, patience, waits: waits) {
            (link) throws(ConnectionError) in
            var request = request(.digest, path)
            if let count {
                request.operand(Int64(0))
                request.operand(count)
            }
            return try await send(request, to: link, until: patience)
        }
        guard let text = reply.final.text("sha256"), text.utf8.count == 64 else {
            throw .violation("a digest without sha256=", path: path)
        }
        return FileDigest(sha256: text, facts: try FileFacts(reply.final, path: path))
    }
}
