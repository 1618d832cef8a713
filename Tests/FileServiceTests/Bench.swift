import DFSProtocol
import FileService
import Synchronization

/// A whole file server without sockets or threads: lines in, lines out, disk work when told.
struct Bench {
    let store: MemoryStore
    var core: FileServerCore
    var now = MonotonicTime(nanoseconds: 0)
    /// Jobs that the core started and the test has not run yet, in their order.
    var jobs: [DiskJob] = []
    /// What each request was told, in the order of the telling.
    var replies: [(id: RequestID, text: String)] = []
    /// Connections that were told to hold a session no longer.
    var released: [ConnectionID] = []
    var pulls: [(id: RequestID, target: TreePath, source: TreePath)] = []
    /// Whether jobs run as soon as the core starts them.
    var runsAtOnce = true
    /// What each FOLLOW was sent, in order.
    var items: [(id: RequestID, text: String)] = []
    /// Items that the peer's system has not taken yet, while `takesItems` is false.
    var untaken: [RequestID] = []
    var takesItems = true
    private var watches: [RequestID: any FileWatch] = [:]
    private var news: [RequestID: NewsBox] = [:]
    private var payloads: [RequestID: [UInt8]] = [:]
    private var serial: UInt64 = 0

    init(jobLimit: Int = 1024, limits: Limits = Limits()) {
        store = MemoryStore()
        var configuration = FileServerCore.Configuration(
            id: .fs1, epoch: 4, mounts: [.root], startedAt: MonotonicTime(nanoseconds: 0),
            wallClock: { WallTime(seconds: 5_000) },
            newToken: { SessionToken(high: 1, low: 0xabc) })
        configuration.jobLimit = jobLimit
        configuration.limits = limits
        core = FileServerCore(configuration)
    }

    /// Sends a line and runs everything; the whole answer without its last newline.
    @discardableResult
    mutating func ask(_ line: String, on connection: UInt64 = 1, literal: String? = nil) -> String {
        let id = send(line, on: connection, literal: literal)
        return reply(to: id) ?? "no answer"
    }

    /// Sends a line; the answer may come later.
    @discardableResult
    mutating func send(
        _ line: String, on connection: UInt64 = 1, literal: String? = nil
    ) -> RequestID {
        serial += 1
        let id = RequestID(connection: ConnectionID(number: connection), serial: serial)
        payloads[id] = literal.map { [UInt8]($0.utf8) }
        var parser = LineParser()
        let bytes = [UInt8](line.utf8)
        do throws(RequestError) {
            try parser.parse(bytes.span)
            let request = try Request(
                parser, line: bytes.span, literal: literal?.utf8.count, role: .file)
            let client = ClientName(
                address: [UInt8]("127.0.0.1:\(50_000 + connection)".utf8),
                name: [UInt8]("tester".utf8))
            let print = (literal.map { [UInt8]($0.utf8) } ?? []).withUnsafeBytes(DataPrint.of)
            let caller = Caller(id: id, client: client, payloadPrint: print)
            perform(core.receive(request, from: caller, at: now))
        } catch {
            perform([.refuse(id, error)])
        }
        return id
    }

    /// Lets time pass, and what is due by then happen.
    mutating func pass(milliseconds: Int64) {
        now = now.advanced(milliseconds: milliseconds)
        perform(core.timePassed(at: now))
    }

    /// Ends a connection.
    mutating func close(_ connection: UInt64) {
        perform(core.connectionClosed(ConnectionID(number: connection), at: now))
    }

    mutating func cancel(_ id: RequestID) { perform(core.cancelled(id, at: now)) }

    func reply(to id: RequestID) -> String? { replies.first { $0.id == id }?.text }

