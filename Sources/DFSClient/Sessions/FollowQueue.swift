import DFSProtocol
import DFSTransport
import NIOCore
import Synchronization

/// What has come of a followed file and was not read yet; filled on a loop, emptied by one reader.
final class FollowQueue: Sendable {
    /// What is kept at most, in bytes, before no more are taken until all of it was read.
    static let limitBytes = 4_194_304
    /// What an event costs beside its bytes: cuts and single bytes fill the queue too.
    private static let eventBytes = 256
    /// Payloads up to this size are copied, so that a small one does not keep a large buffer.
    private static let copiedBytes = 65_536

    private struct State {
        var events = CircularBuffer<FollowEvent>()
        /// What the events cost together.
        var cost = 0
        /// Where the next bytes must stand.
        var offset: Int64
        var failure: DFSError?
        /// Waits for an event.
        var reader: CheckedContinuation<Void, Never>?
        /// Waits for the queue to be empty.
        var asker: CheckedContinuation<Void, Never>?

        mutating func takeReader() -> CheckedContinuation<Void, Never>? {
            defer { reader = nil }
            return reader
        }

        mutating func takeAsker() -> CheckedContinuation<Void, Never>? {
            defer { asker = nil }
            return asker
        }
    }

    private let path: TreePath
    private let state: Mutex<State>

    init(_ path: TreePath, from offset: Int64) {
        self.path = path
        state = Mutex(State(offset: offset))
    }

    /// Where the next bytes must stand.
    var offset: Int64 { state.withLock { $0.offset } }

    // MARK: The reader's side

    /// The next event; waits for it.
    func next() async throws(DFSError) -> FollowEvent {
        while true {
            if let event = take() { return event }
            if let failure = state.withLock({ $0.failure }) { throw failure }
            await withTaskCancellationHandler {
                await waitForNews()
            } onCancel: {
                fail(DFSError(.cancelled, path: path, "given up by the caller"))
            }
        }
    }

    private func take() -> FollowEvent? {
        let (event, asker) = state.withLock {
            state -> (FollowEvent?, CheckedContinuation<Void, Never>?) in
            guard let event = state.events.popFirst() else { return (nil, nil) }
            state.cost -= FollowQueue.cost(of: event)
            return (event, state.events.isEmpty ? state.takeAsker() : nil)
        }
        asker?.resume()
        return event
    }

    private func waitForNews() async {
        await withCheckedContinuation { continuation in
            let hasNews = state.withLock { state in
                if !state.events.isEmpty || state.failure != nil { return true }
                state.reader = continuation
                return false
            }
            if hasNews { continuation.resume() }
        }
    }

    // MARK: The asker's side

    /// Waits until everything was read.
    ///
    /// - Returns: Whether somebody still wants more.
    func isWantedWhenEmpty() async -> Bool {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if state.events.isEmpty || state.failure != nil { return true }
                state.asker = continuation
                return false
            }
            if isReady { continuation.resume() }
        }
        return state.withLock { $0.failure == nil }
    }

    /// Ends it with an error, which the reader gets once the events before it were read.
    func fail(_ error: DFSError) {
        let (reader, asker) = state.withLock { state in
            if state.failure == nil { state.failure = error }
            return (state.takeReader(), state.takeAsker())
        }
        reader?.resume()
        asker?.resume()
    }

    /// Takes an item of FOLLOW's answer.
    ///
    /// - Returns: Whether more is wanted.
    func take(_ item: Reply.Item) -> Bool {
        do throws(DFSError) {
            guard let event = try event(item) else { return true }
            return put(event)
        } catch {
            fail(error)
            return false
        }
    }

    /// - Returns: Whether more is wanted.
    @discardableResult
    func put(_ event: FollowEvent) -> Bool {
        let (isWanted, reader) = state.withLock { state in
            guard state.failure == nil else {
                return (false, CheckedContinuation<Void, Never>?.none)
            }
            switch event {
            case .bytes(let bytes, let offset):
                state.offset = offset + Int64(bytes.readableBytes)
            case .truncated(let size): state.offset = size
            case .end: break
            }
            state.events.append(event)
            state.cost += FollowQueue.cost(of: event)
            return (state.cost < FollowQueue.limitBytes, state.takeReader())
        }
        reader?.resume()
        return isWanted
    }

    private static func cost(of event: FollowEvent) -> Int {
        guard case .bytes(let bytes, _) = event else { return eventBytes }
        return eventBytes + bytes.readableBytes
    }

    /// - Returns: nil for an item of a later version, which is passed over.
    private func event(_ item: Reply.Item) throws(DFSError) -> FollowEvent? {
        do throws(RequestError) {
            if let word = item.line.operands.first {
                guard word.elementsEqual("truncated".utf8) else { return nil }
                return .truncated(size: try item.line.number("size"))
            }
            let bytes = item.payload ?? ByteBuffer()
            let place = try item.line.number("offset")
            let (_, isTooFar) = place.addingReportingOverflow(Int64(bytes.readableBytes))
            guard place == offset, !isTooFar, bytes.readableBytes > 0,
                try item.line.number("bytes") == Int64(bytes.readableBytes)
            else { throw RequestError(.badArgument, "bytes that do not follow what came before") }
            let isSmall = bytes.readableBytes <= FollowQueue.copiedBytes
            return .bytes(isSmall ? ByteBuffer(buffer: bytes) : bytes, at: place)
        } catch {
            throw .violation("an item of FOLLOW: \(error.advice)", path: path)
        }
    }
}
