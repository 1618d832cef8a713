import DFSProtocol
import NIOCore

/// One file that is sent under a temporary name, over as many sessions as it takes.
///
/// A file server that is restarted has lost the session and not the bytes: what it has is compared
/// by its digest, and the rest is sent in a new session.
struct PartUpload {
    let client: DFSClient
    /// What the part is renamed to in the end.
    let path: TreePath
    /// Where the part is.
    let place: FileLocation
    let attributes: DFSClient.StoreAttributes
    /// The permissions of a part that is made.
    let mode: FileMode?
    let source: StoreSource
    /// Whether the part was made, by this or by an earlier attempt.
    var isThere: Bool
    /// The session; nil where there is none.
    private(set) var file: RemoteFile?
    /// Whether the part may have its name by now.
    private(set) var isRenaming = false
    /// How far the session got that got farthest.
    private var farthest: Int64 = -1

    /// So many sessions that are lost without getting farther are enough.
    private static let mostInVain = 3

    init(
        client: DFSClient, path: TreePath, place: FileLocation,
        attributes: DFSClient.StoreAttributes, mode: FileMode?, source: StoreSource, isThere: Bool
    ) {
        self.client = client
        self.path = path
        self.place = place
        self.attributes = attributes
        self.mode = mode
        self.source = source
        self.isThere = isThere
    }

    /// Sends what is missing of the part, and gives it its name.
    mutating func run() async throws -> FileFacts {
        var inVain = 0
        while true {
            let before = farthest
            do {
                let checksum = try await send()
                return try await finish(checksum)
            } catch let error as DFSError where isThere && !isRenaming && error.losesSession {
                inVain = farthest > before ? 0 : inVain + 1
                // Where the session lives on, its lock would keep the next one away.
                await client.release(file)
                if inVain >= PartUpload.mostInVain || Task.isCancelled { throw error }
            }
        }
    }

    /// Opens the part and writes what it has not.
    private mutating func send() async throws -> Checksum {
        let isContinued = isThere
        let opened = try await client.open(
            Opening(
                path: place.path, mode: isContinued ? .readWrite : .createNew,
                permissions: isContinued ? nil : mode, lease: DFSClient.storingLease,
                lock: .exclusive, waitsForServer: true), at: place, client.patience())
        file = opened
        isThere = true
        var prefix = FilePrefix()
        if isContinued {
            prefix = try await verified(in: opened)
            // What follows is of no known content: none of it may stand beyond the end.
            if opened.facts.size > prefix.count { try await opened.truncate(to: prefix.count) }
            if let mode { try await opened.setAttributes(mode: mode) }
        }
        let checksum = try await write(to: opened, after: prefix)
        if let modified = attributes.modified {
            try await opened.setAttributes(modified: modified)
        }
        // The session and its lock stay until the part has its name: nobody else goes on with it.
        try await opened.sync()
        return checksum
    }

    /// How much of the file the part has surely.
    ///
    /// Pieces were written side by side: only near the end some may be missing.
    private mutating func verified(in opened: RemoteFile) async throws -> FilePrefix {
        let size = min(opened.facts.size, source.size)
        let window = Int64(client.options.piecesInFlight) * Int64(client.options.pieceBytes)
        var known = FilePrefix()
        for count in [max(0, size - window), size] where count > 0 {
            var longer = known
            try await source.extend(&longer, to: count, pieceBytes: client.options.pieceBytes)
            guard try await client.begins(place.path, at: place, with: longer) != nil else { break }
            known = longer
        }
        return known
    }

    private mutating func write(
        to opened: RemoteFile, after prefix: FilePrefix
    ) async throws -> Checksum {
        var checksum = prefix.checksum
        var (offset, written) = (prefix.count, Int64(0))
        let source = source
        source.progress(prefix.count)
        defer { farthest = max(farthest, prefix.count + written) }
        try await WrittenPieces.write(
            to: opened, width: client.options.piecesInFlight,
            progress: {
                written = $0
                source.progress(prefix.count + $0)
            }
        ) {
            guard offset < source.size else { return nil }
            let count = min(Int64(opened.pieceBytes), source.size - offset)
            try await source.pace(Int(count))
            let bytes = try await source.piece(at: offset, count)
            checksum.update(bytes)
            defer { offset += count }
            return (bytes, offset)
        }
        return checksum
    }

    private mutating func finish(_ checksum: Checksum) async throws -> FileFacts {
        let digest = try await client.digest(
            of: place.path, at: place, client.patience(forWorkOn: source.size))
        guard digest.sha256.utf8.elementsEqual(checksum.text) else {
            throw DFSError(.corrupt, path: place.path, "the server has not what was sent")
        }
        isRenaming = true
        try await client.rename(part: place.path, to: path)
        // All is durable and in place: a session that can not be ended ends with its lease.
        if let file { _ = try? await file.close() }
        var facts = digest.facts
        facts.sha256 = digest.sha256
        return facts
    }
}

extension DFSError {
    /// Whether a session was lost, and its file may be there all the same.
    fileprivate var losesSession: Bool {
        known == .staleFile || known == .staleHandle || known == .leaseExpired
            || code == "connection-lost"
    }
}
