import DFSProtocol
import DFSTransport
import NIOCore

/// A session on one file, held on its file server for as long as the caller keeps this object.
///
/// Follows the file and not its name. May be used from any task; writes that overlap have no order.
///
/// A lost connection is the client's business: it connects again until the call's deadline
/// (`ClientOptions.deadline`) and goes on with the same session where that has a `lease`, repeating
/// what was not answered; nothing is done twice. Where the session itself is gone (no lease, an
/// expired one, a server that was restarted), it opens the file again without making one, and goes
/// on only where identity, version and size are as they were, no lock was lost, and nothing was
/// written since the last `sync`. Else this and every later call throws `stale-file`, with
/// `earlierChanges` telling what became of what was written before, and `isOutcomeUnknown` whether
/// the call itself may have been done; or
/// `stale-handle` or `lease-expired` where it is the lock that was lost. `stale-handle` is also
/// what a session that was killed or resumed elsewhere answers: it is not taken back.
///
/// A session with a lease is renewed by itself. Call `close()` at the end: a leased session that is
/// only forgotten stays on the server, lock and all, until its lease ends.
public final class RemoteFile: Sendable {
    /// What the server said of the file when it was opened.
    public let facts: FileFacts
    let session: HeldSession
    private let turns = Turns()

    init(
        _ client: DFSClient, _ link: ServerLink, _ server: ServerID, _ opening: Opening,
        _ line: ReplyLine, token: [UInt8]? = nil
    ) throws(DFSError) {
        facts = try FileFacts(line, path: opening.path)
        let seat = try Seat(line, over: link, path: opening.path, generation: 0, token: token)
        session = HeldSession(client, server: server, opening, seat, facts)
        lastHandle = seat.handle
    }

    private let lastHandle: [UInt8]

    /// The name that the file was opened by.
    public var path: TreePath { session.opening.path }
    /// The file server that holds the session.
    public var server: ServerID { session.server }
    /// How it was opened.
    public var mode: OpenMode { session.opening.mode }
    /// The lock that the session was opened with; nil for none.
    public var lock: FileLock? { session.opening.lock }
    /// The server's name for the session, as HANDLES shows it; another one after a re-open.
    public var handle: [UInt8] { session.lastSeat?.handle ?? lastHandle }
    /// The lease that was granted; nil for a session that ends with its connection.
    public var lease: Duration? {
        session.lastSeat?.leaseMilliseconds.map { .milliseconds($0) }
    }
    /// The secret by which `resume` takes the session over; nil where there is no lease.
    ///
    /// Whoever has it can read and write the file as this session can: keep it to yourself.
    public var token: [UInt8]? {
        session.lastSeat.flatMap { $0.leaseMilliseconds == nil ? nil : $0.token }
    }
    /// The most bytes that one request of this session carries.
    public var pieceBytes: Int {
        session.lastSeat?.link.payloadBytes ?? session.client.options.pieceBytes
    }

    /// Reads at an offset; moves no cursor.
    ///
    /// - Returns: Fewer bytes than asked only at the end of the file, or over the server's limit of
    ///   usually 1 MiB. `isEnd` when they reach the end.
    public func read(
        at offset: Int64, count: Int
    ) async throws(DFSError) -> (bytes: ByteBuffer, isEnd: Bool) {
        try await read(count, client.patience()) { request, _ in request.operand(offset) }
    }

    /// Reads from the session's cursor, which starts at 0, and moves it; calls take turns.
    ///
    /// - Throws: `timeout` where the turn did not come within the deadline: nothing was asked.
    public func readNext(count: Int) async throws(DFSError) -> (bytes: ByteBuffer, isEnd: Bool) {
        let patience = client.patience()
        guard await turns.begin(until: patience) else {
            throw Task.isCancelled
                ? DFSError(.cancelled, path: path, "given up by the caller")
                : DFSError(.timeout, path: path, "the reads before this one did not end in time")
        }
        defer { turns.end() }
        // What was waited for the turn is no silence of the server.
        patience.renew()
        // The server's cursor moves once a READ: after a lost answer only this side knows where it
        // should be, and says so from then on.
        let session = session
        let place = session.state.withLock { $0.cursor }
        do throws(DFSError) {
            let answer = try await read(count, patience) { request, isRepeated in
                let isOurs = session.state.withLock { state in
                    state.ownsCursor = state.ownsCursor || isRepeated
                    return state.ownsCursor
                }
                if isOurs { request.operand(place) }
            }
            session.state.withLock { state in
                state.cursor += Int64(answer.bytes.readableBytes)
            }
            return answer
        } catch {
            session.state.withLock { $0.ownsCursor = true }
            throw error
        }
    }

