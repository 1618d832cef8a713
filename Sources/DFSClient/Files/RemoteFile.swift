import DFSProtocol
import DFSTransport
import NIOCore

/// How a session is opened.
public enum OpenMode: String, CaseIterable, Sendable {
    /// Reading only.
    case read = "r"
    /// Reading and writing a file that is there.
    case readWrite = "rw"
    /// Reading and writing; the file is made where it is not there, and never cut.
    case create
    /// Reading and writing a file that must not be there yet.
    case createNew = "create-new"
}

/// A session on one file: it lives on the file server and dies with the connection to it.
///
/// Follows the file and not its name. May be used from any task; writes that overlap have no order.
/// After `connection-lost` or `stale-handle` the session is over: open again and compare `facts`.
public final class RemoteFile: Sendable {
    /// The name that the file was opened by.
    public let path: TreePath
    /// The file server that holds the session.
    public let server: ServerID
    /// How it was opened.
    public let mode: OpenMode
    /// The server's name for the session, as HANDLES shows it.
    public let handle: [UInt8]
    /// What the server said of the file when it was opened.
    public let facts: FileFacts

    private let client: DFSClient
    private let link: ServerLink

    init(
        _ client: DFSClient, _ link: ServerLink, _ location: FileLocation, _ mode: OpenMode,
        _ line: ReplyLine
    ) throws(DFSError) {
        guard let handle = line.value("h"), (1...64).contains(handle.count) else {
            throw .violation("a session without a handle", path: location.path)
        }
        self.client = client
        self.link = link
        self.handle = handle
        self.mode = mode
        path = location.path
        server = location.server
        facts = try FileFacts(line, path: location.path)
        link.holdsHandle(1)
    }

    deinit { link.holdsHandle(-1) }

    /// Reads at an offset; moves no cursor.
    ///
    /// - Returns: Fewer bytes than asked only at the end of the file, or over the server's limit of
    ///   usually 1 MiB. `isEnd` when they reach the end.
    public func read(
        at offset: Int64, count: Int
    ) async throws(DFSError) -> (bytes: ByteBuffer, isEnd: Bool) {
        try await read(offset, count)
    }

    /// Reads from the session's cursor, which starts at 0, and moves it.
    public func readNext(count: Int) async throws(DFSError) -> (bytes: ByteBuffer, isEnd: Bool) {
        try await read(nil, count)
    }

    private func read(
        _ offset: Int64?, _ count: Int
    ) async throws(DFSError) -> (bytes: ByteBuffer, isEnd: Bool) {
        let count = max(0, min(count, link.payloadBytes))
        // The cursor moves once a READ: what was lost can not be asked again.
        var request = request(.read)
        if let offset { request.operand(offset) }
        request.operand(Int64(count))
        request.maximumPayload = count
        let reply = try await send(request, bytes: count)
        let bytes = reply.payload ?? ByteBuffer()
        guard reply.final.text("bytes") == String(bytes.readableBytes) else {
            throw .violation("bytes= is not what came", path: path)
        }
        return (bytes, reply.final.text("eof") == "yes")
    }

    /// Writes at an offset.
    ///
    /// Answered bytes survive a crash of the server, and after `sync` a power cut.
    ///
    /// - Returns: The file's size afterwards.
    @discardableResult
    public func write(_ bytes: ByteBuffer, at offset: Int64) async throws(DFSError) -> Int64 {
        guard bytes.readableBytes > 0 else { return try await put(.write, offset, bytes) }
        var rest = bytes
        var place = offset
        var size: Int64 = 0
        while let piece = rest.readSlice(length: min(rest.readableBytes, link.payloadBytes)),
            piece.readableBytes > 0
        {
            size = try await put(.write, place, piece)
            let (next, overflow) = place.addingReportingOverflow(Int64(piece.readableBytes))
            if overflow { throw DFSError(.range, path: path, "beyond the largest offset") }
            place = next
        }
        return size
    }

    /// Writes at the end, wherever that is by then; at most the server's limit at once.
    ///
    /// - Returns: The file's size afterwards.
    @discardableResult
    public func append(_ bytes: ByteBuffer) async throws(DFSError) -> Int64 {
        try await put(.append, nil, bytes)
    }

    private func put(
        _ verb: Verb, _ offset: Int64?, _ bytes: ByteBuffer
    ) async throws(DFSError) -> Int64 {
        var request = request(verb)
        if let offset { request.operand(offset) }
        request.payload = bytes
        let line = try await send(request, bytes: bytes.readableBytes).final
        guard line.text("bytes") == String(bytes.readableBytes) else {
            throw .violation("bytes= is not what was sent", path: path)
        }
        return try number("size", of: line)
    }

