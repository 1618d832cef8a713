import DFSProtocol
import DFSTransport
import FileService
import NIOCore

/// Copies one file from the server that the name server says has it; verified, atomic, durable.
///
/// Cancelling its task ends it at once, without a trace, unless the file is being put in place.
struct FileCopy: Sendable {
    /// What became of a copy, and the change that it made.
    struct Outcome: Sendable {
        let result: Result<FileEntry, RequestError>
        let generation: Int64?
    }

    let source: TreePath
    let target: TreePath
    /// This server's.
    let id: ServerID
    /// The registered connection; nil while there is none.
    let nameServer: LineConnection?
    let pool: StoragePool
    let eventLoop: any EventLoop

    /// For one request to another server; a stalled one is given up.
    private static let patience = Duration.seconds(10)
    /// For a digest, which reads the whole file.
    private static let digestPatience = Duration.seconds(3600)
    private static let attempts = 3
    private static let cancelled = RequestError(.cancelled, "the copy was given up")

    func run() async -> Outcome {
        do throws(RequestError) {
            let address = try await locate()
            let connection = try await open(address)
            let result: Result<FileEntry, RequestError>
            do throws(RequestError) {
                result = .success(try await copy(over: connection))
            } catch {
                result = .failure(error)
            }
            await connection.close()
            return Outcome(result: result, generation: pool.changes.generation)
        } catch {
            return Outcome(result: .failure(error), generation: nil)
        }
    }

    private func locate() async throws(RequestError) -> Endpoint {
        guard let nameServer else {
            throw RequestError(
                .serverDown, "no name server can be asked where the source is; try again",
                fields: [.init("retry", number: 1000)])
        }
        var request = ClientRequest(.locate, tagged: true)
        request.operand(source)
        let reply = try await ask(nameServer, request)
        guard source != target || reply.final.value("server") != id.bytes else {
            throw RequestError(
                .badArgument, "this server has the file already, and it would replace itself",
                fields: [.init("argument", [UInt8]("source".utf8))])
        }
        return try Endpoint(reply.final.text("addr") ?? "")
    }

    private func open(_ address: Endpoint) async throws(RequestError) -> LineConnection {
        do throws(ConnectionError) {
            return try await LineConnection.open(
                to: address, timeout: .seconds(2), on: eventLoop)
        } catch {
            throw unavailable("the file server at \(address) can not be reached")
        }
    }

    private func copy(over connection: LineConnection) async throws(RequestError) -> FileEntry {
        for _ in 0..<FileCopy.attempts {
            if let entry = try await copyOnce(over: connection) { return entry }
        }
        throw RequestError(
            .busy, path: source, "the source keeps changing; try again when it rests",
            fields: [.init("retry", number: 1000)])
    }

    /// Makes one copy; nil where the source changed meanwhile.
    private func copyOnce(over connection: LineConnection) async throws(RequestError) -> FileEntry?
    {
        var ask = ClientRequest(.stat, tagged: true)
        ask.operand(source)
        let stat = try await self.ask(connection, ask).final
        let version = try stat.number("ver")
        let size = try stat.number("size")
        let mtime = try WallTime(text: stat.value("mtime") ?? [])
        var mode: FileMode?
        if let text = stat.value("mode") { mode = try FileMode(text: text) }
        let (target, store) = (target, pool.store)
        let wantedMode = mode
        // Directories that it makes are durable before it is.
        let replacement = try await onDisk(.flush) { () throws(RequestError) in
            try store.beginReplacement(of: target, mode: wantedMode)
        }
        do throws(RequestError) {
            guard try await transfer(into: replacement, version, size, over: connection),
                try await isVerified(replacement, version, over: connection)
            else {
                await abandon(replacement)
                return nil
            }
            // Behind the last answer of the source nothing else notices it.
            if Task.isCancelled { throw FileCopy.cancelled }
            return try await onDisk(.flush) { () throws(RequestError) in
                try replacement.commit(mtime: mtime)
            }
        } catch {
            await abandon(replacement)
            throw error
        }
    }

    /// Fetches range after range; false where version and size are not the same throughout.
    ///
    /// The source has told its size, and no byte more than that is written here.
    private func transfer(
        into replacement: any FileReplacement, _ version: Int64, _ size: Int64,
        over connection: LineConnection
    ) async throws(RequestError) -> Bool {
        let most = Limits().payloadBytes
        var offset: Int64 = 0
        while true {
            var request = ClientRequest(.fetch, tagged: true)
            request.operand(source)
            request.operand(offset)
            request.operand(Int64(most))
            request.maximumPayload = most
            let reply = try await ask(connection, request)
            guard try reply.final.number("ver") == version, let bytes = reply.payload,
                Int64(bytes.readableBytes) <= size - offset
            else { return false }
            try await onDisk { () throws(RequestError) in
                let result = bytes.withUnsafeReadableBytes { buffer in
                    Result { () throws(RequestError) in try replacement.write(buffer) }
                }
                try result.get()
            }
            offset += Int64(bytes.readableBytes)
            if reply.final.text("eof") == "yes" { return offset == size }
            if bytes.readableBytes == 0 { return false }
        }
    }

    private func isVerified(
        _ replacement: any FileReplacement, _ version: Int64, over connection: LineConnection
    ) async throws(RequestError) -> Bool {
        var request = ClientRequest(.digest, tagged: true)
        request.operand(source)
        let reply = try await ask(connection, request, patience: FileCopy.digestPatience)
        guard try reply.final.number("ver") == version else { return false }
        let ours = try await onDisk { () throws(RequestError) in replacement.digest() }
        return reply.final.value("sha256") == ours
    }

    private func abandon(_ replacement: any FileReplacement) async {
        // What is left of a copy is swept at the next start; the first error is the one to tell.
        _ = try? await onDisk { () throws(RequestError) in replacement.abandon() }
    }

    private func onDisk<Value: Sendable>(
        _ kind: StoragePool.Kind = .step,
        _ work: @escaping @Sendable () throws(RequestError) -> Value
    ) async throws(RequestError) -> Value {
        do {
            return try await pool.submit(kind, at: target, on: eventLoop) { try work() }.get()
        } catch let error as RequestError {
            throw error
        } catch {
            throw RequestError(.draining, "this server is stopping")
        }
    }

    private func ask(
        _ connection: LineConnection, _ request: ClientRequest,
        patience: Duration = FileCopy.patience
    ) async throws(RequestError) -> Reply {
        do throws(ConnectionError) {
            return try await connection.send(request, timeout: patience)
        } catch {
            if case .cancelled = error { throw FileCopy.cancelled }
            guard case .refused(let refusal) = error else {
                throw unavailable("the source's server broke off")
            }
            var fields = [RequestError.Field("path", source.bytes)]
            for key: StaticKey in ["server", "seen", "retry"] {
                if let value = refusal.line.value(key) { fields.append(.init(key, value)) }
            }
            throw RequestError(
                refusal.known ?? .internal, "the source: \(refusal.advice)", fields: fields)
        }
    }

    private func unavailable(_ advice: String) -> RequestError {
        RequestError(
            .serverDown, path: source, advice, fields: [.init("retry", number: 1000)])
    }
}
