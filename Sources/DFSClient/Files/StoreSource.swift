import DFSProtocol
import DFSTransport
import NIOCore

/// A file on the caller's side that can be read at any place, and more than once.
public struct StoreSource: Sendable {
    /// Reads bytes at an offset: all that were asked for, or it throws.
    public typealias Read = @Sendable (_ offset: Int64, _ count: Int) async throws -> ByteBuffer
    /// Told how many bytes of the file are on the server; falls where a restart took some of them.
    public typealias Progress = @Sendable (Int64) -> Void
    /// Waits until so many bytes may be sent.
    public typealias Pace = @Sendable (Int) async throws -> Void

    /// Bytes in the whole file.
    public let size: Int64
    let read: Read
    let progress: Progress
    let pace: Pace

    /// Describes a file of a size that does not change.
    ///
    /// - Parameter pace: Waits before bytes are sent; not for those that are only compared.
    public init(
        size: Int64, progress: @escaping Progress = { _ in }, pace: @escaping Pace = { _ in },
        read: @escaping Read
    ) {
        self.size = size
        self.progress = progress
        self.pace = pace
        self.read = read
    }

    /// Adds bytes of the file to a prefix of it, up to so many in all.
    func extend(_ prefix: inout FilePrefix, to count: Int64, pieceBytes: Int) async throws {
        while prefix.count < count {
            let length = min(Int64(pieceBytes), count - prefix.count)
            prefix.add(try await piece(at: prefix.count, length))
        }
    }

    func piece(at offset: Int64, _ count: Int64) async throws -> ByteBuffer {
        let bytes = try await read(offset, Int(count))
        guard Int64(bytes.readableBytes) == count else {
            throw DFSError(.conflict, "what is to be stored became shorter while it was read")
        }
        return bytes
    }
}

extension DFSClient {
    /// Makes or replaces a whole file with one that can be read again: it rides over more.
    ///
    /// As `store(_:mode:modified:verifies:ifVersion:from:)`; and where the file server is restarted
    /// midway, what it has of the part is compared and the rest sent.
    ///
    /// - Parameter continues: Whether a part that an earlier attempt left is taken up, as far as
    ///   its SHA-256 is that of the file here.
    /// - Parameter keepsPart: Whether a part stays where the caller gives up or the servers are
    ///   away (`leftover` with `isPartKept`), so that another call can continue it.
    /// - Throws: Also `locked` where somebody is still writing the part that was to be continued;
    ///   it stays theirs, whatever `keepsPart` says.
    public func store(
        _ path: TreePath, mode: FileMode? = nil, modified: WallTime? = nil,
        continues: Bool = false, keepsPart: Bool = false, from source: StoreSource
    ) async throws -> FileFacts {
        if source.size <= Int64(options.pieceBytes) {
            var isRead = false
            return try await store(path, mode: mode, modified: modified) {
                if isRead || source.size == 0 { return nil }
                isRead = true
                try await source.pace(Int(source.size))
                let bytes = try await source.piece(at: 0, source.size)
                source.progress(source.size)
                return bytes
            }
        }
        let attributes = StoreAttributes(mode: mode, modified: modified, ifVersion: nil)
        var earlier: (place: FileLocation, mode: FileMode?)?
        if continues { earlier = try await earlierPart(of: path, source) }
        let target: (place: FileLocation, mode: FileMode?) =
            if let earlier {
                (earlier.place, mode ?? earlier.mode)
            } else {
                try await placeOfPart(path, attributes)
            }
        var upload = PartUpload(
            client: self, path: path, place: target.place, attributes: attributes,
            mode: target.mode, source: source, isThere: earlier != nil)
        do {
            return try await upload.run()
        } catch {
            throw await failure(
                of: upload, error, keepsPart: keepsPart, wasThere: earlier != nil)
        }
    }

    /// Clears a part away that did not become a file, or keeps it; and says what is left.
    ///
    /// - Parameter wasThere: Whether an earlier attempt made the part.
    private func failure(
        of upload: PartUpload, _ error: any Error, keepsPart: Bool, wasThere: Bool
    ) async -> any Error {
        let part = upload.place.path
        // A part that this call neither made nor opened may be what somebody else is writing.
        let isOurs = !wasThere || upload.file != nil
        guard var failure = DFSClient.failure(error) else {
            if isOurs { _ = await clearAway(part, upload.file, after: nil) }
            return error
        }
        if keepsPart, upload.isThere, !upload.isRenaming, failure.letsGoOn {
            await release(upload.file)
            failure.leftover = part
            failure.isPartKept = true
        } else if isOurs,
            await !clearAway(
                part, upload.file, after: failure, wasRenaming: upload.isRenaming)
        {
            failure.leftover = part
        }
        if !upload.isRenaming {
            failure.isTargetUntouched = true
            failure.changedNothing()
        }
        return DFSClient.failure(failure, of: part, on: upload.place.server, for: upload.path)
    }

    /// Ends the session on a part that stays, so that its lock is free at once.
    func release(_ file: RemoteFile?) async {
        guard let file, file.session.lastSeat?.link.isOpen == true else { return }
        let patience = Patience(min(options.deadline, .seconds(2)))
        // A session that can not be ended ends with its lease.
        let closing = Task { _ = try? await file.session.close(patience, waits: false) }
        await closing.value
    }

    /// The largest part of an earlier attempt at the same file, on the server that is to have it.
    ///
    /// - Returns: Also the permissions of the file that it will replace; nil where there is none.
    private func earlierPart(
        of path: TreePath, _ source: StoreSource
    ) async throws -> (place: FileLocation, mode: FileMode?)? {
        // The top of the tree is no file; what is to be said of that is said elsewhere.
        guard path.parent != nil else { return nil }
        let present = try await fileToReplace(path)
        var largest: Entry?
        for entry in try await parts(of: path) {
            let isUsable =
                entry.kind == .file && entry.isAvailable && entry.size > largest?.size ?? 0
                && (present == nil || entry.server == present?.server)
            if isUsable { largest = entry }
        }
        guard let largest, let place = try await location(of: largest.path, on: largest.server)
        else { return nil }
        // One that begins otherwise is of another file, or of another time: it is left alone.
        var prefix = FilePrefix()
        let count = min(largest.size, source.size, Int64(options.pieceBytes))
        try await source.extend(&prefix, to: count, pieceBytes: options.pieceBytes)
        guard try await begins(largest.path, at: place, with: prefix) != nil else { return nil }
        return (place, present?.mode)
    }

    /// What has a name that a part of a file could have.
    ///
    /// Only names that begin so are asked for: what is asked does not grow with the directory.
    private func parts(of path: TreePath) async throws(DFSError) -> [Entry] {
        guard let parent = path.parent, let beginning = path.beginningOfParts else { return [] }
        var parts: [Entry] = []
        var pages = list(parent, after: beginning, pageLimit: DFSClient.pageOfParts)
            .makeAsyncIterator()
        while let page = try await pages.nextPage() {
            for entry in page {
                guard entry.name.starts(with: beginning) else { return parts }
                if path.isName(ofPart: entry.name) { parts.append(entry) }
            }
        }
        return parts
    }

    /// Mostly there is one part, and the name behind it ends the search.
    private static let pageOfParts: Int64 = 16
}

extension DFSError {
    /// Whether what was sent so far is of use for another attempt.
    fileprivate var letsGoOn: Bool {
        category == .interrupted || category == .unreachable || category == .temporary
            || known == .staleFile || known == .staleHandle || known == .leaseExpired
    }
}