    private func read(
        _ count: Int, _ patience: Patience,
        at place: @escaping HeldSession.Operation.Arguments
    ) async throws(DFSError) -> (bytes: ByteBuffer, isEnd: Bool) {
        let count = max(0, min(count, pieceBytes))
        var operation = HeldSession.Operation(.read)
        operation.bytes = count
        operation.arguments = { request, isRepeated in
            place(&request, isRepeated)
            request.operand(Int64(count))
            request.maximumPayload = count
        }
        let reply = try await session.perform(operation, patience)
        let bytes = reply.payload ?? ByteBuffer()
        guard reply.final.text("bytes") == String(bytes.readableBytes) else {
            throw .violation("bytes= is not what came", path: path)
        }
        let isEnd = reply.final.text("eof") == "yes"
        // Whoever reads on from there would else read for ever. The limit may be another one by
        // now, of a server that was started anew.
        guard isEnd || bytes.readableBytes >= min(count, pieceBytes) else {
            throw .violation(
                "\(bytes.readableBytes) bytes came where \(count) were asked for, and no end",
                path: path)
        }
        return (bytes, isEnd)
    }

    /// Writes at an offset.
    ///
    /// Answered bytes survive a crash of the server, and after `sync` a power cut. More than
    /// `pieceBytes` travels in several requests, one after another.
    ///
    /// - Parameter ifVersion: Writes only where the file has this version. Asked with each request:
    ///   only up to `pieceBytes` are compared and written in one step.
    /// - Returns: The file's size afterwards.
    /// - Throws: `conflict` for another version; `read-only` in a session opened for reading;
    ///   `range` for bytes beyond the largest offset; `stale-file` where the file was replaced or
    ///   removed, or the session was lost; with `isOutcomeUnknown` where something may have been
    ///   written all the same, and `writtenBytes` for what surely was.
    @discardableResult
    public func write(
        _ bytes: ByteBuffer, at offset: Int64, ifVersion: Int64? = nil
    ) async throws(DFSError) -> Int64 {
        let (_, overflow) = offset.addingReportingOverflow(Int64(bytes.readableBytes))
        if overflow { throw DFSError(.range, path: path, "beyond the largest offset") }
        guard bytes.readableBytes > 0 else { return try await put(bytes, at: offset, ifVersion) }
        var rest = bytes
        var written: Int64 = 0
        var size: Int64 = 0
        while let piece = rest.readSlice(length: min(rest.readableBytes, pieceBytes)),
            piece.readableBytes > 0
        {
            do throws(DFSError) {
                size = try await put(piece, at: offset + written, ifVersion)
            } catch {
                var failure = error
                failure.writtenBytes = written
                failure.isOutcomeUnknown = failure.isOutcomeUnknown || written > 0
                throw failure
            }
            written += Int64(piece.readableBytes)
        }
        return size
    }

    private func put(
        _ bytes: ByteBuffer, at offset: Int64, _ ifVersion: Int64?
    ) async throws(DFSError) -> Int64 {
        var operation = HeldSession.Operation(.write, .changes)
        operation.arguments = { request, _ in
            request.operand(offset)
            if let ifVersion { request.option("if-ver", ifVersion) }
            request.payload = bytes
        }
        return try await put(bytes, operation)
    }

