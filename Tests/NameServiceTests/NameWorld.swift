import DFSProtocol
import Testing

@testable import NameService

/// A name server with a clock that a test owns, connections by number and a store in a dictionary.
struct NameWorld {
    var core: NameAuthority
    /// What has been committed, as the store would hand it over.
    var rows = KeptRows()
    var milliseconds: Int64 = 1_000_000
    /// Notices by connection, until they are read.
    var notices: [UInt64: [String]] = [:]
    var answers: [RequestID: String] = [:]
    /// How the store behaves: nil commits.
    var storeFailure: CatalogueStoreError?
    /// Whether batches stay at the store until `deliver`.
    var holdsCommits = false
    private var serial: UInt64 = 0

    private let limits: Limits

    init(pace: Pace = Pace(), limits: Limits = Limits()) throws {
        let id = try #require(ServerID("ns1"))
        self.limits = limits
        core = NameAuthority(id: id, pace: pace, limits: limits, seed: 7)
        try core.start(at: now)
        settle()
    }

    var now: Moment {
        Moment(
            monotonic: MonotonicTime(nanoseconds: milliseconds * 1_000_000),
            wall: WallTime(seconds: 1_700_000_000 + milliseconds / 1000))
    }

    /// Starts anew from what was committed.
    mutating func restart(afterMilliseconds away: Int64 = 1000) throws {
        milliseconds += away
        core = NameAuthority(id: core.id, pace: core.pace, limits: limits, seed: 11)
        for row in rows.all { try core.load(row) }
        try core.start(at: now)
        answers = [:]
        notices = [:]
        settle()
    }

    /// Sends a line and returns its answer; empty while it waits for something.
    @discardableResult
    mutating func send(
        _ text: String, on connection: UInt64 = 1, data: String? = nil, peer: String? = nil,
        push: Bool = true
    ) throws -> String {
        let id = try post(text, on: connection, data: data, peer: peer, push: push)
        settle()
        return answers.removeValue(forKey: id) ?? ""
    }

    /// Sends a line and returns at once; its answer appears in `answers`.
    mutating func post(
        _ text: String, on connection: UInt64 = 1, data: String? = nil, peer: String? = nil,
        push: Bool = true
    ) throws -> RequestID {
        serial += 1
        let id = RequestID(connection: ConnectionID(number: connection), serial: serial)
        let line = [UInt8](text.utf8)
        var parser = LineParser()
        try parser.parse(line.span)
        let payload = data.map { [UInt8]($0.utf8) }
        do throws(RequestError) {
            let request = try Request(
                parser, line: line.span, literal: payload?.count, role: .name)
            let asker = Asker(
                id: id, tag: request.tag,
                peer: try peer.map { (text) throws(RequestError) in
                    try Endpoint(text)
                }, takesNotices: push)
            core.receive(request, data: payload ?? [], asker, at: now)
        } catch {
            var writer = LineWriter()
            writer.error(error, tag: parser.tag)
            answers[id] = String(decoding: writer.bytes, as: UTF8.self)
        }
        collect()
        return id
    }

    /// Lets time pass, with every deadline at its moment.
    mutating func pass(milliseconds duration: Int64) {
        let end = milliseconds + duration
        while let deadline = core.nextDeadline, deadline.nanoseconds <= end * 1_000_000 {
            milliseconds = max(milliseconds, (deadline.nanoseconds + 999_999) / 1_000_000)
            core.expire(at: now)
            settle()
            if deadline == core.nextDeadline, milliseconds >= end { break }
        }
        milliseconds = end
        core.expire(at: now)
        settle()
    }

    mutating func close(_ connection: UInt64) {
        core.connectionClosed(ConnectionID(number: connection), at: now)
        settle()
    }

    /// Takes a request back, as CANCEL does.
    mutating func cancel(_ request: RequestID) {
        core.cancelled(request, at: now)
        settle()
    }