    /// Cuts the file, or extends it with zeros.
    public func truncate(to size: Int64) async throws(DFSError) {
        var request = request(.truncate)
        request.operand(size)
        _ = try await send(request)
    }

    /// Brings what was written to the disk.
    ///
    /// - Returns: The file's version.
    @discardableResult
    public func sync() async throws(DFSError) -> Int64 {
        try number("ver", of: try await send(request(.sync)).final)
    }

    /// What the disk says of the file now.
    public func status() async throws(DFSError) -> FileStatus {
        try EntryReader.status(of: try await send(request(.stat)).final, at: path)
    }

    /// Changes the time of the last change or the permission bits.
    public func setAttributes(
        mode: FileMode? = nil, modified: WallTime? = nil
    ) async throws(DFSError) {
        var request = request(.setAttributes)
        if let modified { request.option("mtime", modified.text) }
        if let mode { request.option("mode", mode.text) }
        _ = try await send(request)
    }

    /// Ends the session; what it wrote is on the disk when this returns.
    ///
    /// - Throws: `stale-file` where the file was replaced or removed after it was written to.
    @discardableResult
    public func close() async throws(DFSError) -> (size: Int64, version: Int64) {
        let line = try await send(request(.close)).final
        return (try number("size", of: line), try number("ver", of: line))
    }

    private func request(_ verb: Verb) -> ClientRequest {
        var request = client.request(verb)
        request.operand(handle)
        return request
    }

    private func number(_ key: StaticKey, of line: ReplyLine) throws(DFSError) -> Int64 {
        do throws(RequestError) {
            return try line.number(key)
        } catch {
            throw .violation(error.advice, path: path)
        }
    }

    private func send(_ request: ClientRequest, bytes: Int = 0) async throws(DFSError) -> Reply {
        let inFlight = Int64(bytes) * Int64(client.options.piecesInFlight)
        let timeout = client.deadline().remaining(forBytes: inFlight)
        do throws(ConnectionError) {
            return try await client.send(request, to: link, timeout: timeout)
        } catch {
            throw DFSError(error, path: path, server: server, over: link)
        }
    }

    /// The most bytes that one request of this session carries.
    public var pieceBytes: Int { link.payloadBytes }
}

extension DFSClient {
    /// Opens a session on a file, on the file server that has it.
    ///
    /// A file to be made is claimed from the name server first, which chooses the file server.
    /// - Parameter permissions: Of a file that is made.
    /// - Throws: `not-found`, `exists` for `createNew`, `server-down`, `denied`.
    public func open(
        _ path: TreePath, _ mode: OpenMode, permissions: FileMode? = nil
    ) async throws(DFSError) -> RemoteFile {
        let limit = deadline()
        switch mode {
        case .read, .readWrite: return try await open(path, mode, permissions, at: nil, limit)
        case .create:
            let place = try await placeForCreating(path, limit)
            return try await open(path, mode, permissions, at: place, limit)
        case .createNew:
            let place = try await create(path)
            return try await open(path, mode, permissions, at: place, limit)
        }
    }

    func open(
        _ path: TreePath, _ mode: OpenMode, _ permissions: FileMode?, at place: FileLocation?,
        _ limit: Deadline
    ) async throws(DFSError) -> RemoteFile {
        var request = request(.open, path)
        request.operand(mode.rawValue)
        if let permissions { request.option("mode", permissions.text) }
        let asked = request
        // A session whose OK was lost dies with its connection; only create-new leaves a trace.
        let (answer, location) = try await onOwner(
            of: path, at: place, isRepeatable: mode != .createNew, limit
        ) { (link) throws(ConnectionError) in
            (try await send(asked, to: link, timeout: limit.remaining), link)
        }
        return try RemoteFile(self, answer.1, location, mode, answer.0.final)
    }

    /// Where a file is, or where a new one of that name belongs.
    func placeForCreating(
        _ path: TreePath, _ limit: Deadline
    ) async throws(DFSError) -> FileLocation {
        do throws(DFSError) {
            return try await create(path)
        } catch {
            guard error.known == .exists else { throw error }
        }
        // There already, or claimed by somebody who is about to make it.
        var backoff = Backoff()
        while true {
            do throws(DFSError) {
                return try await locate(path, limit)
            } catch {
                guard error.known == .notFound, !limit.isOver else {
                    guard error.known == .notFound else { throw error }
                    var busy = DFSError(
                        .busy, path: path,
                        "another client is making it; a claim that is not used ends within a minute"
                    )
                    busy.retryMilliseconds = 60_000
                    throw busy
                }
                try await limit.pause(backoff.pause())
            }
        }
    }
}
