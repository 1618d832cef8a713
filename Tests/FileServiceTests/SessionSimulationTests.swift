import DFSProtocol
import Testing

@testable import FileService

/// Random conversations of several clients with one core, with disk work that ends in any order.
///
/// A failing seed replays the same conversation.
@Suite struct SessionSimulationTests {
    @Test(arguments: 0..<100)
    func `whatever clients do, nothing is lost, done twice or kept`(seed: UInt64) throws {
        var world = World(seed: seed)
        for _ in 0..<400 { world.step() }
        world.finish()

        #expect(world.broken == [])
        #expect(world.bench.core.isIdle)
        #expect(world.bench.core.sessions.count == 0)
        #expect(world.bench.core.locks.isEmpty)
        #expect(world.bench.core.openings.isEmpty)
        #expect(world.bench.core.closings.isEmpty)
        #expect(world.bench.core.leaving.isEmpty)
        #expect(world.bench.core.lanes.isEmpty)
        #expect(world.bench.core.unasked == 0)
        #expect(world.bench.core.operations.waitingCount == 0)
    }

    @Test func `the conversations meet every way in which a session ends`() {
        var seen: Set<String> = []
        for seed: UInt64 in 0..<40 {
            var world = World(seed: seed)
            for _ in 0..<400 { world.step() }
            for (_, text) in world.bench.replies {
                let words = text.split(separator: " ").filter { !$0.hasPrefix("@") }
                seen.insert(words.prefix(words.first == "ERR" ? 2 : 1).joined(separator: " "))
            }
        }

        let codes = ["OK", "ERR locked", "ERR stale-handle", "ERR lease-expired", "ERR denied"]
        #expect(codes.allSatisfy(seen.contains), "\(seen.sorted())")
    }
}

/// Clients, what they have heard, and what must be so at every moment.
private struct World {
    var bench = Bench()
    /// What was found to be wrong.
    var broken: [String] = []
    private var random: UInt64
    private var connections: [UInt64] = [1, 2, 3]
    private var lastConnection: UInt64 = 3
    private var lastNumber = 0
    private var handles = ["h1"]
    private var heard = 0
    /// The data of each APPEND by its `op=`, and whether one of its attempts was answered OK.
    private var appends: [String: (data: String, isDone: Bool)] = [:]
    private var asked: [RequestID: (line: String, connection: UInt64)] = [:]
    private var gone: Set<RequestID> = []

    init(seed: UInt64) {
        random = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        bench.ask("STORE /a x")
        bench.ask("STORE /b x")
        heard = bench.replies.count
        bench.runsAtOnce = false
    }

    private mutating func pick(_ count: Int) -> Int {
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        return Int(random >> 33) % count
    }

    private mutating func pick(_ words: [String]) -> String { words[pick(words.count)] }

    mutating func step() {
        switch pick(16) {
        case 0...5: if !bench.jobs.isEmpty { bench.runNext(pick(bench.jobs.count)) }
        case 6, 7: open()
        case 8, 9: append()
        case 10: use()
        case 11: ask("\(pick(["CLOSE", "KILL", "RENEW"])) \(handle())")
        case 12: ask("RESUME \(handle()) token=\(pick(["1", LeaseTests.token, LeaseTests.token]))")
        case 13: bench.pass(milliseconds: Int64(pick(120)))
        case 14: if let (id, _) = asked.min(by: { $0.key < $1.key }) { cancel(id) }
        default: if pick(4) == 0 { disconnect() }
        }
        listen()
        check()
    }

    /// Runs everything to its end, and then lets every session go.
    mutating func finish() {
        bench.runsAtOnce = true
        if !bench.jobs.isEmpty { bench.runNext() }
        bench.pass(milliseconds: 700_000)
        listen()
        let waiting = asked.keys.filter { !gone.contains($0) }
        if !waiting.isEmpty { broken.append("no answer: \(waiting.map { asked[$0]?.line ?? "" })") }
        bench.perform(bench.core.endSessions(at: bench.now))
        bench.perform(bench.core.timePassed(at: bench.now))
        let files = ["/a", "/b"].map { bench.ask("FETCH \($0)", on: 99) }.joined()
        for (operation, append) in appends.sorted(by: { $0.key < $1.key }) {
            let count = files.split(separator: ";").count { $0.hasSuffix(append.data) }
            if append.isDone ? count != 1 : count > 1 {
                broken.append("\(operation) is there \(count) times, done: \(append.isDone)")
            }
        }
    }

    private mutating func open() {
        lastNumber += 1
        let lease = pick(["", " lease=50", " lease=200", " lease=conn"])
        let lock = pick(["", "", " lock=shared", " lock=exclusive", " lock=shared wait=90"])
        let wait = lock.hasSuffix("exclusive") ? pick(["", " wait=150"]) : ""
        let operation = pick(["", " op=o\(lastNumber)", " op=o\(pick(lastNumber))"])
        ask("OPEN \(pick(["/a", "/b"])) rw\(lease)\(lock)\(wait)\(operation)")
    }

    private mutating func append() {
        var operation = "a\(lastNumber)"
        if pick(3) == 0, let old = appends.keys.sorted().last {
            operation = old
        } else {
            lastNumber += 1
            operation = "a\(lastNumber)"
            appends[operation] = ("<\(lastNumber)>", false)
        }
        guard let data = appends[operation]?.data else { return }
        ask("APPEND \(handle()) \(data); op=\(operation)")
    }

    private mutating func use() {
        ask(pick(["READ \(handle()) 1", "READ \(handle()) 0 9", "SYNC \(handle())"]))
    }

    private mutating func handle() -> String { pick(handles) }

    private mutating func ask(_ line: String) {
        lastNumber += 1
        let connection = connections[pick(connections.count)]
        let id = bench.send("@\(lastNumber) \(line)", on: connection)
        asked[id] = (line, connection)
    }

    private mutating func cancel(_ id: RequestID) {
        gone.insert(id)
        bench.cancel(id)
    }

    private mutating func disconnect() {
        let index = pick(connections.count)
        let connection = connections[index]
        for (id, request) in asked where request.connection == connection { gone.insert(id) }
        bench.close(connection)
        lastConnection += 1
        connections[index] = lastConnection
    }

    /// Hears the answers, of which there is one for each request.
    private mutating func listen() {
        for (id, text) in bench.replies[heard...] {
            guard let request = asked.removeValue(forKey: id) else {
                // The host drops answers to those that are gone; nobody may hear two of them.
                if !gone.contains(id) { broken.append("answered twice: \(text)") }
                continue
            }
            if let part = text.split(separator: " ").first(where: { $0.hasPrefix("h=") }),
                text.contains(" OK ")
            {
                let handle = String(part.dropFirst(2))
                if !handles.contains(handle) { handles.append(handle) }
                if handles.count > 6 { handles.removeFirst() }
            }
            let isHeard = !gone.contains(id)
            if isHeard, text.contains(" OK bytes="), let range = request.line.firstRange(of: "op=a")
            {
                let operation = "a" + request.line[range.upperBound...]
                appends[operation]?.isDone = true
            }
        }
        heard = bench.replies.count
    }

    /// What holds at every moment.
    private mutating func check() {
        for inode: UInt64 in 1...2 {
            let holders = bench.core.locks.holders(of: FileIdentity(device: 1, inode: inode))
            if Array(holders).count > 1, holders.contains(where: { $0.kind == .exclusive }) {
                broken.append("an exclusive lock is not alone: \(holders)")
            }
        }
        if bench.core.unasked > 32 { broken.append("\(bench.core.unasked) are put away at once") }
    }
}