    /// Writes at the end, wherever that is by then, once; at most `pieceBytes` at once.
    ///
    /// - Returns: The file's size afterwards.
    /// - Throws: As `write(_:at:ifVersion:)` does.
    @discardableResult
    public func append(_ bytes: ByteBuffer) async throws(DFSError) -> Int64 {
        var named = ClientRequest(.append)
        let name = named.nameOperation()
        var operation = HeldSession.Operation(.append, .changes)
        operation.arguments = { request, _ in
            request.operation(name)
            request.payload = bytes
        }
        return try await put(bytes, operation)
    }

    private func put(
        _ bytes: ByteBuffer, _ operation: HeldSession.Operation
    ) async throws(DFSError) -> Int64 {
        var operation = operation
        operation.bytes = bytes.readableBytes
        let line = try await perform(operation).final
        guard line.text("bytes") == String(bytes.readableBytes) else {
            throw .violation("bytes= is not what was sent", path: path)
        }
        return try number("size", of: line)
    }

    /// Cuts the file, or extends it with zeros.
    ///
    /// - Parameter size: Bytes, from 0 on.
    /// - Throws: As `write(_:at:ifVersion:)` does.
    public func truncate(to size: Int64) async throws(DFSError) {
        var operation = HeldSession.Operation(.truncate, .changes)
        operation.arguments = { request, _ in request.operand(size) }
        _ = try await perform(operation)
    }

    /// Brings to the disk what was written, by calls that had returned before this one.
    ///
    /// What overlaps with it may be on the disk afterwards or not, and is not counted as synced.
    /// - Returns: The file's version.
    @discardableResult
    public func sync() async throws(DFSError) -> Int64 {
        let bytes = session.state.withLock { $0.changes.unsyncedBytes }
        let reply = try await session.perform(
            HeldSession.Operation(.sync, .syncs), client.patience(forWorkOn: bytes))
        return try number("ver", of: reply.final)
    }

    /// What the disk says of the file now.
    public func status() async throws(DFSError) -> FileStatus {
        let line = try await perform(HeldSession.Operation(.stat)).final
        return try EntryReader.status(of: line, at: path)
    }

    /// Starts the session's lease anew, which happens by itself while this object is kept.
    ///
    /// - Returns: The lease; nil for a session that ends with its connection.
    @discardableResult
    public func renew() async throws(DFSError) -> Duration? {
        _ = try await perform(HeldSession.Operation(.renew))
        return lease
    }

    /// Changes the time of the last change or the permission bits.
    public func setAttributes(
        mode: FileMode? = nil, modified: WallTime? = nil
    ) async throws(DFSError) {
        var operation = HeldSession.Operation(.setAttributes, .changes)
        operation.arguments = { request, _ in
            if let modified { request.option("mtime", modified.text) }
            if let mode { request.option("mode", mode.text) }
        }
        _ = try await perform(operation)
    }

    /// Ends the session; what it wrote is on the disk when this returns.
    ///
    /// - Returns: Bytes and version of the file; of a session that had ended with its connection
    ///   after everything was synced, as they were last known.
    /// - Throws: `stale-file` where the file was replaced or removed after it was written to, or
    ///   the session was lost before; with `isOutcomeUnknown` where what was written may not be
    ///   synced.
    @discardableResult
    public func close() async throws(DFSError) -> (size: Int64, version: Int64) {
        let line: ReplyLine
        let bytes = session.state.withLock { $0.changes.unsyncedBytes }
        switch try await session.close(client.patience(forWorkOn: bytes)) {
        case .answered(let answer): line = answer
        case .wasOver(let facts): return (facts.size, facts.version)
        }
        return (try number("size", of: line), try number("ver", of: line))
    }

    private var client: DFSClient { session.client }

    private func perform(_ operation: HeldSession.Operation) async throws(DFSError) -> Reply {
        try await session.perform(operation, client.patience())
    }

    private func number(_ key: StaticKey, of line: ReplyLine) throws(DFSError) -> Int64 {
        do throws(RequestError) {
            return try line.number(key)
        } catch {
            throw .violation(error.advice, path: path)
        }
    }
}