    mutating func perform(_ actions: [FileAction]) {
        for action in actions {
            switch action {
            case .run(let job): jobs.append(job)
            case .answer(let id, let items, let final):
                tell(id, (items?.bytes ?? []) + final.bytes)
            case .answerWithBytes(let id, let head):
                tell(id, head.bytes + (payloads[id] ?? []) + [0x0A])
            case .tell(let id, let item, let withBytes):
                let bytes = withBytes ? (payloads[id] ?? []) + [0x0A] : []
                items.append((id, String(decoding: item.bytes + bytes, as: UTF8.self)))
                untaken.append(id)
            case .watch(let id, let file): watch(file, for: id)
            case .refuse(let id, let error):
                watches[id] = nil
                var line = LineWriter()
                line.error(error, tag: nil)
                tell(id, line.bytes)
            case .pull(let id, let target, let source): pulls.append((id, target, source))
            case .released(let connection): released.append(connection)
            }
        }
        while runsAtOnce, !jobs.isEmpty { runNext() }
        while takesItems, !untaken.isEmpty { takeItem() }
    }

    /// The peer's system takes the item that was sent first.
    mutating func takeItem() { perform(core.itemTaken(untaken.removeFirst(), at: now)) }

    private mutating func watch(_ file: any OpenFile, for id: RequestID) {
        let news = NewsBox()
        self.news[id] = news
        do throws(RequestError) {
            watches[id] = try store.watch(file) { news.raise() }
            perform(core.watching(id, nil, at: now))
        } catch {
            perform(core.watching(id, error, at: now))
        }
    }

    /// Hands on what the store told of files that are followed.
    mutating func tellNews() {
        for (id, box) in news.sorted(by: { $0.key < $1.key }) where box.take() {
            perform(core.fileChanged(id, at: now))
        }
    }

    /// Whether the store still watches for a request.
    func isWatching(_ id: RequestID) -> Bool { watches[id] != nil }

    private mutating func tell(_ id: RequestID, _ bytes: [UInt8]) {
        replies.append((id, String(decoding: bytes.dropLast(), as: UTF8.self)))
    }

    /// Runs the job that was started first, or the one at `index`.
    mutating func runNext(_ index: Int = 0) {
        let job = jobs.remove(at: index)
        finish(job, perform(job))
    }

    /// Does the disk's part of a job and keeps its outcome from the core until `finish`.
    mutating func perform(_ job: DiskJob) -> (Result<DiskOutcome, RequestError>, Int64?) {
        let before = store.generation
        var space = ArraySpace()
        let payload = job.request.flatMap { payloads[$0] } ?? []
        let result = payload.withUnsafeBytes { bytes in
            Result { () throws(RequestError) in
                try job.work.run(on: store, payload: bytes, space: &space)
            }
        }
        if let id = job.request { payloads[id] = space.bytes }
        let after = store.generation
        return (result, after > before ? after : nil)
    }

    mutating func finish(_ job: DiskJob, _ outcome: (Result<DiskOutcome, RequestError>, Int64?)) {
        perform(core.finished(job.number, outcome.0, changed: outcome.1, at: now))
    }
}

/// Whether a store has told of a change.
final class NewsBox: Sendable {
    private let isRaised = Atomic(false)

    func raise() { isRaised.store(true, ordering: .releasing) }

    func take() -> Bool { isRaised.exchange(false, ordering: .acquiringAndReleasing) }
}

/// Reads into an array.
struct ArraySpace: ReadSpace {
    var bytes: [UInt8] = []

    mutating func fill(
        _ count: Int, _ body: (UnsafeMutableRawBufferPointer) throws(RequestError) -> Int
    ) throws(RequestError) -> Int {
        var room = [UInt8](repeating: 0, count: count)
        let result = room.withUnsafeMutableBytes { buffer in
            Result { () throws(RequestError) in try body(buffer) }
        }
        let filled = try result.get()
        bytes += room.prefix(filled)
        return filled
    }
}

extension ServerID {
    static let fs1 = ServerID("fs1") ?? ServerID.unnamed
    private static let unnamed: ServerID = {
        preconditionFailure("fs1 is a valid id")
    }()
}

/// A path that stands in a test's source.
func path(_ text: String) throws -> TreePath { try TreePath(text) }