    /// Does all work that is left and commits what has changed.
    mutating func settle() {
        collect()
        while true {
            if core.hasWork {
                core.work(at: now)
            } else if !holdsCommits, let batch = core.takeBatch(at: now) {
                deliver(batch)
            } else {
                break
            }
            collect()
        }
        collect()
    }

    mutating func deliver(_ batch: [CatalogueChange]) {
        if let storeFailure {
            core.commitFailed(storeFailure, at: now)
        } else {
            rows.apply(batch)
            core.committed(at: now)
        }
        collect()
    }

    /// Takes up what the core wants done.
    mutating func collect() {
        for action in core.takeActions() {
            switch action {
            case .reply(let id, let lines):
                answers[id] = String(decoding: lines.bytes, as: UTF8.self)
            case .notify(let connection, let lines):
                let text = String(decoding: lines.bytes, as: UTF8.self)
                notices[connection.number, default: []] += text.split(separator: "\n").map {
                    $0 + "\n"
                }
            case .keepOpen, .log: continue
            }
        }
    }

    /// The notices of a connection that were not read yet.
    mutating func takeNotices(_ connection: UInt64) -> [String] {
        notices.removeValue(forKey: connection) ?? []
    }

    /// Registers a file server and gives it a complete inventory.
    mutating func addServer(
        _ id: String, on connection: UInt64, mounts: String = "/", files: [String] = [],
        epoch: Int = 1
    ) throws {
        try send(
            "REGISTER \(id) \(mounts) addr=127.0.0.1:\(7400 + connection) epoch=\(epoch)",
            on: connection)
        try send(
            "REPORT \(id) inventory=end gen=1", on: connection,
            data: files.map(NameWorld.line).joined())
    }

    /// A report's line of a small file.
    static func line(_ path: String) -> String {
        "+ \(path) size=5 mtime=2026-11-22T08:30:00Z ver=0\n"
    }

    /// The `op=` of the last notice of a connection.
    mutating func lastOperation(_ connection: UInt64) -> String {
        let line = takeNotices(connection).last ?? ""
        return line.split(separator: " ").first { $0.hasPrefix("op=") }.map(String.init) ?? ""
    }
}

/// What a store keeps, by key; hands it over in an order that makes no sense.
struct KeptRows {
    private var servers: [UInt32: CatalogueServer] = [:]
    private var nodes: [UInt32: CatalogueNode] = [:]
    private var holdings: [[UInt32]: CatalogueHolding] = [:]
    private var counters: [String: Int64] = [:]
    private var operations: [OperationID: CatalogueOperation] = [:]

    mutating func apply(_ changes: [CatalogueChange]) {
        for change in changes {
            switch change {
            case .putServer(let row): servers[row.number] = row
            case .putNode(let row): nodes[row.number] = row
            case .removeNode(let number): nodes[number] = nil
            case .putHolding(let row): holdings[[row.node, row.server]] = row
            case .removeHolding(let node, let server): holdings[[node, server]] = nil
            case .putCounter(let name, let value): counters[name] = value
            case .putOperation(let row): operations[row.op] = row
            case .removeOperation(let op): operations[op] = nil
            }
        }
    }

    /// Drops a row behind the core's back, as a crash between two batches may.
    mutating func lose(_ node: UInt32) { nodes[node] = nil }

    var nodeCount: Int { nodes.count }

    /// The operations that are kept, by their name.
    var stages: [String: CatalogueOperation.Stage] {
        Dictionary(
            uniqueKeysWithValues: operations.values.map {
                (String(decoding: $0.op.bytes, as: UTF8.self), $0.stage)
            })
    }

    func node(named name: String) -> CatalogueNode? {
        nodes.values.first { $0.name.elementsEqual(name.utf8) }
    }

    var all: [CatalogueRow] {
        holdings.values.map(CatalogueRow.holding) + nodes.values.map(CatalogueRow.node)
            + servers.values.map(CatalogueRow.server)
            + counters.map { CatalogueRow.counter(name: $0.key, value: $0.value) }
            + operations.values.map(CatalogueRow.operation)
    }
}
